-- Keeps true: an attempt that was cut short is found, and repeated under the same key or left to the operator.
-- $1 owner, $2 attempts it holds, $3 attempts of its own that may have had an effect, $4 repeat or park.
select id, kind, status from workflow_recover_requests($1, $2::uuid[], $3::uuid[], $4)
