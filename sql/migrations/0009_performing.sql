-- Requests are performed: by the daemon, for the kinds it knows, and by other programs, for keywords. A request is
-- answered once; whoever answers first wins, and every later answer is a no-op.
--
-- The daemon's attempts have no lease of their own: they hold as long as the daemon owns the request's partition
-- (lease_until is null then). Other programs have one for each attempt.

alter table workflow_requests
    drop column result,
    add column lane text not null default '',
    add column cut_short integer not null default 0;
comment on column workflow_requests.lane is 'what its limits count it under, such as a host; empty until somebody has looked, and where there is no limit';
comment on column workflow_requests.cut_short is 'how many of the attempts ended with whoever made them; they do not count against the attempts it may have';
comment on column workflow_requests.error is 'what the last attempt failed with';
drop index workflow_requests_due;
create index workflow_requests_due on workflow_requests (kind, lane, not_before) where status = 'pending';

insert into workflow_settings (key, value, about) values
    ('request_attempts_max', '8', 'attempts of a request in all; the daemon writes its own configuration here'),
    ('request_backoff_seconds_first', '1', 'seconds before the second attempt; each further pause is twice as long'),
    ('request_backoff_seconds_max', '300', 'the longest pause between two attempts, in seconds'),
    ('request_result_characters_max', '5000000', 'the longest result of workflow_complete that is accepted, in characters of JSON');

comment on function workflow_channel(text) is
    'The name of the channel, replies, requests or wake, of this installation: it carries the schema unless that is public.';

-- Requests of other programs are those of keywords, whose kind is the keyword in upper case.
create function workflow_is_keyword(kind text) returns boolean
    immutable strict parallel safe language sql
    return kind = upper(kind) and kind <> lower(kind);

-- Tells other programs of requests that are there for them: once for each kind.
create function workflow_tell_takers(kinds text[]) returns void
    volatile security definer language plpgsql set search_path from current
as $$
begin
    perform pg_notify(channel.name, left(told.kind, 500))
    from (select distinct k.kind from unnest(kinds) k (kind) where workflow_is_keyword(k.kind)) told,
        (select workflow_channel('requests') as name) channel;
end
$$;

create function workflow_requests_notify() returns trigger
    security definer language plpgsql set search_path from current
as $$
begin
    if exists (select from made m where workflow_is_keyword(m.kind)) then
        perform workflow_tell_takers((select array_agg(m.kind) from made m));
    end if;
    return null;
end
$$;
create trigger workflow_requests_notify after insert on workflow_requests
    referencing new table as made
    for each statement execute function workflow_requests_notify();

-- The pause after the attempt of that number: doubling, bounded, shortened by up to half at random.
create function workflow_backoff(attempt integer) returns interval
    volatile language sql set search_path from current
as $$
    select make_interval(secs => least(
        workflow_setting('request_backoff_seconds_max')::float8,
        workflow_setting('request_backoff_seconds_first')::float8 * 2.0 ^ least(greatest(attempt - 1, 0), 30)
    ) * (0.5 + random() / 2))
$$;

-- Ends a request that somebody holds the lock of, and tells its execution.
create function workflow_end_request(r workflow_requests, completed boolean, message text, result jsonb) returns void
    volatile language plpgsql set search_path from current
as $$
begin
    update workflow_requests x
    set status = case when completed then 'done' else 'failed' end, error = case when completed then x.error else message end,
        ended_at = workflow_now(), lease_until = null
    where x.id = r.id;
    perform workflow_signal(r.execution_id, case when completed then 'completed' else 'failed' end, r.number,
        case when completed then '' else 'request' end, result, coalesce(message, ''));
end
$$;

-- The request, locked, if it may still be answered. The kinds of the daemon are not for its clients.
create function workflow_lock_request(id uuid, of_client boolean) returns workflow_requests
    volatile language plpgsql set search_path from current
as $$
#variable_conflict use_column
declare
    found_row workflow_requests;
begin
    select r.* into found_row from workflow_requests r where r.id = workflow_lock_request.id for no key update;
    if not found then
        return null;
    end if;
    perform workflow_check_bot(found_row.bot_id);
    if of_client and not workflow_is_keyword(found_row.kind) then
        raise exception using errcode = 'SW030', message = format('Requests of kind %L are performed by the daemon.', found_row.kind),
            hint = 'Other programs take and answer keywords, such as SEND FILE. An operator ends others with workflow_complete_request.';
    end if;
    return found_row;
end
$$;

create function workflow_check_result(result jsonb) returns void
    stable language plpgsql set search_path from current
as $$
declare
    limit_characters constant integer := workflow_setting('request_result_characters_max');
