-- Keeps true: messages nobody has heard yet, and for how many seconds the oldest has waited.
select count(*) as pending, extract(epoch from workflow_now() - min(m.created_at))::float8 as oldest_seconds from workflow_messages m
