-- Published events and who waits for them, child executions, approvals, and what starts a script from outside.

insert into workflow_settings (key, value, about) values
    ('approvals_url', '', 'the page where a person decides; the token is put at its end'),
    ('approvals_timeout_seconds', '0', 'how long an approval waits that says nothing else; 0: for ever'),
    ('approvals_mail', 'false', 'whether links to decide are sent by mail');

create table workflow_secrets (
    name text primary key,
    value text not null
);
comment on table workflow_secrets is 'Keys that sign tokens. No client or operator may read it.';
insert into workflow_secrets (name, value)
values ('approvals', replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''));

alter table workflow_events
    add column if not exists bot_id uuid,
    add column if not exists published_at timestamptz,
    add column if not exists stage text;
comment on column workflow_events.bot_id is 'whose scripts it is for; null or all zeros: everybody''s';
-- A stage is null for rows from before this was here, which are nobody's event.
--   new    nobody has looked at it: it is for everybody who waits for it
--   early  nobody waited: it is for one of those who wait later
--   back   everybody it was told to had stopped waiting before they heard it: it is for one of those who wait
--   told   it is on its way as signals; processed is true once one of them was heard, or once it started a script
comment on column workflow_events.stage is 'new, early, back or told; null: not ours to hand out';
create index workflow_events_fresh on workflow_events (published_at) where stage in ('new', 'back') and not processed;
create index workflow_events_early on workflow_events (lower(btrim(event_name))) where stage = 'early' and not processed;

drop table workflow_event_waits;
-- Who waits for which event: written by the commit of the turn that begins the wait, removed by that of the turn
-- that ends it, or when an event is told to it: an event ends one wait.
create table workflow_event_waits (
    execution_id uuid not null,
    number integer not null,
    event_name text not null,
    bot_id uuid not null,
    since timestamptz not null,
    primary key (execution_id, number)
);
comment on column workflow_event_waits.number is 'names the wait in its execution, so that no event meant for an earlier one ends it';
create index workflow_event_waits_name on workflow_event_waits (event_name, since);
create index workflow_signals_event on workflow_signals (message) where kind = 'event';



-- ----------------------------------------------------------------------------------------------------
-- Events. A publisher inserts a row, whoever it is: a script, a client, the bot server's own code. It takes no lock and
-- looks at nobody. A wait is a row too, of the turn that begins it. Who gets what is decided afterwards, by the daemon, one
-- transaction at a time: it is told of a new event by the trigger, and of a new wait by its own commit, so whichever of the
-- two commits last is followed by a look that sees both. A sweep finds what a lost notification or a killed daemon left.

create function workflow_events_check() returns trigger
    security definer language plpgsql set search_path from current
as $$
begin
    new.published_at := workflow_now();
    new.stage := 'new';
    if new.bot_id is null and new.workflow_id is not null then
        select e.bot_id into new.bot_id from workflow_executions e where e.id = new.workflow_id;
    end if;
    begin
        perform workflow_wake(array[workflow_partition(new.id)]);
    exception when others then
        null;  -- the sweep finds the row: whoever published must not fail for it
    end;
    return new;
end
$$;
create trigger workflow_events_check before insert on workflow_events
    for each row execute function workflow_events_check();

-- Does what an event does: `first_only`: to one of those who wait, else to all, and to what it starts.
create function workflow_tell_event(event workflow_events, first_only boolean) returns boolean
    volatile language plpgsql set search_path from current
as $$
declare
    every_bot constant uuid := '00000000-0000-0000-0000-000000000000';
    wanted constant text := lower(btrim(event.event_name));
    bot constant uuid := coalesce(event.bot_id, every_bot);
    data constant jsonb := coalesce(workflow_read_json(event.event_data_json), to_jsonb(event.event_data_json));
    hearer record;
    starter record;
    heard boolean := false;
    started boolean := false;