begin
    if length(result::text) > limit_characters then
        raise exception using errcode = 'SW032', message = format('The result has %s characters; at most %s are accepted.', length(result::text), limit_characters),
            hint = 'Keep large data in a file or a table and answer where it is, or raise request_result_characters_max in workflow_settings.';
    end if;
end
$$;

create type workflow_taken_request as (
    id uuid, kind text, payload jsonb, session_id uuid, bot_id uuid, execution_id uuid, attempt integer,
    deadline timestamptz, lease_until timestamptz, created_at timestamptz
);
comment on type workflow_taken_request is
    'A request to answer. id is its stable key, the same in every attempt; attempt counts from 1; after lease_until another may take it.';

create function workflow_take_requests(kind text, "limit" integer default 10, lease interval default '1 minute')
    returns setof workflow_taken_request
    volatile security definer language plpgsql set search_path from current set enable_seqscan = off
as $$
#variable_conflict use_column
declare
    allowed constant uuid[] := workflow_bots_of_caller();
    attempts_max constant integer := workflow_setting('request_attempts_max');
begin
    if "limit" is null or workflow_take_requests."limit" < 1 then
        raise exception using errcode = 'SW014', message = 'The limit of workflow_take_requests must be at least 1.',
            hint = 'For example: select * from workflow_take_requests(''SEND FILE'', 10).';
    end if;
    if not coalesce(workflow_is_keyword(workflow_take_requests.kind), false) then
        raise exception using errcode = 'SW030', message = format('Requests of kind %L are not for other programs.', workflow_take_requests.kind),
            hint = 'A kind is a keyword in upper case, such as SEND FILE. The daemon performs http, llm, mail and mcp itself.';
    end if;
    if lease is null or lease <= interval '0' or lease > interval '1 day' then
        raise exception using errcode = 'SW031', message = format('A lease must be longer than 0 and at most a day, not %s.', coalesce(lease::text, 'null')),
            hint = 'It is how long you take at most: until then nobody else takes the request.';
    end if;
    return query
    with picked as materialized (
        select r.id from workflow_requests r
        where r.kind = workflow_take_requests.kind
            and (r.status = 'pending' and r.not_before <= workflow_now()
                or r.status = 'taken' and r.lease_until <= workflow_now() and r.policy is distinct from 'park' and r.attempts < attempts_max)
            and (r.deadline is null or r.deadline > workflow_now())
            and (allowed is null or r.bot_id = any (allowed))
        order by r.not_before limit workflow_take_requests."limit"
        for no key update skip locked
    )
    update workflow_requests r
    set status = 'taken', taken_by = session_user, lease_until = workflow_now() + lease, attempts = r.attempts + 1,
        cut_short = r.cut_short + (r.status = 'taken')::integer
    from picked where r.id = any (array[picked.id])
    returning r.id, r.kind, r.payload, r.session_id, r.bot_id, r.execution_id, r.attempts, r.deadline, r.lease_until, r.created_at;
end
$$;
comment on function workflow_take_requests(text, integer, interval) is
    'Requests of a keyword, for the time of the lease: answer each with workflow_complete or workflow_fail.';

create function workflow_complete(id uuid, result jsonb default null) returns boolean
    volatile security definer language plpgsql set search_path from current
as $$
declare
    r workflow_requests;
begin
    perform workflow_check_result(result);
    r := workflow_lock_request(id, true);
    if r.id is null or r.status not in ('pending', 'taken', 'in_doubt') then
        return false;
    end if;
    perform workflow_end_request(r, true, null, result);
    return true;
end
$$;
comment on function workflow_complete(uuid, jsonb) is 'False: it was answered before, or nobody waits for it any more; nothing has changed.';

create function workflow_fail(id uuid, error text, retry boolean default true, attempt integer default null) returns boolean
    volatile security definer language plpgsql set search_path from current
as $$
declare
    r workflow_requests;
    sentence constant text := left(coalesce(nullif(error, ''), 'The request failed.'), 10000);
begin
    r := workflow_lock_request(id, true);
    if r.id is null or r.status not in ('pending', 'taken', 'in_doubt') or workflow_fail.attempt is distinct from r.attempts and workflow_fail.attempt is not null then
        return false;
    end if;
    if coalesce(retry, true) and r.attempts - r.cut_short < workflow_setting('request_attempts_max')::integer then
        update workflow_requests x
        set status = 'pending', not_before = workflow_now() + workflow_backoff(r.attempts), error = sentence, taken_by = null, lease_until = null
        where x.id = r.id;
    else
        perform workflow_end_request(r, false, sentence, null);
    end if;
    return true;
end
$$;
comment on function workflow_fail(uuid, text, boolean, integer) is
    'With retry it is pending again after a pause, until its attempts run out. With attempt, only if that is the current one. False: nothing has changed.';

