-- Keeps true: requests that nobody has answered are seen. The counts of operators and gauges, $1 at most of each status.
select 'pending' as status, count(*) as requests
from (select from workflow_requests r where r.status = 'pending' order by r.kind, r.lane, r.not_before limit $1) pending
union all
select 'taken', count(*) from (select from workflow_requests r where r.status = 'taken' order by r.lease_until limit $1) taken
union all
select 'in_doubt', count(*) from (select from workflow_requests r where r.status = 'in_doubt' order by r.created_at limit $1) doubted