begin
    for hearer in
        delete from workflow_event_waits w using (
            select x.execution_id, x.number from workflow_event_waits x
            where x.event_name = wanted and (bot = every_bot or x.bot_id = bot)
            order by x.since, x.execution_id, x.number
            limit case when first_only then 1 end
            for update skip locked
        ) waiting
        where w.execution_id = waiting.execution_id and w.number = waiting.number
        returning w.execution_id, w.number
    loop
        perform workflow_signal(hearer.execution_id, 'event', hearer.number, wanted, data, event.id::text);
        heard := true;
    end loop;
    if not first_only then
        for starter in
            select d.script, coalesce(d.data ->> 'procedure', '') as procedure, d.bot_id from workflow_declarations d
            where d.kind = 'event' and d.name = wanted and (bot = every_bot or d.bot_id in (bot, every_bot))
            order by d.bot_id, d.script
        loop
            begin
                perform workflow_start_triggered(starter.script, case when starter.bot_id = every_bot then bot else starter.bot_id end,
                    jsonb_build_object('event', wanted, 'event_data', data), null, starter.procedure,
                    format('event %s %s', event.id, starter.script));
            exception when others then
                if sqlstate not like 'SW%' then
                    raise;
                end if;
                raise warning '% is not started by the event %: %', starter.script, wanted, sqlerrm;
            end;
            started := true;
        end loop;
    end if;
    update workflow_events e set processed = started and not heard,
        stage = case when heard or started then 'told' else 'early' end
    where e.id = event.id;
    return heard or started;
end
$$;

-- The names that both an early event and a wait have. Each index is entered at the next name of the other, so it costs
-- what the fewer of the two cost, however many wait for something else.
create function workflow_awaited_early() returns text[]
    stable language plpgsql set search_path from current
as $$
declare
    names text[] := '{}';
    early text;
    awaited text := '';
begin
    loop
        if awaited = early then
            names := names || awaited;
            select lower(btrim(e.event_name)) into early from workflow_events e
            where e.stage = 'early' and not e.processed and lower(btrim(e.event_name)) > awaited
            order by lower(btrim(e.event_name)) limit 1;
        else
            select lower(btrim(e.event_name)) into early from workflow_events e
            where e.stage = 'early' and not e.processed and lower(btrim(e.event_name)) >= awaited
            order by lower(btrim(e.event_name)) limit 1;
        end if;
        exit when not found;
        select w.event_name into awaited from workflow_event_waits w where w.event_name >= early
        order by w.event_name limit 1;
        exit when not found;
    end loop;
    return names;
end
$$;

-- Hands out events: those that nobody has looked at, and earlier ones of the given names (null: of all that are waited for).
create function workflow_tell_events(names text[]) returns integer
    volatile security definer language plpgsql set search_path from current
as $$
declare
    wanted text[] := names;
    found_events uuid[];
    event workflow_events;
    told integer := 0;
begin
    if cardinality(names) = 0 and not exists (
        select from workflow_events e where e.stage in ('new', 'back') and not e.processed
    ) then
        return 0;
    end if;
    -- One at a time, or two who do not see each other's work could both find nobody. It is held for this statement only.
    perform pg_advisory_xact_lock(workflow_lock_class(), 1000);
    if wanted is null then
        wanted := workflow_awaited_early();
    end if;
    found_events := array(
        select e.id from workflow_events e where e.stage in ('new', 'back') and not e.processed order by e.published_at, e.id limit 1000
    ) || array(
        select e.id from unnest(wanted) w (name) cross join lateral (
            select x.id, x.published_at from workflow_events x
            where lower(btrim(x.event_name)) = w.name and x.stage = 'early' and not x.processed order by x.published_at, x.id limit 100
        ) e order by e.published_at, e.id
    );
    for event in
        select e.* from workflow_events e where e.id = any (found_events) and not e.processed
        order by e.published_at, e.id for update skip locked
    loop
        if workflow_tell_event(event, event.stage <> 'new') then
            told := told + 1;
        end if;
    end loop;
    return told;
end
$$;

-- What was told to somebody who has stopped waiting comes back, unless others have it still.
create function workflow_events_back(events uuid[]) returns void
    volatile language sql set search_path from current