-- What an operator may do to a request, above all to one in doubt. Each says what it did.
create function workflow_find_open_request(id uuid) returns workflow_requests
    volatile language plpgsql set search_path from current
as $$
declare
    r workflow_requests := workflow_lock_request(id, false);
begin
    if r.id is null then
        raise exception using errcode = 'SW033', message = format('There is no request %s.', coalesce(id::text, 'without an id')),
            hint = 'Those that are not answered yet are in the view workflow_requests_open.';
    end if;
    return r;
end
$$;

create function workflow_retry_request(id uuid) returns workflow_outcome
    volatile security definer language plpgsql set search_path from current
as $$
declare
    r workflow_requests := workflow_find_open_request(id);
begin
    if r.status not in ('pending', 'in_doubt') then
        return row(false, r.status, format('Request %s is %s; there is nothing to try again.', r.id, r.status))::workflow_outcome;
    end if;
    update workflow_requests x
    set status = 'pending', not_before = workflow_now(), cut_short = x.attempts, taken_by = null, lease_until = null
    where x.id = r.id;
    perform workflow_tell_takers(array[r.kind]);
    return row(true, 'pending', format('Request %s is tried again now, under the same key; it was %s.', r.id, r.status))::workflow_outcome;
end
$$;

create function workflow_complete_request(id uuid, result jsonb default null) returns workflow_outcome
    volatile security definer language plpgsql set search_path from current
as $$
declare
    r workflow_requests := workflow_find_open_request(id);
begin
    perform workflow_check_result(result);
    if r.status not in ('pending', 'taken', 'in_doubt') then
        return row(false, r.status, format('Request %s is %s already.', r.id, r.status))::workflow_outcome;
    end if;
    perform workflow_end_request(r, true, null, result);
    return row(true, 'done', format('Request %s is done; it was %s.', r.id, r.status))::workflow_outcome;
end
$$;

create function workflow_fail_request(id uuid, error text default null) returns workflow_outcome
    volatile security definer language plpgsql set search_path from current
as $$
declare
    r workflow_requests := workflow_find_open_request(id);
begin
    if r.status not in ('pending', 'taken', 'in_doubt') then
        return row(false, r.status, format('Request %s is %s already.', r.id, r.status))::workflow_outcome;
    end if;
    perform workflow_end_request(r, false, left(coalesce(nullif(error, ''), 'An operator ended the request.'), 10000), null);
    return row(true, 'failed', format('Request %s has failed; it was %s.', r.id, r.status))::workflow_outcome;
end
$$;

-- What became of attempts of the daemon: an array of objects with id, attempt and outcome, one of
--   done (result), failed (error, kind), again (error, kind, after_seconds, lane), unsure (as again: the effect may have happened).
-- The last two may have attempts_max, of this request alone, and otherwise: the result where no attempt is left.
-- Counts only for who still holds that attempt. Returns what each request is now.
create function workflow_answer_requests(taker text, answers jsonb, attempts_max integer, in_doubt text)
    returns table (id uuid, status text)
    volatile language plpgsql set search_path from current
as $$
#variable_conflict use_column
begin
    return query
    with answer as materialized (
        select (a ->> 'id')::uuid as id, (a ->> 'attempt')::integer as attempt, a ->> 'outcome' as outcome,
            coalesce(a -> 'result', a -> 'otherwise') as result,
            a ->> 'error' as error, a ->> 'kind' as kind, (a ->> 'after_seconds')::float8 as after_seconds, a ->> 'lane' as lane,
            a ? 'otherwise' as has_otherwise, (a ->> 'attempts_max')::integer as attempts_max
        from jsonb_array_elements(answers) a
    ), held as materialized (
        select r.id, coalesce(r.policy, in_doubt) = 'park' as parks,
            r.attempts - r.cut_short >= coalesce(a.attempts_max, workflow_answer_requests.attempts_max) as spent
        from workflow_requests r join answer a on a.id = r.id
        where r.id = any (array(select x.id from answer x))  -- by key, whatever the planner takes the array to hold
            and r.status = 'taken' and r.taken_by = taker and r.attempts = a.attempt
        order by r.id for no key update of r
    ), judged as materialized (
        select a.*, case
            when a.outcome in ('done', 'failed') then a.outcome
            when a.outcome = 'unsure' and h.parks then 'in_doubt'
            when h.spent and a.has_otherwise then 'done'
            when h.spent then 'failed'
            else 'pending' end as becomes
        from answer a join held h on h.id = a.id
    ), moved as (
        update workflow_requests r
        set status = j.becomes, error = coalesce(j.error, r.error), lane = coalesce(j.lane, r.lane), lease_until = null,
            taken_by = case when j.becomes = 'pending' then null else r.taken_by end,
            not_before = case when j.becomes = 'pending' then workflow_now() + make_interval(secs => j.after_seconds) else r.not_before end,
            ended_at = case when j.becomes in ('done', 'failed') then workflow_now() end
        from judged j where r.id = j.id and r.id = any (array(select x.id from judged x))
        returning r.id, r.status, r.execution_id, r.number, r.partition
    ), told as (
        insert into workflow_signals (execution_id, partition, kind, number, name, data, message, created_at)
        select e.id, e.partition, case m.status when 'done' then 'completed' else 'failed' end, m.number,
            case m.status when 'done' then '' else coalesce(j.kind, 'request') end,
            case m.status when 'done' then j.result end, case m.status when 'done' then '' else coalesce(j.error, '') end, workflow_now()
        from moved m join judged j on j.id = m.id join workflow_executions e on e.id = m.execution_id
        where m.status in ('done', 'failed') and case when e.status in ('running', 'waiting', 'paused') then e.plan_hash is not null else false end
    )
    select m.id, m.status from moved m;
    -- The taker looks for itself; where another owns the partition by now, that one is woken.
    perform workflow_wake(array_agg(distinct r.partition))
    from workflow_requests r join workflow_partitions p on p.number = r.partition and p.owner is distinct from taker
    where r.id = any (array(select (a ->> 'id')::uuid from jsonb_array_elements(answers) a)) and r.status in ('done', 'failed')
    having count(*) > 0;
