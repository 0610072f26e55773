-- Keeps true: what is on its way to scripts, and what should have started them, is seen when it stands still.
select (select count(*) from workflow_signals) as signals,
    (select extract(epoch from workflow_now() - min(s.created_at))::float8 from workflow_signals s) as oldest_seconds,
    (select count(*) from workflow_events e where not e.processed and e.stage in ('new', 'back', 'early')) as events,
    (select greatest(extract(epoch from workflow_now() - min(s.next_at))::float8, 0) from workflow_schedules s
     where not s.paused and s.next_at is not null) as late_seconds
