-- Keeps true: an attempt whose request was given up, or is another's by now, is found by who still makes it.
-- $1 owner, $2 ids, $3 their attempts.
select h.id from unnest($2::uuid[], $3::integer[]) as h (id, attempt)
where not exists (
    select from workflow_requests r where r.id = h.id and r.status = 'taken' and r.taken_by = $1 and r.attempts = h.attempt
)
