-- Keeps true: a timer's row is never later than its execution's wake_at. The execution is locked first, so what is read of it is
-- what is true until this has committed; one that somebody else holds is left for the next look. $1 executions.
with seen as materialized (
    select e.id, case when e.status = 'waiting' and e.plan_hash is not null then e.wake_at end as wake_at from workflow_executions e
    where e.id = any ($1::uuid[]) order by e.id for no key update skip locked
), moved as (
    update workflow_timers t set wake_at = seen.wake_at from seen
    where t.execution_id = any (array[seen.id]) and t.wake_at < seen.wake_at  -- by key: what is no plain equality cannot be merged or hashed
    returning t.execution_id
), gone as (
    delete from workflow_timers t
    where t.execution_id = any ($1::uuid[]) and (
        t.execution_id in (select seen.id from seen where seen.wake_at is null)
        or (select e.id from workflow_executions e where e.id = t.execution_id) is null
    )
    returning t.execution_id
)
select (select count(*) from moved) + (select count(*) from gone) as settled
