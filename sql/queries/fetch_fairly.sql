-- Keeps true: however much is said in one session, in one lane or to one bot, the others' messages are found without reading
-- it all; what is found is in the order of its session. $1 owner, $2 ids in hand, $3 limit, $4 bots (the upper halves of lanes)
-- that are left out this time; $5 lanes in which many were found and where to go on in them, $6 the partition, $7 the session;
-- $8 how many sessions of each bot with such lanes are wanted; $9 the bot that comes first where not every bot can have one.
--
-- A step of the index to each lane, and within a lane one to each session, until enough of it is found: eight sessions of
-- each bot, or as many as wanted. Past what is in hand, or heard by nobody, a lane is walked for a while; then the next look goes on.
-- Of a session the oldest four that can be heard are found, in whatever lanes they lie: so the older lane's come first.
--
-- Rows without an id and with a lane say where to go on in that lane. The last row has neither; its cut says whether anything was
-- passed by: a bot, a part of a lane, what a session has behind its four, or what is more than the limit.
with recursive mine as materialized (
    select p.number from workflow_partitions p where p.owner = $1
),
lanes as (
    (select m.lane from workflow_messages m order by m.lane limit 1)
    union all
    select (select m.lane from workflow_messages m where m.lane > l.lane order by m.lane limit 1) from lanes l where l.lane is not null
),
walk as (
    select l.lane, coalesce(g.partition, -1::smallint) as partition,
        coalesce(g.session_id, '00000000-0000-0000-0000-000000000000') as session_id, null::bigint[] as ids, null::uuid[] as hearers,
        0 as step, 0 as sessions,
        greatest(1, case when g.lane is null then 8 else $8::integer end / l.of_bot) as wanted, case when g.lane is null then 4 else 1 end as of_each
    from (
        select l.lane, row_number() over (partition by l.lane >> 32 order by (l.lane & 2147483647)::integer < $9, l.lane) as place,
            count(*) over (partition by l.lane >> 32)::integer as of_bot
        from lanes l
        where (l.lane >> 32)::integer <> all ($4::integer[])
        order by place, (l.lane >> 32)::integer < $9, l.lane
    ) l
    left join lateral (
        select x.* from unnest($5::bigint[], $6::smallint[], $7::uuid[]) x (lane, partition, session_id) where x.lane = l.lane limit 1
    ) g on true
    union all
    select w.lane, n.partition, case when n.is_mine then n.session_id else 'ffffffff-ffff-ffff-ffff-ffffffffffff' end,
        h.ids, h.hearers, w.step + 1, w.sessions + (h.ids is not null)::integer, w.wanted, w.of_each
    from walk w
    cross join lateral (
        select m.lane, m.partition, m.session_id, m.partition in (select o.number from mine o) as is_mine from workflow_messages m
        where (m.lane, m.partition, m.session_id) > (w.lane, w.partition, w.session_id)
        order by m.lane, m.partition, m.session_id limit 1
    ) n
    cross join lateral (
        select array_agg(c.id) as ids, array_agg(c.hearer) as hearers from (
            select m.id, e.id as hearer
            from (
                select r.id, r.execution_id from workflow_messages r where r.session_id = n.session_id order by r.id limit 100
            ) m
            cross join lateral (
                select x.id, x.status, x.wait_kind from workflow_executions x
                where x.session_id = n.session_id and case when x.status in ('running', 'waiting', 'paused') then x.plan_hash is not null else false end
                    and (m.execution_id is null or x.id = m.execution_id)
                order by x.start_order desc limit 1
            ) e
            where n.is_mine and e.status = 'waiting' and e.wait_kind = 'message'
                and m.id not in (select h from unnest($2::bigint[]) h)
            order by m.id limit w.of_each
        ) c
    ) h
    where n.lane = w.lane and w.sessions < w.wanted and w.step < 4 * w.wanted
),
-- Rows of the walk come as they are asked for, a step of each lane in turn: so it ends when these are enough, however many lanes.
walked as materialized (
    select w.* from walk w limit 3 * $3 + (select count(*) from lanes)
),
-- The oldest of each session before the second of any; of a bot its lanes in turn; and of each bot as many as of every other.
placed as (
    select u.id, u.hearer, w.lane, w.step, u.nth,
        row_number() over (partition by w.lane >> 32 order by u.nth, w.step, w.lane) as place
    from walked w cross join lateral unnest(w.ids, w.hearers) with ordinality u (id, hearer, nth)
),
chosen as (
    select p.id, p.hearer, min(p.place) as place from placed p
    group by p.id, p.hearer order by place, min(((p.lane >> 32)::integer < $9)::integer), min(p.lane), p.id limit $3
),
ended as materialized (
    select (select count(*) from walked) >= 3 * $3 + (select count(*) from lanes) as early
),
reached as (
    select w.lane, case
        when count(p.id) > 0 then min(p.step) - 1
        when max(w.sessions) >= max(w.wanted) or max(w.step) >= 4 * max(w.wanted) or (select e.early from ended e) then max(w.step)
    end as step
    from walked w
    left join placed p on p.lane = w.lane and p.step = w.step and p.nth = 1 and p.id not in (select c.id from chosen c)
    group by w.lane
)
select m.id, m.session_id, c.hearer as execution_id, m.content, m.attachments, m.prompt_id, m.created_at, workflow_now() as now,
    m.lane, null::smallint as partition, null::boolean as cut, c.place
from chosen c
cross join lateral (select x.* from workflow_messages x where x.id + 0 = c.id limit 1) m
union all
select null, w.session_id, null, null, null, null, null, null, w.lane, w.partition, null, null
from reached r join walked w on w.lane = r.lane and w.step = r.step
where w.partition >= 0
union all
select null, null, null, null, null, null, null, null, null, null,
    (select e.early from ended e) or exists (select from reached r where r.step is not null)
    or exists (select from walked w where cardinality(w.ids) = 4 or w.step = 0 and w.partition >= 0)
    or exists (select from placed p where p.id not in (select c.id from chosen c))
    or exists (select from lanes l where (l.lane >> 32)::integer = any ($4::integer[])), null
order by place, id, lane
