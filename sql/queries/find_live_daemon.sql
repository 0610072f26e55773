-- Keeps true: a daemon lives as long as its lease runs; a killed one for that long at most.
select p.owner, count(*) as partitions, extract(epoch from max(p.lease_until) - workflow_now())::float8 as seconds
from workflow_partitions p where p.owner is not null and p.lease_until > workflow_now()
group by p.owner order by count(*) desc limit 1
