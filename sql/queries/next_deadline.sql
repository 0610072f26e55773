-- Keeps true: what falls due next is found by its stored moment, whoever owns it: of the execution itself, of what it
-- scheduled, and of what that started. $1 execution.
select min(due.at) from (
    select e.wake_at as at from workflow_executions e
    where e.id = $1 and e.wake_at is not null and e.status in ('running', 'waiting')
    union all
    select s.next_at from workflow_schedules s where s.execution_id = $1 and not s.paused
    union all
    select e.wake_at from workflow_schedules s join workflow_executions e on e.schedule_id = s.id
    where s.execution_id = $1 and e.wake_at is not null and e.status in ('running', 'waiting')
) due
