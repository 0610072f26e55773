-- Keeps true: as workflow_complete_request says. $1 id, $2 result.
select changed, status, sentence from workflow_complete_request($1, $2::jsonb)
