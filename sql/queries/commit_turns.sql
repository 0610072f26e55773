-- Keeps true: for each of many turns, all of it or nothing of it, as in commit_turn; a turn that lost its race does not
-- touch the others. Locks executions in the order given (callers sort by id), then messages.
-- A message that goes in this very moment is an error, 40001, and nothing of the batch is written.
-- One array per column of turns ($1, $2, $4 to $17), then of the messages they heard and of their replies.
with turns as materialized (
    select * from unnest($1::uuid[], $2::bigint[], $4::text[], $5::integer[], $6::text[], $7::text[], $8::timestamptz[],
        $9::text[], $10::integer[], $11::integer[], $12::integer[], $13::text[], $14::text[], $15::integer[], $16::bigint[])
        as t (id, revision, state_json, current_step, status, wait_kind, wake_at, problem, turn, from_step, consumed,
            came_in, went_out, steps, duration_us)
), heard as materialized (
    -- Lateral, so that no statistics can talk the planner into reading all messages.
    select m.id, h.execution_id
    from unnest($17::uuid[], $18::bigint[]) as h (execution_id, id)
    cross join lateral (select x.id from workflow_messages x where x.id = h.id limit 1) m
), complete as materialized (
    select heard.execution_id, count(*) as messages from heard group by heard.execution_id
), moved as (
    update workflow_executions e
    set state_json = t.state_json, current_step = t.current_step, status = t.status, wait_kind = t.wait_kind,
        wake_at = t.wake_at, problem = t.problem, turn = t.turn, revision = e.revision + 1, updated_at = workflow_now(),
        ended_at = case when t.status in ('completed', 'failed', 'cancelled', 'lost') then workflow_now() end
    from turns t left join complete c on c.execution_id = t.id, workflow_partitions p
    where e.id = t.id and e.revision = t.revision and e.status in ('running', 'waiting') and e.plan_hash is not null
        and p.number = e.partition and p.owner = $3 and coalesce(c.messages, 0) = t.consumed
    returning e.id, e.session_id, p.epoch, t.turn, t.consumed, t.revision, t.from_step, t.current_step, t.came_in, t.went_out, t.steps, t.duration_us
), consumed as (
    delete from workflow_messages m
    where m.id = any (array(select heard.id from heard join moved on moved.id = heard.execution_id))
    returning m.id
), said as (
    insert into workflow_replies (session_id, execution_id, turn, position, content, suggestions, recipient, created_at)
    select moved.session_id, moved.id, moved.turn, reply.position, reply.content, reply.suggestions::jsonb, reply.recipient, workflow_now()
    from unnest($19::uuid[], $20::integer[], $21::text[], $22::text[], $23::text[])
        as reply (execution_id, position, content, suggestions, recipient)
    join moved on moved.id = reply.execution_id
    order by moved.id, reply.position
), told as (
    insert into workflow_turns (execution_id, turn, revision, epoch, from_step, to_step, came_in, went_out, steps, duration_us, at)
    select moved.id, moved.turn, moved.revision, moved.epoch, moved.from_step, moved.current_step, moved.came_in::jsonb,
        moved.went_out::jsonb, moved.steps, moved.duration_us, workflow_now()
    from moved
)
select moved.id from moved
where (select count(*) from consumed) = coalesce((select sum(moved.consumed) from moved), 0)
    or workflow_check_heard((select count(*) from consumed), (select sum(moved.consumed) from moved))  -- it only raises; asked only where they differ