end
$$;

-- Finds attempts that were cut short: this daemon's own that it does not hold, and in its partitions those of daemons that
-- live no more (who gave a partition back still makes the attempts it had begun) and those of other programs whose lease has
-- ended. `begun` are the ids of its own that may have had an effect.
create function workflow_recover_requests(taker text, held uuid[], begun uuid[], in_doubt text)
    returns table (id uuid, kind text, status text)
    volatile language plpgsql set search_path from current
as $$
#variable_conflict use_column
declare
    cut_short_max constant integer := 20;  -- so often, it may be what ends its daemon: for the operator to see
    kinds text[];
begin
    return query
    with attempts as materialized (
        -- In this order, because that is the short index of what is taken; by id it would as soon be all there ever was.
        select t.id from workflow_requests t where t.status = 'taken' order by t.lease_until
    ), cut as materialized (
        select r.id, r.lease_until is not null as leased, r.lease_until is not null or r.taken_by <> taker or r.id = any (begun) as begun,
            coalesce(r.policy, case when r.lease_until is null then in_doubt else 'repeat' end) = 'park'
                or r.cut_short + 1 >= cut_short_max as parks
        from workflow_requests r
        where r.id = any (array(select a.id from attempts a)) and r.status = 'taken'
            and (r.taken_by = taker or r.partition = any (array(select p.number from workflow_partitions p where p.owner = taker)))
            -- Not in: hashed. There are thousands on both sides, and unequal to all of an array is tried one by one.
            and case when r.lease_until is not null then r.lease_until <= workflow_now()
                when r.taken_by = taker then r.id not in (select unnest(held))
                else r.taken_by not in (select d.owner from workflow_daemons d) end
        order by r.id for no key update skip locked
    )
    update workflow_requests r
    set status = case when c.begun and c.parks then 'in_doubt' else 'pending' end, not_before = workflow_now(),
        attempts = r.attempts - (not c.begun)::integer, cut_short = r.cut_short + c.begun::integer,
        error = case when c.begun and c.leased then 'Whoever took it has not answered before the lease ended.'
            when c.begun then 'The attempt was cut short, and nobody knows whether it had its effect.' else r.error end,
        taken_by = case when c.begun and c.parks then r.taken_by end, lease_until = null
    from cut c where r.id = any (array[c.id])  -- by key: what is no plain equality cannot be merged or hashed
    returning r.id, r.kind, r.status;
    select array_agg(distinct r.kind) into kinds from workflow_requests r
    where r.status = 'pending' and r.not_before = workflow_now() and r.cut_short > 0 and workflow_is_keyword(r.kind);
    if kinds is not null then
        perform workflow_tell_takers(kinds);
    end if;
end
$$;

create view workflow_requests_open with (security_invoker = true) as
select r.id, r.kind, r.lane, r.status, r.execution_id, r.number, r.session_id, r.bot_id, e.script_path as script, e.current_step,
    r.attempts, r.cut_short, r.error, r.policy, r.created_at, workflow_now() - r.created_at as age, r.not_before, r.deadline,
    r.taken_by, r.lease_until
from workflow_requests r join workflow_executions e on e.id = r.execution_id
where r.status in ('pending', 'taken', 'in_doubt');
comment on view workflow_requests_open is
    'What scripts ask of the world and nobody has answered yet: pending, taken, or in_doubt (an operator decides), with the last error.';

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
