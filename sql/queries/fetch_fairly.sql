-- Keeps true: however much is said in one session or one lane, the others' messages are found without reading it all; what
-- is found is in the order of its session. $1 owner, $2 ids in hand, $3 limit, $4 partitions or null: all, $5 lanes of which
-- many are found, $6 the session from which they are looked through this time, $7 lanes that are left out this time.
--
-- A walk through the index of each partition, four rows a step: from there to the next session, or to the next lane once
-- four messages of this one can be heard. So a session costs a step, and a lane two, however long they are.
-- There is always a row: cut says whether a session has more, or the limit was reached. A lane may have more besides,
-- where something of it was found.
with recursive walk as (
    select p.number as partition, -1 as lane, '00000000-0000-0000-0000-000000000000'::uuid as session_id,
        0::bigint as id, null::uuid as hearer, 4::bigint as n, 0::bigint as of_session, 0::bigint as of_lane
    from workflow_partitions p
    where p.owner = $1 and ($4::smallint[] is null or p.number = any ($4))
    union all
    select w.partition, f.lane, f.session_id, f.id, f.hearer, f.n, f.of_session,
        f.of_lane + case when f.lane = w.lane then w.of_lane else 0 end
    from walk w
    cross join lateral (
        select c.lane, c.session_id, c.id, e.id as hearer, row_number() over () as n,
            row_number() over (partition by c.lane, c.session_id order by c.id) as of_session,
            count(e.id) over (partition by c.lane order by c.session_id, c.id rows unbounded preceding) as of_lane
        from (
            select m.lane, m.session_id, m.id, m.execution_id from workflow_messages m
            where m.partition = w.partition and (m.lane, m.session_id) > (w.lane, case
                when w.of_lane >= 4 or w.lane = any ($7::integer[]) then 'ffffffff-ffff-ffff-ffff-ffffffffffff'
                when w.lane = any ($5::integer[]) then greatest(w.session_id, $6::uuid)
                else w.session_id end)
            order by m.lane, m.session_id, m.id limit 4
        ) c
        left join lateral (
            select x.id from (
                select x.id, x.status, x.wait_kind from workflow_executions x
                where x.session_id = c.session_id and x.plan_hash is not null and x.status in ('running', 'waiting', 'paused')
                    and (c.execution_id is null or x.id = c.execution_id)
                    and c.id not in (select h from unnest($2::bigint[]) h)
                    and c.lane <> all ($7) and (c.lane <> all ($5) or c.session_id >= $6)
                order by x.start_order desc limit 1
            ) x
            where x.status = 'waiting' and x.wait_kind = 'message'
        ) e on true
    ) f
    where w.n = 4
),
-- The oldest of each session before the second of any; and of each lane as many as of every other.
found as (
    select w.id, w.hearer, row_number() over (partition by w.lane order by w.of_session, w.id) as place
    from walk w
    where w.hearer is not null
    order by place, w.id limit $3
),
passed as (
    select exists (
        select from walk w
        where w.n = 4 and w.lane >= 0 and w.lane <> all ($7) and (
            select o.session_id from workflow_messages o
            where o.partition = w.partition and (o.lane, o.session_id, o.id) > (w.lane, w.session_id, w.id)
            order by o.lane, o.session_id, o.id limit 1
        ) = w.session_id
    ) or (select count(*) from found) >= $3 as by
)
select f.id, f.session_id, f.hearer as execution_id, f.content, f.attachments, f.prompt_id, f.created_at,
    workflow_now() as now, f.lane, passed.by as cut
from passed
left join (
    select m.*, w.hearer, w.place
    from found w
    cross join lateral (select x.* from workflow_messages x where x.id + 0 = w.id limit 1) m
    -- The same session may be in several lanes, when its script changed: the older lane's messages come first.
    where (
        select o.id from workflow_messages o
        where (o.session_id, o.id) >= (m.session_id, 0) and (o.session_id, o.id) < (m.session_id, m.id) and o.lane <> m.lane
            and o.id not in (select h from unnest($2::bigint[]) h)
            and coalesce(o.execution_id, (
                select x.id from workflow_executions x
                where x.session_id = o.session_id and x.plan_hash is not null and x.status in ('running', 'waiting', 'paused')
                order by x.start_order desc limit 1
            )) = w.hearer
        limit 1
    ) is null
) f on true
order by f.place, f.id
