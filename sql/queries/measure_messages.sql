-- Keeps true: messages nobody has heard yet, $1 at most, and for how many seconds the oldest has waited.
select (select count(*) from (select from workflow_messages m order by m.id + 0 limit $1) pending) as pending,
    (select extract(epoch from workflow_now() - m.created_at)::float8 from workflow_messages m order by m.id + 0 limit 1) as oldest_seconds
