-- Keeps true: a slot is started at most once, whoever fires it and however often. $1 what is due, as workflow_fire_schedules has it.
select workflow_fire_schedules($1::jsonb)
