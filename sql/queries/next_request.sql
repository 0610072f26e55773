-- Keeps true: the database's clock alone says how long there is to sleep. $1 owner, $2 kinds (null: all), $3 whether what
-- is due already counts: it became due since the last look; where there was no room for it, that would be no sleep at all.
with recursive lanes (kind, lane) as (
    (select r.kind, r.lane from workflow_requests r where r.status = 'pending' order by r.kind, r.lane limit 1)
    union all
    select n.kind, n.lane from lanes l cross join lateral (
        select r.kind, r.lane from workflow_requests r
        where r.status = 'pending' and (r.kind, r.lane) > (l.kind, l.lane)
        order by r.kind, r.lane limit 1
    ) n
)
select min(extract(epoch from next.not_before - workflow_now()))::float8
from lanes l cross join lateral (
    select r.not_before from workflow_requests r
    where r.status = 'pending' and r.kind = l.kind and r.lane = l.lane and (r.not_before > workflow_now() or $3)
        and r.partition = any (array(select p.number from workflow_partitions p where p.owner = $1))
    order by r.not_before limit 1
) next
where l.kind = any ($2::text[]) or $2::text[] is null and l.kind <> 'approval'
