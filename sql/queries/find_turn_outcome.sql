-- Keeps true: true only if this owner's commit of the turn that began at the revision happened. $1 execution, $2 revision, $3 owner.
select exists (
    select from workflow_turns t
    join workflow_executions e on e.id = t.execution_id
    join workflow_partitions p on p.number = e.partition
    where t.execution_id = $1 and t.revision = $2 and p.owner = $3 and p.epoch = t.epoch
)
