-- Keeps true: the id of who will hear it, or null and nothing kept.
select workflow_send($1, $2, $3::jsonb, $4, $5, $6, $7)
