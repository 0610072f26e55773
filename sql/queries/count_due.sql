-- Keeps true: how much is due is known well enough to hand it out in good time. $1 owner, $2 at most of each kind.
select (
    select count(*) from (
        select from workflow_timers t
        join workflow_partitions p on p.number = t.partition and p.owner = $1
        where t.wake_at <= workflow_now() limit $2
    ) timers
) + (
    select count(*) from (
        select from workflow_executions e
        join workflow_partitions p on p.number = e.partition and p.owner = $1
        where case when e.status = 'running' then e.plan_hash is not null else false end limit $2
    ) begun
) as due
