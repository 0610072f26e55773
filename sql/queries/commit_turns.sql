-- Keeps true: for each of many turns, all of it or nothing of it, as in commit_turn; a turn that lost its race does not
-- touch the others. Locks executions in the order given (callers sort by id), then messages.
-- A message that goes in this very moment is an error, 40001, and nothing of the batch is written.
-- Answers null if all were written, else the places of those that were, from 1.
-- $1 owner, $2 to $15 a column of all turns each, $16 and $17 what they heard, $18 to $22 what they said: as texts, which cost
-- less to send than arrays. daemon/store_turns.py writes them; a column that ends early is null from there on.
with heard as materialized (
    select * from unnest($16::text::integer[], $17::text::bigint[]) as h (place, id)
), moved as (
    update workflow_executions e
    set state_json = t.state_json, current_step = t.current_step, status = t.status, wait_kind = t.wait_kind,
        wake_at = t.wake_at, problem = t.problem, turn = t.turn, revision = e.revision + 1, updated_at = workflow_now(),
        ended_at = case when t.status in ('completed', 'failed', 'cancelled', 'lost') then workflow_now() end
    from rows from (
            unnest($2::uuid[]), unnest($3::text::bigint[]), unnest(string_to_array($4, E'\x1f')), unnest($5::text::integer[]),
            unnest($6::text::text[]), unnest($7::text::text[]), unnest($8::timestamptz[]), unnest($9::text[]),
            unnest($10::text::integer[]), unnest($11::text::integer[]), unnest(string_to_array($12, E'\x1f')), unnest(string_to_array($13, E'\x1f')),
            unnest($14::text::integer[]), unnest($15::text::bigint[])
        ) with ordinality as t (id, revision, state_json, current_step, status, wait_kind, wake_at, problem, turn, from_step,
            came_in, went_out, steps, duration_us, place),
        workflow_partitions p
    -- By key, whatever the statistics say: no index is for a CASE, and of what equals itself plus nothing the planner expects
    -- a single row, so that it never goes through all executions for each turn.
    where e.id = t.id and e.revision = t.revision and case when e.status in ('running', 'waiting') then e.plan_hash is not null end
        and t.place = t.place + 0
        and p.number = e.partition and p.owner = $1
        -- Those of which a message is not there. One by one and by key, whatever the statistics say.
        and t.place <> all (array(
            select heard.place from heard
            where (select m.id from workflow_messages m where m.id + 0 = heard.id limit 1) is null
        ))
    returning t.place, e.id, e.session_id, p.epoch, t.turn, t.revision, t.from_step, t.current_step, t.came_in, t.went_out, t.steps, t.duration_us
), taken as materialized (
    select heard.id from heard join moved on moved.place = heard.place
), consumed as (
    delete from workflow_messages m where m.id + 0 = any (array(select taken.id from taken))
    returning m.id
), said as (
    insert into workflow_replies (session_id, execution_id, turn, position, content, suggestions, recipient, created_at)
    select moved.session_id, moved.id, moved.turn, r.position, r.content, r.suggestions::jsonb, r.recipient, workflow_now()
    from rows from (
            unnest($18::text::integer[]), unnest($19::text::integer[]), json_array_elements_text($20::text::json),
            unnest($21::text[]), unnest($22::text[])
        ) with ordinality as r (place, position, content, suggestions, recipient, number)
    join moved on moved.place = r.place
    order by r.number
    returning session_id
), told as (
    insert into workflow_turns (execution_id, turn, revision, epoch, from_step, to_step, came_in, went_out, steps, duration_us, at)
    select moved.id, moved.turn, moved.revision, moved.epoch, moved.from_step, moved.current_step, moved.came_in::json,
        moved.went_out::json, moved.steps, moved.duration_us, workflow_now()
    from moved
)
select case when (select count(*) from moved) < cardinality($2::uuid[]) then array(select moved.place from moved) end as places,
    (
        select count(*) from (
            select pg_notify(workflow_channel('replies'), s.session_id::text)
            from (select distinct said.session_id from said where said.session_id is not null) s
        ) rung
    ) as sessions
where (select count(*) from consumed) = (select count(*) from taken)
    or workflow_check_heard((select count(*) from consumed), (select count(*) from taken))  -- it only raises; asked only where they differ
