-- Keeps true: what scripts asked for about a script is taken back, what deploying it registered stays. $1 bot, $2 script.
select to_jsonb(workflow_clear_schedules($1, $2))::text
