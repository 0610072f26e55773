-- Keeps true: what waits for what since when, and what nobody moves, in one reading. Pages as list_executions does.
-- $1 statuses or null, $2 session or null, $3 script or null, $4 below this start_order or null, $5 limit.
select e.id, e.start_order, e.session_id, e.bot_id, e.script_path as script, e.mode, e.status, e.current_step, e.turn,
    e.wait_kind, e.wake_at, e.problem, coalesce(t.at, e.updated_at) as since, e.created_at, e.ended_at,
    r.kind as request, r.status as request_status, r.attempts as request_attempts,
    coalesce(r.lane, '') as request_of, w.waits::text,
    coalesce(w.wait ->> 'prompt', '') as prompt, coalesce(w.wait ->> 'type', '') as type,
    (select count(*) from workflow_messages m where m.session_id = e.session_id) as messages_pending,
    d.lease_until is not null and d.lease_until > workflow_now() as owned, workflow_now() as now
from workflow_executions e
left join workflow_turns t on t.execution_id = e.id and t.turn = e.turn
left join workflow_partitions p on p.number = e.partition
left join workflow_daemons d on d.owner = p.owner
left join lateral (
    select x.kind, x.status, x.attempts, case x.kind
            when 'approval' then (select string_agg(p, ', ') from jsonb_array_elements_text(x.payload -> 'people') p)
            else x.lane end as lane
    from workflow_requests x
    where x.execution_id = e.id and x.status in ('pending', 'taken', 'in_doubt')
    order by x.status <> 'in_doubt', x.number limit 1
) r on true
cross join lateral (select workflow_read_json(e.state_json) -> 'wait' as wait offset 0) s
cross join lateral (
    select s.wait, coalesce(jsonb_agg(jsonb_build_object('kind', x ->> 'kind', 'type', coalesce(x ->> 'type', ''),
        'prompt', coalesce(x ->> 'prompt', ''), 'event', x ->> 'event', 'request', x ->> 'request', 'handler', x ->> 'handler',
        'children', jsonb_array_length(x -> 'children'))), '[]') as waits
    from jsonb_array_elements(jsonb_build_array(s.wait) || coalesce(s.wait -> 'or', '[]')) x where jsonb_typeof(x) = 'object'
) w
where e.plan_hash is not null and ($1::text[] is null or e.status = any ($1)) and ($2::uuid is null or e.session_id = $2)
    and ($3::text is null or e.script_path = $3) and ($4::bigint is null or e.start_order < $4)
order by e.start_order desc limit $5
