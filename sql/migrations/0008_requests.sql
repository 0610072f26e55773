-- The world outside: what executions ask of it (requests), what comes back to them (signals), and their children.

alter table workflow_executions
    add column if not exists parent_id uuid,
    add column if not exists parent_number integer,
    add column if not exists result_json text;
comment on column workflow_executions.parent_id is 'the execution that started this one as its child, and is told of its end';
comment on column workflow_executions.result_json is 'what it returned, as JSON; null: nothing';
create index workflow_executions_children on workflow_executions (parent_id) where parent_id is not null;

-- Children are many of one script in one session: only what somebody started is one at a time.
drop index workflow_executions_one_per_session;
create unique index workflow_executions_one_per_session on workflow_executions (session_id, script_path)
    where plan_hash is not null and session_id is not null and parent_id is null and status in ('running', 'waiting', 'paused');

-- A request is here from the commit of the turn that made it to the commit of the turn that heard its answer; the
-- history keeps what is worth keeping.
--   pending   due at not_before, for whoever performs its kind
--   taken     an attempt is under way, until lease_until
--   in_doubt  an attempt was cut short, and its policy says that the operator decides
--   done      answered: result
--   failed    refused for good, or too often: error
--   cancelled nobody waits for it any more
create table workflow_requests (
    id uuid primary key,
    execution_id uuid not null,
    number integer not null,
    bot_id uuid not null,
    session_id uuid,
    partition smallint not null,
    kind text not null,
    payload jsonb not null,
    policy text check (policy in ('repeat', 'park')),
    status text not null default 'pending'
        check (status in ('pending', 'taken', 'in_doubt', 'done', 'failed', 'cancelled')),
    attempts integer not null default 0,
    not_before timestamptz not null,
    deadline timestamptz,
    taken_by text,
    lease_until timestamptz,
    result jsonb,
    error text,
    created_at timestamptz not null,
    ended_at timestamptz,
    unique (execution_id, number)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
comment on table workflow_requests is 'What scripts ask of the world outside. The id is the stable key of every attempt.';
create index workflow_requests_due on workflow_requests (kind, not_before) where status = 'pending';
create index workflow_requests_taken on workflow_requests (lease_until) where status = 'taken';
create index workflow_requests_in_doubt on workflow_requests (created_at) where status = 'in_doubt';

-- A signal is an event on its way to one execution, as a row: the turn that takes it deletes it. Its id comes from
-- the sequence of messages, because a daemon holds both in one set.
create table workflow_signals (
    id bigint primary key default nextval(pg_get_serial_sequence('workflow_messages', 'id')),
    execution_id uuid not null,
    partition smallint not null,
    kind text not null check (kind in ('completed', 'failed', 'event', 'child')),
    number integer not null default 0,
    name text not null default '',
    data jsonb,
    message text not null default '',
    created_at timestamptz not null
) with (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000);
comment on column workflow_signals.name is 'event: its name; child: its status; failed: the kind of error';
create index workflow_signals_partition on workflow_signals (partition, id);
create index workflow_signals_execution on workflow_signals (execution_id);

-- Who waits for which event: written and removed by the commits of the turns that begin and end the wait.
create table workflow_event_waits (
    execution_id uuid not null,
    event_name text not null,
    bot_id uuid not null,
    primary key (execution_id, event_name)
);
create index workflow_event_waits_name on workflow_event_waits (event_name, bot_id);

create function workflow_request_id(execution uuid, number integer) returns uuid
    immutable strict parallel safe language sql
    return substr(encode(sha256(uuid_send(execution) || int4send(number)), 'hex'), 1, 32)::uuid;
comment on function workflow_request_id(uuid, integer) is 'The stable key of a request: the same in every attempt, whoever makes it.';

-- Sends a signal to an execution that has not ended, and wakes its daemon. Several at once: one row each.
create function workflow_signal(
    execution uuid, kind text, number integer default 0, name text default '', data jsonb default null, message text default ''
) returns void
    volatile security definer language plpgsql set search_path from current
as $$
declare
    share smallint;
begin
    insert into workflow_signals (execution_id, partition, kind, number, name, data, message, created_at)
    select e.id, e.partition, workflow_signal.kind, workflow_signal.number, workflow_signal.name, workflow_signal.data,
        workflow_signal.message, workflow_now()
    from workflow_executions e
    where e.id = workflow_signal.execution and case when e.status in ('running', 'waiting', 'paused') then e.plan_hash is not null else false end
    returning workflow_signals.partition into share;
    if found then
        perform workflow_wake(array[share]);
    end if;
end
$$;

-- What a turn wrote beside its replies: one object per turn, in the same transaction as its commit.
--   {"execution": id, "requests": [{number, kind, payload, policy, deadline}], "signals": [ids it has taken],
--    "answered": [numbers of requests whose answers it has heard], "given_up": [numbers nobody waits for],
--    "events": [names it waits for no more], "result": what it returned}
create function workflow_write_extras(extras jsonb) returns void
    volatile language plpgsql set search_path from current
as $$
begin
    delete from workflow_signals s
    where s.id in (select i::bigint from jsonb_array_elements(extras) x, jsonb_array_elements_text(x -> 'signals') i);

    delete from workflow_requests r using (
        select workflow_request_id((x ->> 'execution')::uuid, n::integer) as id
        from jsonb_array_elements(extras) x, jsonb_array_elements_text(x -> 'answered') n
    ) answered where r.id = answered.id;

    update workflow_requests r set status = 'cancelled', ended_at = workflow_now()
    from (
        select workflow_request_id((x ->> 'execution')::uuid, n::integer) as id
        from jsonb_array_elements(extras) x, jsonb_array_elements_text(x -> 'given_up') n
    ) given_up where r.id = given_up.id and r.status in ('pending', 'taken', 'in_doubt');

    delete from workflow_event_waits w
    using jsonb_array_elements(extras) x, jsonb_array_elements_text(x -> 'events') n
    where w.execution_id = (x ->> 'execution')::uuid and w.event_name = n;

    update workflow_executions e set result_json = (x -> 'result')::text
    from jsonb_array_elements(extras) x where x ? 'result' and e.id = (x ->> 'execution')::uuid;

    insert into workflow_requests (id, execution_id, number, bot_id, session_id, partition, kind, payload, policy,
        not_before, deadline, created_at)
    select workflow_request_id(e.id, (r ->> 'number')::integer), e.id, (r ->> 'number')::integer, e.bot_id, e.session_id,
        e.partition, r ->> 'kind', r -> 'payload', r ->> 'policy', workflow_now(), (r ->> 'deadline')::timestamptz, workflow_now()
    from jsonb_array_elements(extras) x
    cross join lateral jsonb_array_elements(x -> 'requests') r
    join workflow_executions e on e.id = (x ->> 'execution')::uuid;
end
$$;

-- However an execution ends (a turn, an operator, a daemon that died under a direct-mode run): its parent is told
-- exactly once, and what it asked for is given up.
create function workflow_execution_ended() returns trigger
    security definer language plpgsql set search_path from current
as $$
begin
    update workflow_requests r set status = 'cancelled', ended_at = workflow_now()
    where r.execution_id = new.id and r.status in ('pending', 'taken', 'in_doubt');
    delete from workflow_signals s where s.execution_id = new.id;
    delete from workflow_event_waits w where w.execution_id = new.id;
    return null;
end
$$;
create trigger workflow_execution_ended after update of status on workflow_executions
    for each row when (new.status in ('completed', 'failed', 'cancelled', 'lost') and new.status <> old.status
        and new.plan_hash is not null)
    execute function workflow_execution_ended();

-- After everything else of the turn, so that what the child returned is there to be told.
create function workflow_child_ended() returns trigger
    security definer language plpgsql set search_path from current
as $$
begin
    perform workflow_signal(e.parent_id, 'child', e.parent_number, e.status, workflow_read_json(e.result_json), coalesce(e.problem, ''))
    from workflow_executions e where e.id = new.id;
    return null;
end
$$;
create constraint trigger workflow_child_ended after update of status on workflow_executions
    deferrable initially deferred
    for each row when (new.parent_id is not null and new.status in ('completed', 'failed', 'cancelled', 'lost')
        and new.status <> old.status)
    execute function workflow_child_ended();

do $$
declare
    ours regprocedure;
begin
    for ours in
        select f.oid from pg_proc f
        where f.pronamespace = quote_ident(current_schema())::regnamespace and f.proname like 'workflow\_%'
            and pg_has_role(f.proowner, 'usage')
    loop
        execute format('revoke execute on function %s from public', ours);
    end loop;
end
$$;
