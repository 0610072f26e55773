-- Keeps true: what falls due next is found by its stored moment, whoever owns it. $1 execution, with its children and theirs.
with recursive family as (
    select e.id from workflow_executions e where e.id = $1
    union all
    select child.id from family join workflow_executions child on child.parent_id = family.id
)
select min(e.wake_at) from workflow_executions e join family on family.id = e.id
where e.wake_at is not null and e.status in ('running', 'waiting')
