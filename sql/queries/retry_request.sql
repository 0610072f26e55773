-- Keeps true: as workflow_retry_request says. $1 id.
select changed, status, sentence from workflow_retry_request($1)
