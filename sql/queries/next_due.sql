-- Keeps true: the database's clock alone says how long there is to sleep. $1 owner, $2 executions in hand.
select extract(epoch from least(
    (
        select t.wake_at from workflow_timers t
        join workflow_partitions p on p.number = t.partition and p.owner = $1
        where t.execution_id not in (select unnest($2::uuid[]))
        order by t.wake_at limit 1
    ),
    (
        select e.wake_at from workflow_executions e
        join workflow_partitions p on p.number = e.partition and p.owner = $1
        where case when e.status = 'running' then e.plan_hash is not null else false end and e.wake_at is not null and e.id not in (select unnest($2::uuid[]))
        order by workflow_lane(e.bot_id, e.script_path), e.created_at limit 1
    )
) - workflow_now())::float8
