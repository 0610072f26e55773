-- Keeps true: what is due is found by its stored moment alone; no timer lives only in memory. Of each lane that has something
-- to begin a few, of timers the longest due first, and of all these each in turn: what is many in one delays nobody else.
-- Rows without a moment are timers whose execution is not due after all: settle_timers is for them.
-- $1 owner, $2 executions in hand, $3 limit, $4 the lane to begin with.
with recursive walk as (
    select $4::bigint - 1 as lane, false as around, 0 as passed
    union all
    select next.lane, next.around, walk.passed + 1
    from walk cross join lateral (
        (
            select workflow_lane(e.bot_id, e.script_path) as lane, walk.around from workflow_executions e
            where case when e.status = 'running' then e.plan_hash is not null else false end and workflow_lane(e.bot_id, e.script_path) > walk.lane
            order by workflow_lane(e.bot_id, e.script_path) limit 1
        )
        union all
        (
            select workflow_lane(e.bot_id, e.script_path), true from workflow_executions e
            where not walk.around and case when e.status = 'running' then e.plan_hash is not null else false end and workflow_lane(e.bot_id, e.script_path) < $4
            order by workflow_lane(e.bot_id, e.script_path) limit 1
        )
        limit 1
    ) next
    where walk.passed < 64 and not (next.around and next.lane >= $4)
), found as (
    select begun.id, begun.revision, true as due, row_number() over (partition by walk.lane) as place
    from walk cross join lateral (
        select e.id, e.revision from workflow_executions e
        join workflow_partitions p on p.number = e.partition and p.owner = $1
        where case when e.status = 'running' then e.plan_hash is not null else false end and workflow_lane(e.bot_id, e.script_path) = walk.lane
            and e.wake_at is not null and e.id not in (select unnest($2::uuid[]))
        order by e.created_at limit case when (select count(*) from walk) <= 8 then $3 else greatest($3 / 8, 4) end
    ) begun
    where walk.passed > 0
    union all
    select timer.execution_id, e.revision, e.wake_at <= workflow_now() and e.status = 'waiting' and e.plan_hash is not null,
        row_number() over (order by timer.wake_at)
    from (
        select t.execution_id, t.wake_at from workflow_timers t
        join workflow_partitions p on p.number = t.partition and p.owner = $1
        where t.wake_at <= workflow_now() and t.execution_id not in (select unnest($2::uuid[]))
        order by t.wake_at limit $3
    ) timer
    left join workflow_executions e on e.id = timer.execution_id
)
select found.id, found.revision, case when found.due then workflow_now() end as now
from found order by found.place limit $3
