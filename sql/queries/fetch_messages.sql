-- Keeps true: every message that can be heard now is found, however late its row became visible (no cursor over ids),
-- in the order of its session, by the execution that hears. $1 owner, $2 ids in hand, $3 limit, $4 partitions or null: all.
-- More rows than the limit stand for a crowd: they are any, so none of them may be used. So a hundred thousand messages are not
-- read to find the oldest of them; fetch_fairly finds what many have said.
-- "not in" a list of rows is hashed, "<> all" an array is not.
select f.* from (
    select m.id, m.session_id, e.id as execution_id, m.content, m.attachments, m.prompt_id, m.created_at, workflow_now() as now, m.lane
    from workflow_messages m
    cross join lateral (
        select x.id, x.status, x.wait_kind from workflow_executions x
        where x.session_id = m.session_id and case when x.status in ('running', 'waiting', 'paused') then x.plan_hash is not null else false end
            and (m.execution_id is null or x.id = m.execution_id)
        order by x.start_order desc limit 1
    ) e
    where m.partition = any (array(
            select p.number from workflow_partitions p
            where p.owner = $1 and ($4::smallint[] is null or p.number = any ($4))
        ))
        and e.status = 'waiting' and e.wait_kind = 'message'
        and m.id not in (select h from unnest($2::bigint[]) h)
    limit $3 + 1
) f
order by f.id
