-- Keeps true: what falls due next is found by its stored moment, whoever owns it. $1 execution.
select e.wake_at from workflow_executions e
where e.id = $1 and e.wake_at is not null and e.status in ('running', 'waiting')
