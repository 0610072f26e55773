-- Keeps true: a daemon lives as long as its lease runs; a killed one for that long at most.
select d.owner, (select count(*) from workflow_partitions p where p.owner = d.owner) as partitions,
    extract(epoch from d.lease_until - workflow_now())::float8 as seconds
from workflow_daemons d where d.lease_until > workflow_now()
order by 2 desc, d.owner limit 1
