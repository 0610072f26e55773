-- Keeps true: what falls due next is found by its stored moment, whoever owns it: of the execution itself, of its
-- children and theirs, of what any of them scheduled, and of what that started. $1 execution.
with recursive family as (
    select e.id from workflow_executions e where e.id = $1
    union
    select other.id from family join lateral (
        select child.id from workflow_executions child where child.parent_id = family.id
        union all
        select started.id from workflow_schedules s join workflow_executions started on started.schedule_id = s.id
        where s.execution_id = family.id
    ) other on true
)
select min(due.at) from (
    select e.wake_at as at from workflow_executions e join family on family.id = e.id
    where e.wake_at is not null and e.status in ('running', 'waiting')
    union all
    select s.next_at from workflow_schedules s join family on family.id = s.execution_id where not s.paused
) due
