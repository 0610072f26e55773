-- Keeps true: every schedule that is due or not planned yet is found by some daemon; the clock is the database's. $1 how many.
(
    select s.id, s.what, s.cron, s.zone, s.at, s.once, s.missed, s.settled, s.next_at, s.planned, s.created_at, workflow_now() as now
    from workflow_schedules s where not s.paused and not s.planned order by s.id limit $1
)
union all
(
    select s.id, s.what, s.cron, s.zone, s.at, s.once, s.missed, s.settled, s.next_at, s.planned, s.created_at, workflow_now() as now
    from workflow_schedules s where not s.paused and s.planned and s.next_at <= workflow_now() order by s.next_at limit $1
)
