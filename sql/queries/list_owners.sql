-- Keeps true: only owners with a lease that still runs are in the way. $1 owner: the others.
select distinct p.owner from workflow_partitions p
where p.owner <> $1 and p.lease_until >= workflow_now()
