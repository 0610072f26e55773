-- Keeps true: one start for each start_key, one running execution for each session and script.
select workflow_start($1, $2, $3, $4::jsonb, $5)