as $$
    update workflow_events e set stage = 'back'
    where e.id = any (events) and not e.processed
        and not exists (select from workflow_signals s where s.kind = 'event' and s.message = e.id::text)
$$;

create function workflow_check_name(name text, what text) returns text
    immutable language plpgsql set search_path from current
as $$
begin
    if coalesce(btrim(name), '') = '' or length(name) > 200 then
        raise exception using errcode = 'SW070', message = format('%s needs a name of 1 to 200 characters.', what),
            hint = case what when 'A trigger' then 'For example: select * from workflow_trigger(''orders'', ''{"number": 7}'').'
                else 'For example: select workflow_publish(''payment received'', ''{"amount": 10}'').' end;
    end if;
    return lower(btrim(name));
end
$$;

create function workflow_check_depth(data jsonb) returns void
    immutable language plpgsql set search_path from current
as $$
begin
    if jsonb_path_exists(data, '$.**{65}') then
        raise exception using errcode = 'SW008', message = 'The data are nested more than 64 levels deep.',
            hint = 'A variable of a script holds at most 64 levels.';
    end if;
end
$$;

create function workflow_publish(event text, data jsonb default null, bot_id uuid default null) returns uuid
    volatile security definer language plpgsql set search_path from current
as $$
#variable_conflict use_column
declare
    named constant text := workflow_check_name(workflow_publish.event, 'An event');
    bot uuid := workflow_publish.bot_id;
    published constant uuid := gen_random_uuid();
begin
    if bot is null and cardinality(workflow_bots_of_caller()) = 1 then
        bot := (workflow_bots_of_caller())[1];
    end if;
    perform workflow_check_bot(coalesce(bot, '00000000-0000-0000-0000-000000000000'));
    if length(data::text) > workflow_setting('params_characters_max')::integer then
        raise exception using errcode = 'SW008',
            message = format('The data of the event have %s characters; at most %s are accepted.', length(data::text), workflow_setting('params_characters_max')),
            hint = 'Keep large data in a table and give its key, or raise params_characters_max in workflow_settings.';
    end if;
    perform workflow_check_depth(data);
    insert into workflow_events (id, event_name, event_data_json, bot_id)
    values (published, named, data::text, coalesce(bot, '00000000-0000-0000-0000-000000000000'));
    return published;
end
$$;
comment on function workflow_publish(text, jsonb, uuid) is
    'Tells everybody of the bot who waits for the event; if nobody does, the first who does later. All zeros, or null: every bot.';

-- PUBLISH: the event belongs to the turn that publishes it.
create function workflow_publish_from(execution uuid, name text, data jsonb) returns jsonb
    volatile language sql set search_path from current
as $$
    insert into workflow_events (id, workflow_id, event_name, event_data_json, bot_id)
    select gen_random_uuid(), e.id, workflow_check_name(name, 'An event'), data::text, e.bot_id
    from workflow_executions e where e.id = execution
    returning to_jsonb(id)
$$;


-- ----------------------------------------------------------------------------------------------------
-- Children: executions that a script starts and hears the end of.

-- The script that a name means to a bot: another bot's main script, else a script that the bot has.
create function workflow_find_child(target text, bot uuid, out found_bot uuid, out found_script text) returns record
    stable language plpgsql set search_path from current
as $$
declare
    wanted constant text := regexp_replace(lower(btrim(target)), '\.bas$', '');
    other constant uuid := workflow_bot_id(wanted);
