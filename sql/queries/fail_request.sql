-- Keeps true: as workflow_fail_request says. $1 id, $2 why, or null.
select changed, status, sentence from workflow_fail_request($1, $2)
