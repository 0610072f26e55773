-- Keeps true: what is on its way to scripts, and what should have started them, is seen when it stands still. $1 at most
-- of each are counted.
select (select count(*) from (select from workflow_signals s order by s.id limit $1) signals) as signals,
    (select extract(epoch from workflow_now() - s.created_at)::float8 from workflow_signals s order by s.id limit 1) as oldest_seconds,
    (select count(*) from (
        select from workflow_events e where not e.processed and e.stage in ('new', 'back') order by e.published_at limit $1
    ) fresh) + (select count(*) from (
        select from workflow_events e where not e.processed and e.stage = 'early' order by lower(btrim(e.event_name)) limit $1
    ) early) as events,
    (select greatest(extract(epoch from workflow_now() - s.next_at)::float8, 0) from workflow_schedules s
     where not s.paused and s.next_at is not null order by s.next_at limit 1) as late_seconds