begin
    if other is not null then
        select s.bot_id, s.script into found_bot, found_script from (
            select x.bot_id, x.script, array_position(array['start', 'main', wanted], regexp_replace(lower(x.script), '^.*/|\.bas$', '', 'g')) as rank,
                count(*) over () as scripts
            from workflow_scripts x where x.bot_id = other
        ) s where s.rank is not null or s.scripts = 1 order by s.rank limit 1;
        if found then
            return;
        end if;
    end if;
    select case when to_regclass(quote_ident(current_schema()) || '.bots') is null then bot else coalesce(other, bot) end, s.script
        into found_bot, found_script
    from workflow_scripts s
    where s.bot_id in (bot, '00000000-0000-0000-0000-000000000000')
        and (lower(s.script) in (wanted, wanted || '.bas') or lower(s.script) like '%/' || replace(replace(wanted, '\', '\\'), '_', '\_') || '.bas')
    order by s.bot_id = bot desc, length(s.script), s.script limit 1;
end
$$;

-- Starts a child in the transaction of the parent's turn and returns its number. Without a procedure, `target` is a bot or a
-- script; with one, the child runs that procedure of the parent's own plan: a branch.
create function workflow_start_child(parent uuid, target text, variables jsonb, procedure text default '') returns jsonb
    volatile language plpgsql set search_path from current
as $$
#variable_conflict use_column
declare
    p workflow_executions;
    plan workflow_plans;
    bot uuid;
    script text;
    child constant uuid := gen_random_uuid();
    child_number integer;
    share smallint;
    near text;
begin
    select e.* into strict p from workflow_executions e where e.id = parent;
    if (
        with recursive line as (
            select e.parent_id, 1 as depth from workflow_executions e where e.id = parent
            union all
            select e.parent_id, line.depth + 1 from line join workflow_executions e on e.id = line.parent_id where line.depth < 20
        )
        select max(line.depth) from line
    ) >= 20 then
        raise exception using errcode = 'SW077', message = 'Bots start each other more than 20 deep.',
            hint = 'Does a script start itself as BOT?';
    end if;
    if procedure = '' then
        select f.found_bot, f.found_script into bot, script from workflow_find_child(target, p.bot_id) f;
        if script is null then
            select string_agg(c.script, ', ') into near from (
                select distinct s.script, workflow_likeness(s.script, target) as likeness from workflow_scripts s
                where s.bot_id in (p.bot_id, '00000000-0000-0000-0000-000000000000') order by likeness desc, s.script limit 3
            ) c;
            raise exception using errcode = 'SW071', message = format('There is no bot and no script %L.', target),
                hint = coalesce('The nearest scripts are ' || near || '.', 'No script is deployed yet.');
        end if;
        plan := workflow_plan_of(script, bot);
    else
        bot := p.bot_id;
        script := p.script_path;
        select x.* into strict plan from workflow_plans x where x.hash = p.plan_hash;
    end if;
    select coalesce(max(e.parent_number), 0) + 1 into child_number from workflow_executions e where e.parent_id = parent;
    share := workflow_partition(coalesce(p.session_id, child));
    insert into workflow_executions (id, bot_id, workflow_name, current_step, state_json, status, created_at, updated_at,
        session_id, script_path, plan_hash, mode, wake_at, start_order, partition, parent_id, parent_number)
    values (child, bot, script, 1,
        jsonb_build_object('version', 1, 'variables', variables, 'step_index', 1, 'procedure', procedure)::text, 'running',
        workflow_now(), workflow_now(), p.session_id, script, plan.hash, plan.mode, workflow_now(), nextval('workflow_start_order'),
        share, parent, child_number);
    perform workflow_wake(array[share]);
    return to_jsonb(child_number);
end
$$;

-- However an execution ends: nobody waits any more for what it asked, its children end with it, and events that were on their
-- way to it come back.
create or replace function workflow_execution_ended() returns trigger
    security definer language plpgsql set search_path from current
as $$
declare
    unheard uuid[];
    shares smallint[];
begin
    update workflow_requests r set status = 'cancelled', ended_at = workflow_now()
    where r.execution_id = new.id and r.status in ('pending', 'taken', 'in_doubt');
    delete from workflow_event_waits w where w.execution_id = new.id;
    with gone as (
        delete from workflow_signals s where s.execution_id = new.id returning s.kind, s.message
    )
    select array_agg(g.message::uuid) into unheard from gone g where g.kind = 'event';
    if unheard is not null then
        perform workflow_events_back(unheard), workflow_wake(array[new.partition]);
    end if;
    with ended as (
        update workflow_executions e set status = 'cancelled', wait_kind = null, wake_at = null,
            problem = format('Execution %s, which started this one, has ended: it is %s.', new.id, new.status),
            revision = e.revision + 1, updated_at = workflow_now(), ended_at = workflow_now()
        from (
            select x.id from workflow_executions x
            where x.parent_id = new.id and x.status in ('running', 'waiting', 'paused') order by x.id for no key update
        ) child
        where e.id = child.id
        returning e.partition
    )
    select array_agg(distinct e.partition) into shares from ended e;
    if shares is not null then
        perform workflow_wake(shares);
    end if;
    return null;
end
$$;


-- ----------------------------------------------------------------------------------------------------
-- Approvals: requests of the kind approval, which a person answers.

-- HMAC-SHA-256 (RFC 2104) of a text, in hex.
create function workflow_hmac(message text, secret text) returns text
    immutable strict language plpgsql set search_path from current
as $$
declare
    key bytea := convert_to(secret, 'UTF8');
    inner_pad bytea := decode(repeat('36', 64), 'hex');
    outer_pad bytea := decode(repeat('5c', 64), 'hex');
begin
    if length(key) > 64 then
        key := sha256(key);
    end if;
    for i in 0 .. length(key) - 1 loop
        inner_pad := set_byte(inner_pad, i, get_byte(inner_pad, i) # get_byte(key, i));
        outer_pad := set_byte(outer_pad, i, get_byte(outer_pad, i) # get_byte(key, i));
    end loop;
    return encode(sha256(outer_pad || sha256(inner_pad || convert_to(message, 'UTF8'))), 'hex');
end
$$;

create function workflow_approval_token(request uuid) returns text
    stable language sql set search_path from current
as $$ select request || '.' || workflow_hmac(request::text, s.value) from workflow_secrets s where s.name = 'approvals' $$;

-- What the step that asks for an approval is told before it asks: how to decide, and for how long.
create function workflow_approval_link(execution uuid, number integer) returns jsonb
    stable language sql set search_path from current
as $$
    select jsonb_build_object('token', t.token, 'mail', workflow_setting('approvals_mail') = 'true',
        'timeout', workflow_setting('approvals_timeout_seconds')::numeric,
        'link', case when u.url <> '' then u.url || t.token end)
    from (select workflow_approval_token(workflow_request_id(execution, number)) as token) t,
        (select coalesce(workflow_setting('approvals_url'), '') as url) u
$$;

create function workflow_approve(token text, decision text, by text default null, comment text default null) returns workflow_outcome
    volatile security definer language plpgsql set search_path from current
as $$
#variable_conflict use_column
declare
    request uuid;
    r workflow_requests;
    approved boolean;
    answer jsonb;
    who text := nullif(btrim(workflow_approve.by), '');
    asked text[];
begin
    if workflow_approve.token ~ '^[0-9a-fA-F-]{36}\.[0-9a-f]{64}$' then
        request := split_part(workflow_approve.token, '.', 1)::uuid;
    end if;
    if request is null or sha256(convert_to(workflow_approve.token, 'UTF8')) <> sha256(convert_to(workflow_approval_token(request), 'UTF8')) then
        raise exception using errcode = 'SW072', message = 'This is no token of an approval.',
            hint = 'The tokens of open approvals are in the view workflow_approvals.';
    end if;
    approved := case when lower(btrim(decision)) in ('approve', 'approved', 'yes', 'true') then true
        when lower(btrim(decision)) in ('reject', 'rejected', 'no', 'false') then false end;
    if approved is null then
        raise exception using errcode = 'SW073', message = format('%L is no decision.', coalesce(decision, '')),
            hint = 'A decision is approve or reject.';
    end if;
    select x.* into r from workflow_requests x where x.id = request for no key update;
    if found then
        perform workflow_check_bot(r.bot_id);
    end if;
    if r.status = 'done' then
        return row(false, case when (r.payload -> 'decision' ->> 'approved')::boolean then 'approved' else 'rejected' end,
            format('It was %s already%s.', case when (r.payload -> 'decision' ->> 'approved')::boolean then 'approved' else 'rejected' end,
                coalesce(' by ' || (r.payload -> 'decision' ->> 'approver'), '')))::workflow_outcome;
    end if;
    if r.id is null or r.status <> 'pending' or r.deadline <= workflow_now() then
        return row(false, 'closed', 'Nobody waits for this decision: it was made, or its time is over.')::workflow_outcome;
    end if;
    asked := array(select p from jsonb_array_elements_text(r.payload -> 'people') p);
    if who is not null and cardinality(asked) > 0 and lower(who) <> all (select lower(a) from unnest(asked) a) then
        raise exception using errcode = 'SW074', message = format('%s is not asked for this decision.', who),
            hint = format('Asked is: %s.', array_to_string(asked, ', '));
    end if;
    if who is null and cardinality(asked) = 1 then
        who := asked[1];
    end if;
    answer := jsonb_build_object('approved', approved, 'approver', who, 'comment', nullif(btrim(workflow_approve.comment), ''));
    update workflow_requests x set payload = x.payload || jsonb_build_object('decision', answer) where x.id = r.id;
    perform workflow_end_request(r, true, null, answer);
    return row(true, case when approved then 'approved' else 'rejected' end,
        format('It is %s%s.', case when approved then 'approved' else 'rejected' end, coalesce(' by ' || who, '')))::workflow_outcome;
end
$$;
comment on function workflow_approve(text, text, text, text) is
    'Decides an open approval: approve or reject, by one of those who are asked. Says what it did; twice does it once.';

-- What a daemon's configuration says; an empty secret leaves the one that is there.
create function workflow_keep_approval_settings(url text, seconds double precision, mail boolean, secret text) returns void
    volatile language sql set search_path from current
as $$
    update workflow_settings s set value = given.value
    from (values ('approvals_url', url), ('approvals_timeout_seconds', seconds::text), ('approvals_mail', mail::text)) given (key, value)
    where s.key = given.key and s.value <> given.value;
    update workflow_secrets s set value = secret where s.name = 'approvals' and secret <> '' and s.value <> secret
$$;

create view workflow_approvals with (security_invoker = true) as
select r.id, r.execution_id, r.session_id, r.bot_id, r.payload ->> 'workflow' as workflow, r.payload ->> 'text' as text,
    array(select p from jsonb_array_elements_text(r.payload -> 'people') p) as people,
    r.payload ->> 'token' as token, r.payload ->> 'link' as link, r.created_at, r.deadline
from workflow_requests r where r.kind = 'approval' and r.status = 'pending';
comment on view workflow_approvals is 'Open approvals: who is asked, until when, and the token that decides.';


-- ----------------------------------------------------------------------------------------------------
-- What starts scripts from outside: WEBHOOK, ON FORM SUBMIT, TRIGGER and the like, declared by deployed scripts.

create function workflow_start_triggered(
    script text, bot uuid, params jsonb, session uuid default null, procedure text default '', start_key text default null
) returns uuid
    volatile language plpgsql set search_path from current
as $$
#variable_conflict use_column
declare
    started uuid;
begin
    started := workflow_start(script, session, bot, params, start_key);
    if procedure <> '' then
        update workflow_executions e
        set state_json = jsonb_set(e.state_json::jsonb, '{procedure}', to_jsonb(procedure))::text
        where e.id = started and e.turn = 0;
    end if;
    return started;
end
$$;

create function workflow_trigger(
    name text, data jsonb default '{}', bot_id uuid default null, session_id uuid default null, start_key text default null
) returns setof uuid
    volatile security definer language plpgsql set search_path from current
as $$
#variable_conflict use_column
declare
    every_bot constant uuid := '00000000-0000-0000-0000-000000000000';
    kinds constant text[] := array['webhook', 'form', 'trigger', 'table', 'email'];
    named constant text := workflow_check_name(workflow_trigger.name, 'A trigger');
    bot uuid := workflow_trigger.bot_id;
    given constant jsonb := case when jsonb_typeof(data) = 'object' then data else '{}' end;
    starter record;
    near text;
    begun boolean := false;
begin
    if bot is null and cardinality(workflow_bots_of_caller()) = 1 then
        bot := (workflow_bots_of_caller())[1];
    end if;
    perform workflow_check_depth(data);
    for starter in
        select distinct on (d.script) d.script, d.bot_id, coalesce(d.data ->> 'procedure', '') as procedure
        from workflow_declarations d
        where d.kind = any (kinds) and (d.name = named or d.kind = 'form' and d.name = '')
            and d.bot_id in (coalesce(bot, every_bot), every_bot)
        order by d.script, d.bot_id <> every_bot desc
    loop
        begun := true;
        return next workflow_start_triggered(starter.script, case when starter.bot_id = every_bot then bot else starter.bot_id end,
            given || jsonb_build_object('trigger', named, 'trigger_data', data), workflow_trigger.session_id, starter.procedure,
            workflow_trigger.start_key || ' ' || starter.script);
    end loop;
    if not begun then
        select string_agg(c.name, ', ') into near from (
            select distinct d.name, workflow_likeness(d.name, named) as likeness from workflow_declarations d
            where d.kind = any (kinds) and d.bot_id in (coalesce(bot, every_bot), every_bot) order by likeness desc, d.name limit 3
        ) c;
        raise exception using errcode = 'SW075', message = format('No script is started by %L.', named),
            hint = coalesce('Scripts are started by: ' || near || '.', 'A script says so with WEBHOOK, ON FORM SUBMIT or TRIGGER.');
    end if;
end
$$;
comment on function workflow_trigger(text, jsonb, uuid, uuid, text) is
    'Starts the scripts that declare this webhook, form or trigger; the keys of data become their variables.';


create function workflow_trigger_from(execution uuid, name text, data jsonb) returns jsonb
    volatile language plpgsql set search_path from current
as $$
declare
    bot uuid;
begin
    select e.bot_id into strict bot from workflow_executions e where e.id = execution;
    return (select coalesce(jsonb_agg(t.id), '[]') from workflow_trigger(name, data, bot) t (id));
end
$$;


-- ----------------------------------------------------------------------------------------------------
-- Memory of another bot.

-- The bot of that name, where there is one: in the table bots, or in a database without it, one that has scripts.
create function workflow_known_bot(name text) returns uuid
    stable language plpgsql set search_path from current
as $$
declare
    answer constant uuid := workflow_bot_id(btrim(name));
begin
    if answer is null or to_regclass(quote_ident(current_schema()) || '.bots') is null
        and not exists (select from workflow_scripts s where s.bot_id = answer) then
        raise exception using errcode = 'SW076', message = format('There is no bot %L.', name),
            hint = 'The names of bots are in the table bots, or where that is missing, those of deployed folders.';
    end if;
    return answer;
end
$$;

create function workflow_share_memory(bot uuid, key text, target text) returns jsonb
    volatile language sql set search_path from current
as $$ select workflow_set_bot_memory(workflow_known_bot(target), key, workflow_bot_memory(bot, key)) $$;

-- What this bot has not kept itself, or kept before the other one did, it takes over; answers how many there were.
create function workflow_sync_memory(bot uuid, source text) returns jsonb
    volatile language sql set search_path from current
as $$
    with copied as (
        insert into workflow_bot_memories as m (bot_id, key, value)
        select bot, o.key, o.value from workflow_bot_memories o where o.bot_id = workflow_known_bot(source) order by o.key
        on conflict (bot_id, key) do update set value = excluded.value, updated_at = excluded.updated_at
            where m.value <> excluded.value
        returning 1
    )
    select to_jsonb(count(*)) from copied
$$;


-- ----------------------------------------------------------------------------------------------------
-- What a turn wrote beside its replies: one object per turn, in the same transaction as its commit.
--   {"execution": id, "requests": [{number, kind, payload, policy, deadline}], "signals": [ids it has heard],
--    "consumed": [events it has heard], "unheard": [ids it has taken and nobody hears], "answered": [numbers of requests whose answers it has heard],
--    "given_up": [numbers nobody waits for], "waits": [[number, name] of events it begins to wait for],
--    "events": [numbers of events it waits for no more], "result": what it returned}
create or replace function workflow_write_extras(extras jsonb) returns void
    volatile language plpgsql set search_path from current
as $$
declare
    back uuid[];
    more uuid[];
begin
    -- Most turns write one or two of these: each is looked for before its statement is run. Keys as arrays: of a join with
    -- what is in JSON, the planner takes the table to be the smaller side, and reads all of it.
    if extras @? '$[*].signals[*]' then
        delete from workflow_signals s
        where s.id = any (array(select i::bigint from jsonb_array_elements(extras) x, jsonb_array_elements_text(x -> 'signals') i));
    end if;

    if extras @? '$[*].consumed[*]' then
        -- By their own ids: where the turn ended the execution, the signal is gone already.
        update workflow_events e set processed = true, stage = 'told'
        where e.id = any (array(select i::uuid from jsonb_array_elements(extras) x, jsonb_array_elements_text(x -> 'consumed') i));
    end if;

    if extras @? '$[*].unheard[*]' then
        with unheard as (
            delete from workflow_signals s
            where s.id = any (array(select i::bigint from jsonb_array_elements(extras) x, jsonb_array_elements_text(x -> 'unheard') i))
            returning s.kind, s.message
        )
        select array_agg(u.message::uuid) into back from unheard u where u.kind = 'event';
    end if;

    if extras @? '$[*].events[*]' then
        delete from workflow_event_waits w
        using jsonb_array_elements(extras) x, jsonb_array_elements_text(x -> 'events') n
        where w.execution_id = (x ->> 'execution')::uuid and w.number = n::integer;

        with unheard as (
            delete from workflow_signals s
            using jsonb_array_elements(extras) x, jsonb_array_elements_text(x -> 'events') n
            where s.kind = 'event' and s.execution_id = (x ->> 'execution')::uuid and s.number = n::integer
            returning s.message
        )
        select array_agg(u.message::uuid) into more from unheard u;
    end if;
    if back is not null or more is not null then
        perform workflow_events_back(coalesce(back, '{}') || coalesce(more, '{}'));
    end if;

    if extras @? '$[*].answered[*]' then
        delete from workflow_requests r where r.id = any (array(
            select workflow_request_id((x ->> 'execution')::uuid, n::integer)
            from jsonb_array_elements(extras) x, jsonb_array_elements_text(x -> 'answered') n
        ));
    end if;

    if extras @? '$[*].given_up[*]' then
        update workflow_requests r set status = 'cancelled', ended_at = workflow_now()
        where r.id = any (array(
            select workflow_request_id((x ->> 'execution')::uuid, n::integer)
            from jsonb_array_elements(extras) x, jsonb_array_elements_text(x -> 'given_up') n
        )) and r.status in ('pending', 'taken', 'in_doubt');
    end if;

    if extras @? '$[*] ? (exists(@.result))' then
        update workflow_executions e set result_json = (x -> 'result')::text
        from jsonb_array_elements(extras) x where x ? 'result' and e.id = (x ->> 'execution')::uuid;
    end if;

    if extras @? '$[*].waits[*]' then
        insert into workflow_event_waits (execution_id, number, event_name, bot_id, since)
        select e.id, (w ->> 0)::integer, w ->> 1, e.bot_id, workflow_now()
        from jsonb_array_elements(extras) x
        cross join lateral jsonb_array_elements(x -> 'waits') w
        join workflow_executions e on e.id = (x ->> 'execution')::uuid;
    end if;

    if extras @? '$[*].requests[*]' then
        insert into workflow_requests (id, execution_id, number, bot_id, session_id, partition, kind, payload, policy,
            not_before, deadline, created_at)
        select workflow_request_id(e.id, (r ->> 'number')::integer), e.id, (r ->> 'number')::integer, e.bot_id, e.session_id,
            e.partition, r ->> 'kind', r -> 'payload', r ->> 'policy', workflow_now(), (r ->> 'deadline')::timestamptz, workflow_now()
        from jsonb_array_elements(extras) x
        cross join lateral jsonb_array_elements(x -> 'requests') r
        join workflow_executions e on e.id = (x ->> 'execution')::uuid;
    end if;
end
$$;

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
