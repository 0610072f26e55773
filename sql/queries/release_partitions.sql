-- Keeps true: what is given back is free at once. $1 owner.
update workflow_partitions p set owner = null, lease_until = null
where p.owner = $1
returning p.number
