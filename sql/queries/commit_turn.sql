-- Keeps true: all of a turn or nothing of it. Nothing, if the revision moved, the partition is another's, the execution
-- may not run, or a message it heard is gone. Should it go in this very moment: an error, 40001, and nothing written.
-- Whoever takes the replies is told of them once, when they are there. (The usual schema's channel is written out: it counts.)
with moved as (
    update workflow_executions e
    set state_json = $4, current_step = $5, status = $6, wait_kind = $7, wake_at = $8, problem = $9, turn = $10,
        revision = e.revision + 1, updated_at = workflow_now(),
        ended_at = case when $6 in ('completed', 'failed', 'cancelled', 'lost') then workflow_now() end
    from workflow_partitions p
    where e.id = $1 and e.revision = $2 and case when e.status in ('running', 'waiting') then e.plan_hash is not null end
        and p.number = e.partition and p.owner = $3
        and (select count(*) from workflow_messages m where m.id + 0 = any ($12::bigint[])) = cardinality($12::bigint[])
    returning e.id, e.session_id, p.epoch
), consumed as (
    delete from workflow_messages m using moved where m.id + 0 = any ($12::bigint[])
    returning m.id
), said as (
    insert into workflow_replies (session_id, execution_id, turn, position, content, suggestions, recipient, created_at)
    select moved.session_id, moved.id, $10, reply.position, reply.content, reply.suggestions::jsonb, reply.recipient, workflow_now()
    from moved cross join unnest($13::text[], $14::text[], $15::text[]) with ordinality
        as reply (content, suggestions, recipient, position)
    order by reply.position
    returning session_id
), told as (
    insert into workflow_turns (execution_id, turn, revision, epoch, from_step, to_step, came_in, went_out, steps, duration_us, at)
    select moved.id, $10, $2, moved.epoch, $11, $5, $16::text::json, $17::text::json, $18, $19, workflow_now()
    from moved
)
select moved.id, (
        select pg_notify(case current_schema() when 'public' then 'workflow_replies' else workflow_channel('replies') end, said.session_id::text)
        from said where said.session_id is not null limit 1
    )
from moved
where (select count(*) from consumed) = (select count(*) from moved) * cardinality($12::bigint[])
    or workflow_check_heard((select count(*) from consumed), (select count(*) from moved) * cardinality($12::bigint[]))  -- it only raises; asked only where they differ
