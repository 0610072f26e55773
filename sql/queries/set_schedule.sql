-- Keeps true: a request for a schedule is one schedule, however often it is made. $1 execution, $2 bot, $3 key, $4 what is asked.
select to_jsonb(workflow_set_schedule($1, $2, $3, $4::jsonb))::text
