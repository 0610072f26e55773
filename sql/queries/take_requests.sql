-- Keeps true: a request is taken by one owner, that of its partition, and only where its limits have room; no lane (a
-- host, say) is looked at behind another's backlog: each has its own share of the batch.
-- $1 owner, $2 kinds (null: all that are performed), $3 limit, $4 lanes that are known, $5 room in each of them,
-- $6 room in any other lane, $7 bots without room.
with recursive lanes (kind, lane) as (
    (select r.kind, r.lane from workflow_requests r where r.status = 'pending' order by r.kind, r.lane limit 1)
    union all
    select n.kind, n.lane from lanes l cross join lateral (
        select r.kind, r.lane from workflow_requests r
        where r.status = 'pending' and (r.kind, r.lane) > (l.kind, l.lane)
        order by r.kind, r.lane limit 1
    ) n
), ours as materialized (
    select l.kind, l.lane, coalesce(known.room, $6) as room, count(*) over () as lanes
    from lanes l left join unnest($4::text[], $5::integer[]) as known (lane, room) on known.lane = l.lane
    where (l.kind = any ($2::text[]) or $2::text[] is null and l.kind <> 'approval') and coalesce(known.room, $6) > 0
), picked as materialized (
    select p.id, o.lanes from ours o
    cross join lateral (
        select r.id, r.not_before from workflow_requests r
        where r.status = 'pending' and r.kind = o.kind and r.lane = o.lane and r.not_before <= workflow_now()
            and (r.deadline is null or r.deadline > workflow_now())
            and r.partition = any (array(select p.number from workflow_partitions p where p.owner = $1))
            and r.bot_id <> all ($7::uuid[])
        order by r.not_before
        limit least(o.room, greatest(1, $3::integer / o.lanes))
        for no key update skip locked
    ) p
    order by p.not_before limit $3
)
update workflow_requests r set status = 'taken', taken_by = $1, lease_until = null, attempts = r.attempts + 1
from picked where r.id = any (array[picked.id])  -- by key: what is no plain equality cannot be merged or hashed
returning r.id, r.execution_id, r.number, r.bot_id, r.session_id, r.kind, r.payload, r.attempts, r.deadline, r.created_at,
    workflow_now() as now, picked.lanes
