-- Keeps true: a partition has one owner; its epoch grows when that changes. $1 owner, $2 seconds of lease.
-- Those another claimer is taking at this moment are his.
with free as (
    select p.number from workflow_partitions p
    where p.owner is null or p.owner = $1 or p.lease_until is null or p.lease_until < workflow_now()
    order by p.number for no key update skip locked
)
update workflow_partitions p
set epoch = p.epoch + (p.owner is distinct from $1)::integer, owner = $1,
    lease_until = workflow_now() + make_interval(secs => $2)
from free where p.number = free.number
returning p.number
