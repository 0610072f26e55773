-- Tables that stay small: history by months, and what makes old rows go. docs/retention.md says it table by table.

-- The history so far becomes one part of the new table; where there is none yet, it makes room.
alter table workflow_turns rename to workflow_turns_before;
alter table workflow_turns_before drop constraint workflow_turns_pkey;
-- Append-only, a part for each month of `at` (workflow_make_history makes them): old history goes by dropping a table.
-- `at` is in the key because a partitioned table wants it there; an execution's turns are told apart by their numbers.
create table workflow_turns (
    like workflow_turns_before including defaults,
    primary key (execution_id, turn, at)
) partition by range (at);
create table workflow_turns_default partition of workflow_turns default with (autovacuum_vacuum_insert_scale_factor = 0.05);

-- Views follow a table that gets another name; they are to read the new one.
do $$
declare
    seen record;
begin
    for seen in
        select c.relname, pg_get_viewdef(c.oid) as body from pg_class c
        where c.relnamespace = quote_ident(current_schema())::regnamespace and c.relkind = 'v' and c.relname like 'workflow\_%'
            and pg_get_viewdef(c.oid) like '%workflow_turns_before%'
    loop
        execute format('create or replace view %I with (security_invoker = true) as %s', seen.relname,
            replace(seen.body, 'workflow_turns_before', 'workflow_turns'));
    end loop;
end
$$;

do $$
begin
    if exists (select from workflow_turns_before) then
        execute format('alter table workflow_turns attach partition workflow_turns_before for values from (minvalue) to (%L)',
            (select (date_trunc('month', greatest(max(t.at), workflow_now()) at time zone 'UTC') + interval '1 month') at time zone 'UTC'
             from workflow_turns_before t));
    else
        drop table workflow_turns_before;
    end if;
end
$$;

create table workflow_start_keys (
    bot_id uuid not null,
    start_key text not null,
    execution_id uuid not null,
    primary key (bot_id, start_key)
) with (autovacuum_vacuum_insert_scale_factor = 0.2);
comment on table workflow_start_keys is 'Start keys of executions that retention has deleted: a key starts one execution, for good.';

create table workflow_chores (
    name text primary key,
    holder text,
    held_until timestamptz,
    done_at timestamptz,
    deleted jsonb not null default '{}'
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
insert into workflow_chores (name) values ('prune');
comment on table workflow_chores is 'What one daemon at a time does in the background: who does it now, when it was last done, what it deleted then.';

-- What is to go is found by its age, and what still refers to it by key.
create index workflow_executions_ended on workflow_executions (ended_at, id) where plan_hash is not null and ended_at is not null;
create index workflow_executions_plan on workflow_executions (plan_hash) where plan_hash is not null;
create index workflow_events_execution on workflow_events (workflow_id) where workflow_id is not null;
create index workflow_events_heard on workflow_events (published_at, id) where stage = 'told' and processed;
create index workflow_message_ids_age on workflow_message_ids (created_at);
create index workflow_requests_ended on workflow_requests (ended_at) where status in ('done', 'failed', 'cancelled');
create index workflow_schedules_over on workflow_schedules (settled)
    where origin = 'execution' and planned and next_at is null and not paused;
create index workflow_schedules_plan on workflow_schedules (plan_hash) where plan_hash is not null;

-- How often autovacuum looks. A scale of 0.2 (the default) of a million rows is too late for tables that are updated all
-- day; queues are emptied all day, and what they leave is in the way of every look for the next row.
alter table workflow_executions set (toast.autovacuum_vacuum_scale_factor = 0.02);
alter table workflow_event_waits set (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000);
alter table workflow_requests set (toast.autovacuum_vacuum_scale_factor = 0.02);
alter table workflow_events set (autovacuum_vacuum_scale_factor = 0.05);
alter table workflow_message_ids set (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_insert_scale_factor = 0.2);
alter table workflow_schedules set (autovacuum_vacuum_scale_factor = 0.05);
alter table workflow_session_variables set (autovacuum_vacuum_scale_factor = 0.05);
alter table workflow_bot_memories set (autovacuum_vacuum_scale_factor = 0.05);

create or replace function workflow_start(
    script text, session_id uuid default null, bot_id uuid default null, params jsonb default '{}', start_key text default null
) returns uuid
    volatile security definer language plpgsql set search_path from current
as $$
#variable_conflict use_column
declare
    bot uuid;
    plan workflow_plans;
    started uuid;
    variables jsonb;
    limit_characters constant integer := workflow_setting('params_characters_max');
begin
    if jsonb_typeof(coalesce(params, '{}')) <> 'object' then
        raise exception using errcode = 'SW008', message = format('params must be a JSON object, not a JSON %s.', jsonb_typeof(params)),
            hint = 'For example: {"vip": true}. Its keys become variables of the script.';
    end if;
    if length(params::text) > limit_characters then
        raise exception using errcode = 'SW008', message = format('params have %s characters; at most %s are accepted.', length(params::text), limit_characters),
            hint = 'Keep large data in a table and give its key, or raise params_characters_max in workflow_settings.';
    end if;
    if jsonb_path_exists(params, '$.**{65}') then
        raise exception using errcode = 'SW008', message = 'params are nested more than 64 levels deep.',
            hint = 'A variable of a script holds at most 64 levels.';
    end if;
    bot := workflow_bot_of_start(workflow_start.bot_id, workflow_start.session_id);
    perform workflow_check_bot(bot);
    plan := workflow_plan_of(workflow_start.script, bot);
    select coalesce(jsonb_object_agg(lower(p.key), p.value), '{}') into variables from jsonb_each(coalesce(params, '{}')) p;
    -- Ends: each time round either inserts, or finds the row that was in the way, unless that ended in between.
    loop
        select e.id into started from workflow_executions e
        where workflow_start.start_key is not null and e.bot_id = bot and e.start_key = workflow_start.start_key;
        if not found and workflow_start.start_key is not null then
            -- After the executions, in a statement of its own: a row that retention has just deleted is here by then.
            select k.execution_id into started from workflow_start_keys k
            where k.bot_id = bot and k.start_key = workflow_start.start_key;
        end if;
        if found then
            return started;
        end if;
        select e.id into started from workflow_executions e
        where e.session_id = workflow_start.session_id and e.script_path = workflow_start.script
            and case when e.status in ('running', 'waiting', 'paused') then e.plan_hash is not null else false end;
        if found then
            perform workflow_check_bot((select e.bot_id from workflow_executions e where e.id = started));
            return started;
        end if;
        -- A schedule starts its script with what it was given when it was set.
        if workflow_start.start_key is null or workflow_start.start_key not like 'schedule:%' then
            perform workflow_check_params(workflow_start.script, bot, params);
        end if;
        started := gen_random_uuid();
        insert into workflow_executions (id, bot_id, workflow_name, current_step, state_json, status, created_at, updated_at,
            session_id, script_path, plan_hash, mode, wake_at, start_order, start_key, partition)
        values (started, bot, workflow_start.script, 1,
            jsonb_build_object('version', 1, 'variables', variables, 'step_index', 1)::text, 'running', workflow_now(), workflow_now(),
            workflow_start.session_id, workflow_start.script, plan.hash, plan.mode, workflow_now(), nextval('workflow_start_order'),
            workflow_start.start_key, workflow_partition(coalesce(workflow_start.session_id, started)))
        on conflict do nothing;
        if found then
            perform workflow_wake(array[workflow_partition(coalesce(workflow_start.session_id, started))]);
            return started;
        end if;
    end loop;
end
$$;

create or replace function workflow_start_scheduled(s workflow_schedules, start_key text) returns uuid
    volatile language plpgsql set search_path from current
as $$
#variable_conflict use_column
declare
    bots uuid[] := array[s.bot_id];
    bot uuid;
    plan workflow_plans;
    made uuid;
    started uuid;
    inner_key constant text := start_key;
begin
    if s.bot_id = '00000000-0000-0000-0000-000000000000' and s.plan_hash is null
        and to_regclass(quote_ident(current_schema()) || '.bots') is not null then
        execute 'select array_agg(b.id) from bots b
            where not exists (select from workflow_scripts d where d.bot_id = b.id and d.script = $1)' into bots using s.script;
    end if;
    foreach bot in array coalesce(bots, '{}') loop
        if s.plan_hash is null then
            plan := workflow_plan_of(s.script, bot);
        else
            select p.* into plan from workflow_plans p where p.hash = s.plan_hash;
        end if;
        -- In this order: an execution that retention has just deleted has left its key.
        continue when exists (select from workflow_executions e where e.bot_id = bot and e.start_key = inner_key);
        continue when exists (select from workflow_start_keys k where k.bot_id = bot and k.start_key = inner_key);
        made := gen_random_uuid();
        insert into workflow_executions (id, bot_id, workflow_name, current_step, state_json, status, created_at, updated_at,
            session_id, script_path, plan_hash, mode, wake_at, start_order, start_key, partition, schedule_id)
        values (made, bot, s.script, coalesce(s.step, 1),
            (jsonb_build_object('version', 1, 'variables', s.variables, 'step_index', coalesce(s.step, 1))
                || case when s.procedure is null then '{}' else jsonb_build_object('procedure', s.procedure) end
                || case when s.step is null then '{}' else jsonb_build_object('memos', jsonb_build_object(s.step::text, true)) end)::text,
            'running', workflow_now(), workflow_now(), s.session_id,
            s.script || coalesce('#' || s.step, ''), plan.hash, plan.mode, workflow_now(),
            case when s.step is null then nextval('workflow_start_order') else -s.id end,  -- a block hears what nobody else hears
            inner_key, workflow_partition(coalesce(s.session_id, made)), s.id)
        on conflict do nothing;
        if found then
            started := made;
            perform workflow_wake(array[workflow_partition(coalesce(s.session_id, made))]);
        end if;
    end loop;
    return started;
end
$$;

-- History is kept by months, by the clock of this schema and in UTC. The coming months are made ahead; what has none of
-- its own goes to workflow_turns_default, so that a turn's commit never fails for want of one. An insert takes its month
-- and the parent alone, so making one waits for nobody but readers of the default.
create function workflow_make_history(months_ahead integer default 3) returns integer
    volatile security definer language plpgsql set search_path from current set lock_timeout = '1s'
as $$
declare
    this_month constant timestamp := date_trunc('month', workflow_now() at time zone 'UTC');
    month timestamp;
    name text;
    made integer := 0;
begin
    if not pg_try_advisory_xact_lock(workflow_lock_class(), 1001) then
        return 0;  -- another is at it
    end if;
    for i in 0 .. months_ahead loop
        month := this_month + make_interval(months => i);
        name := 'workflow_turns_' || to_char(month, 'YYYYMM');
        continue when to_regclass(quote_ident(current_schema()) || '.' || name) is not null;
        begin
            execute format('create table %I (like workflow_turns including defaults) with (autovacuum_vacuum_insert_scale_factor = 0.05)', name);
            execute format('alter table workflow_turns attach partition %I for values from (%L) to (%L)', name,
                month at time zone 'UTC', (month + interval '1 month') at time zone 'UTC');
            made := made + 1;
        exception when check_violation or invalid_object_definition then
            null;  -- the default has turns of that month already, or an older table covers it: they stay where they are
        end;
    end loop;
    return made;
end
$$;
comment on function workflow_make_history(integer) is
    'Makes the months of history that are missing, this one and so many ahead; returns how many it made.';

create type workflow_pruned as (deleted jsonb, next text);
comment on type workflow_pruned is 'How many rows of which table went (or would), and where to go on; null: that was all.';

-- Retention. Every function here does one small portion in a transaction of its own and says where to go on, so it may be
-- interrupted anywhere, begun anew, and run twice at once. Rows in use are left for the next time. really = false only counts.
-- What ended before `horizon`. An execution goes with all that is its own: its turns, replies, requests, signals and waits, and
-- the events that it published and that were heard. It stays while its parent is not to go yet (which numbers its children
-- by them), while it has a child that lives, and while rows that are not ours refer to it.
create function workflow_prune_executions(horizon timestamptz, after text, at_most integer, really boolean) returns workflow_pruned
    volatile language plpgsql set search_path from current
as $$
declare
    rows_max constant integer := 20000;  -- turns, and replies, that one portion deletes
    after_at constant timestamptz := coalesce(nullif(split_part(after, ' ', 1), ''), '-infinity');
    after_id constant uuid := coalesce(nullif(split_part(after, ' ', 2), ''), '00000000-0000-0000-0000-000000000000');
    page uuid[];
    picked uuid[];
    one uuid;
    low integer;
    next text;
    gone bigint;
    deleted jsonb := '{}';
begin
    select array_agg(p.id order by p.ended_at, p.id),
        case when count(*) = at_most then (array_agg(to_char(p.ended_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || ' ' || p.id
            order by p.ended_at desc, p.id desc))[1] end
        into page, next
    from (
        select e.id, e.ended_at from workflow_executions e
        where e.plan_hash is not null and e.ended_at is not null and e.ended_at < horizon and (e.ended_at, e.id) > (after_at, after_id)
        order by e.ended_at, e.id limit at_most
    ) p;
    select array_agg(l.id) into picked from (
        select e.id from workflow_executions e
        where e.id = any (page) and e.plan_hash is not null and e.ended_at < horizon
            and e.status in ('completed', 'failed', 'cancelled', 'lost')
            and not exists (select from workflow_executions p where p.id = e.parent_id and (p.ended_at is null or p.ended_at >= horizon))
            and not exists (select from workflow_executions c where c.parent_id = e.id and c.status in ('running', 'waiting', 'paused'))
            and not exists (select from workflow_events v where v.workflow_id = e.id and v.stage is null)
        order by e.id for update of e skip locked
    ) l;
    if picked is null then
        return row(deleted, next)::workflow_pruned;
    end if;
    if not really then
        return row(jsonb_build_object('workflow_executions', cardinality(picked),
            'workflow_turns', (select count(*) from workflow_turns t where t.execution_id = any (picked)),
            'workflow_replies', (select count(*) from workflow_replies r where r.execution_id = any (picked)),
            'workflow_requests', (select count(*) from workflow_requests r where r.execution_id = any (picked)),
            'workflow_signals', (select count(*) from workflow_signals s where s.execution_id = any (picked)),
            'workflow_event_waits', (select count(*) from workflow_event_waits w where w.execution_id = any (picked)),
            'workflow_events', (select count(*) from workflow_events v where v.workflow_id = any (picked) and v.stage = 'told' and v.processed)
        ), next)::workflow_pruned;
    end if;

    -- More than one portion may have: some of the turns of one execution go first, and this page comes again.
    select x.execution_id into one from (
        (select t.execution_id from workflow_turns t where t.execution_id = any (picked) offset rows_max limit 1)
        union all
        (select r.execution_id from workflow_replies r where r.execution_id = any (picked) offset rows_max limit 1)
    ) x limit 1;
    if one is not null then
        low := least((select min(t.turn) from workflow_turns t where t.execution_id = one),
            (select min(r.turn) from workflow_replies r where r.execution_id = one));
        delete from workflow_replies r where r.execution_id = one and r.turn < low + rows_max;
        get diagnostics gone = row_count;
        deleted := jsonb_build_object('workflow_replies', gone);
        delete from workflow_turns t where t.execution_id = one and t.turn < low + rows_max;
        get diagnostics gone = row_count;
        return row(deleted || jsonb_build_object('workflow_turns', gone), coalesce(after, ''))::workflow_pruned;
    end if;

    insert into workflow_start_keys (bot_id, start_key, execution_id)
    select e.bot_id, e.start_key, e.id from workflow_executions e where e.id = any (picked) and e.start_key is not null
    on conflict do nothing;
    delete from workflow_events v where v.workflow_id = any (picked) and v.stage = 'told' and v.processed;
    get diagnostics gone = row_count;
    deleted := jsonb_build_object('workflow_events', gone);
    -- What nobody has heard yet is still for somebody.
    update workflow_events v set workflow_id = null where v.workflow_id = any (picked);
    begin
        delete from workflow_executions e where e.id = any (picked);
    exception when foreign_key_violation then
        -- Tables that are not ours refer to some of them: those stay, and keep what is theirs.
        foreach one in array picked loop
            begin
                delete from workflow_executions e where e.id = one;
            exception when foreign_key_violation then
                picked := array_remove(picked, one);
            end;
        end loop;
    end;
    deleted := deleted || jsonb_build_object('workflow_executions', cardinality(picked));
    delete from workflow_replies r where r.execution_id = any (picked);
    get diagnostics gone = row_count;
    deleted := deleted || jsonb_build_object('workflow_replies', gone);
    delete from workflow_turns t where t.execution_id = any (picked);
    get diagnostics gone = row_count;
    deleted := deleted || jsonb_build_object('workflow_turns', gone);
    delete from workflow_signals s where s.execution_id = any (picked);
    get diagnostics gone = row_count;
    deleted := deleted || jsonb_build_object('workflow_signals', gone);
    delete from workflow_requests r where r.execution_id = any (picked);
    get diagnostics gone = row_count;
    deleted := deleted || jsonb_build_object('workflow_requests', gone);
    delete from workflow_timers t where t.execution_id = any (picked);
    delete from workflow_event_waits w where w.execution_id = any (picked);
    get diagnostics gone = row_count;
    return row(deleted || jsonb_build_object('workflow_event_waits', gone), next)::workflow_pruned;
end
$$;

-- Whether a turn or a taken reply may go: its execution is gone, or has ended and the row is older than `ended`, or goes on
-- and the row is older than `live` and not of its last turn. An execution runs on its checkpoint, never on its history.
-- (null: such rows stay.)
create function workflow_is_past(found uuid, execution_ended timestamptz, last_turn integer, turn integer, at timestamptz,
    ended timestamptz, live timestamptz) returns boolean
    immutable parallel safe language sql
    return case when found is null then true when execution_ended is not null then coalesce(at < ended, false)
        else coalesce(at < live and turn < last_turn, false) end;

-- One month of history that was over before `horizon`. Dropped, if nothing of it is to stay; written anew, if at least half of it
-- may go; else left for a later time. Nobody writes into such a month, so what stays is copied without a lock, and only the
-- exchange takes one, which is not waited for: turns would wait behind it.
create function workflow_prune_month(horizon timestamptz, ended timestamptz, live timestamptz, after text, really boolean) returns workflow_pruned
    volatile security definer language plpgsql set search_path from current set lock_timeout = '200ms'
as $$
declare
    month record;
    turns bigint;
    past bigint;
    anew text;
    place constant text := quote_ident(current_schema());
    kept constant text := 'not workflow_is_past(e.id, e.ended_at, e.turn, t.turn, t.at, $1, $2)';
begin
    if really and not pg_try_advisory_xact_lock(workflow_lock_class(), 1002) then
        return row('{}', null)::workflow_pruned;  -- another is at it
    end if;
    select c.oid, c.relname::text as name, pg_get_expr(c.relpartbound, c.oid) as bound into month
    from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent = to_regclass(place || '.workflow_turns') and c.relname::text collate "C" > after
        and (regexp_match(pg_get_expr(c.relpartbound, c.oid), 'TO \(''([^'']+)''\)'))[1]::timestamptz <= horizon
    order by c.relname limit 1;
    if not found then
        return row('{}', null)::workflow_pruned;
    end if;
    execute format('select count(*), count(*) filter (where not (%s)) from %I t left join workflow_executions e on e.id = t.execution_id',
        kept, month.name) into turns, past using ended, live;
    if past * 2 < turns then
        return row('{}', month.name)::workflow_pruned;
    end if;
    if really and past < turns then
        anew := month.name || '_anew';
        execute format('create table %I (like workflow_turns including defaults) with (autovacuum_vacuum_insert_scale_factor = 0.05)', anew);
        execute format('insert into %I select t.* from %I t left join workflow_executions e on e.id = t.execution_id where %s',
            anew, month.name, kept) using ended, live;
        execute format('alter table %I add primary key (execution_id, turn, at), add constraint month check (%s)',
            anew, pg_get_partition_constraintdef(month.oid));
        execute format('analyze %I', anew);
    end if;
    if really then
        execute format('alter table workflow_turns detach partition %I', month.name);
        execute format('drop table %I', month.name);
    end if;
    if anew is not null then
        execute format('alter table workflow_turns attach partition %I %s', anew, month.bound);
        execute format('alter table %I drop constraint month', anew);
        execute format('alter table %I rename to %I', anew, month.name);
    end if;
    return row(jsonb_build_object('workflow_turns', past), month.name)::workflow_pruned;
exception when lock_not_available then
    return row('{}', month.name)::workflow_pruned;  -- somebody reads history just now, and turns wait behind us: another time
end
$$;

-- What lies in the default, row by row: there is something only while months were missing.
create function workflow_prune_default(ended timestamptz, live timestamptz, at_most integer, really boolean) returns workflow_pruned
    volatile language plpgsql set search_path from current
as $$
declare
    gone bigint;
begin
    with past as (
        select t.execution_id, t.turn, t.at from workflow_turns_default t left join workflow_executions e on e.id = t.execution_id
        where workflow_is_past(e.id, e.ended_at, e.turn, t.turn, t.at, ended, live)
        limit case when really then at_most end
    ), deleted as (
        delete from workflow_turns_default t using past p
        where really and t.execution_id = p.execution_id and t.turn = p.turn and t.at = p.at
    )
    select count(*) into gone from past;
    return row(jsonb_build_object('workflow_turns', gone), case when really and gone = at_most then 'more' end)::workflow_pruned;
end
$$;

-- Replies that were taken go as history does; what nobody has taken goes only with its execution.
create function workflow_prune_replies(horizon timestamptz, ended timestamptz, live timestamptz, after text, at_most integer, really boolean)
    returns workflow_pruned
    volatile language plpgsql set search_path from current
as $$
declare
    after_execution constant uuid := coalesce(nullif(split_part(after, ' ', 1), ''), '00000000-0000-0000-0000-000000000000');
    after_turn constant integer := coalesce(nullif(split_part(after, ' ', 2), ''), '-1');
    after_position constant integer := coalesce(nullif(split_part(after, ' ', 3), ''), '-1');
    past workflow_replies[];
    next text;
begin
    select array_agg(p.r) filter (where (p.r).taken_at is not null and (p.r).created_at < horizon
            and workflow_is_past(e.id, e.ended_at, e.turn, (p.r).turn, (p.r).created_at, ended, live)),
        case when count(*) = at_most
            then (array_agg(concat_ws(' ', (p.r).execution_id, (p.r).turn, (p.r).position) order by p.place desc))[1] end
        into past, next
    from (
        select r, row_number() over () as place from (
            select x.* from workflow_replies x
            where (x.execution_id, x.turn, x.position) > (after_execution, after_turn, after_position)
            order by x.execution_id, x.turn, x.position limit at_most
        ) r
    ) p left join workflow_executions e on e.id = (p.r).execution_id;
    if really and past is not null then
        delete from workflow_replies r using unnest(past) p
        where r.execution_id = p.execution_id and r.turn = p.turn and r.position = p.position;
    end if;
    return row(jsonb_build_object('workflow_replies', coalesce(cardinality(past), 0)), next)::workflow_pruned;
end
$$;

-- Messages to sessions where nobody can hear them, and events that nobody heard.
create function workflow_prune_unheard(horizon timestamptz, after text, at_most integer, really boolean) returns workflow_pruned
    volatile language plpgsql set search_path from current
as $$
declare
    after_id constant bigint := coalesce(nullif(after, ''), '0');
    page bigint[];
    past bigint[];
    events uuid[];
begin
    select array_agg(p.id order by p.id) into page from (
        select m.id, m.created_at from workflow_messages m where m.id + 0 > after_id order by m.id + 0 limit at_most
    ) p where p.created_at < horizon;
    select array_agg(m.id) into past from workflow_messages m
    where m.id + 0 = any (page) and not exists (
        select from workflow_executions e
        where e.session_id = m.session_id and case when e.status in ('running', 'waiting', 'paused') then e.plan_hash is not null else false end
            and (m.execution_id is null or e.id = m.execution_id)
    );
    select array_agg(v.id) into events from (
        select x.id from workflow_events x
        where x.stage = 'early' and not x.processed and x.published_at < horizon and x.bot_id is not null
            and (select e.id from workflow_executions e where e.id = x.workflow_id and e.plan_hash is null) is null
        limit case when really then at_most end
    ) v;
    if really then
        delete from workflow_messages m where m.id + 0 = any (past);
        delete from workflow_events v where v.id = any (events) and v.stage = 'early' and not v.processed;
    elsif after <> '' then
        events := '{}';  -- counted once
    end if;
    return row(jsonb_build_object('workflow_messages', coalesce(cardinality(past), 0), 'workflow_events', coalesce(cardinality(events), 0)),
        case when cardinality(page) = at_most then page[at_most]::text
            when really and cardinality(events) = at_most then coalesce(page[cardinality(page)], after_id)::text end)::workflow_pruned;
end
$$;

-- Events that were heard. Those that the bot server wrote for its own executions, or without saying whose they are, are its own.
create function workflow_prune_events(horizon timestamptz, after text, at_most integer, really boolean) returns workflow_pruned
    volatile language plpgsql set search_path from current
as $$
declare
    after_at constant timestamptz := coalesce(nullif(split_part(after, ' ', 1), ''), '-infinity');
    after_id constant uuid := coalesce(nullif(split_part(after, ' ', 2), ''), '00000000-0000-0000-0000-000000000000');
    page uuid[];
    past uuid[];
    next text;
begin
    select array_agg(p.id), case when count(*) = at_most
            then (array_agg(to_char(p.published_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || ' ' || p.id
                order by p.published_at desc, p.id desc))[1] end
        into page, next
    from (
        select v.id, v.published_at from workflow_events v
        where v.stage = 'told' and v.processed and v.published_at < horizon and (v.published_at, v.id) > (after_at, after_id)
        order by v.published_at, v.id limit at_most
    ) p;
    select array_agg(v.id) into past from workflow_events v left join workflow_executions e on e.id = v.workflow_id
    where v.id = any (page) and v.bot_id is not null and (v.workflow_id is null or e.plan_hash is not null)
        and not exists (select from workflow_signals s where s.kind = 'event' and s.message = v.id::text);
    if really then
        delete from workflow_events v where v.id = any (past);
    end if;
    return row(jsonb_build_object('workflow_events', coalesce(cardinality(past), 0)), next)::workflow_pruned;
end
$$;

create function workflow_prune_message_ids(horizon timestamptz, at_most integer, really boolean) returns workflow_pruned
    volatile language plpgsql set search_path from current
as $$
declare
    gone bigint;
begin
    if not really then
        select count(*) into gone from workflow_message_ids i where i.created_at < horizon;
        return row(jsonb_build_object('workflow_message_ids', gone), null)::workflow_pruned;
    end if;
    delete from workflow_message_ids i where i.ctid = any (array(
        select x.ctid from workflow_message_ids x where x.created_at < horizon order by x.created_at limit at_most for update skip locked
    ));
    get diagnostics gone = row_count;
    return row(jsonb_build_object('workflow_message_ids', gone), case when gone = at_most then 'more' end)::workflow_pruned;
end
$$;

-- Plans that no execution, script, source or schedule refers to, and what came of sources, but for the last of each path. A
-- plan stays for a day after its script got another, for starts that had read its name already.
create function workflow_prune_plans(horizon timestamptz, after text, at_most integer, really boolean) returns workflow_pruned
    volatile language plpgsql set search_path from current
as $$
declare
    page text[];
    past text[];
    old_sources bigint[];
begin
    old_sources := array(
        select s.id from workflow_sources s
        where s.status <> 'pending' and s.done_at < horizon
            and exists (select from workflow_sources n where n.bot_id = s.bot_id and n.path = s.path and n.id > s.id and n.status <> 'pending')
        order by s.id limit case when really then at_most end
    );
    if really then
        delete from workflow_sources s where s.id = any (old_sources);
    elsif after <> '' then
        old_sources := '{}';  -- counted once
    end if;
    page := array(select p.hash from workflow_plans p where p.hash > coalesce(after, '') order by p.hash limit at_most);
    past := array(
        select p.hash from workflow_plans p
        where p.hash = any (page) and p.created_at < horizon
            and not exists (select from workflow_scripts s where s.plan_hash = p.hash)
            and not exists (select from workflow_scripts s where s.script = p.script and s.deployed_at > workflow_now() - interval '1 day')
            and not exists (select from workflow_sources s where s.plan_hash = p.hash and s.id <> all (old_sources))
            and not exists (select from workflow_schedules s where s.plan_hash = p.hash)
            and (select e.id from workflow_executions e where e.plan_hash = p.hash limit 1) is null  -- one look in the index a plan
        order by p.hash for update of p skip locked
    );
    if really then
        delete from workflow_plans p where p.hash = any (past);
    end if;
    return row(jsonb_build_object('workflow_plans', cardinality(past), 'workflow_sources', cardinality(old_sources)),
        case when cardinality(page) = at_most then page[at_most] when really and cardinality(old_sources) = at_most then coalesce(after, '') end)::workflow_pruned;
end
$$;

-- One portion of one kind, from where the last one says (empty: from the start). A moment that is null keeps what it is about.
create function workflow_prune(kind text, horizon timestamptz, ended timestamptz, live timestamptz, after text, at_most integer, really boolean)
    returns workflow_pruned
    volatile security definer language plpgsql set search_path from current set lock_timeout = '1s'
as $$
begin
    if horizon is null then
        return row('{}', null)::workflow_pruned;
    end if;
    return case kind
        when 'executions' then workflow_prune_executions(horizon, after, at_most, really)
        when 'history' then workflow_prune_month(horizon, ended, live, after, really)
        when 'history_default' then workflow_prune_default(ended, live, at_most, really)
        when 'replies' then workflow_prune_replies(horizon, ended, live, after, at_most, really)
        when 'unheard' then workflow_prune_unheard(horizon, after, at_most, really)
        when 'events' then workflow_prune_events(horizon, after, at_most, really)
        when 'message_ids' then workflow_prune_message_ids(horizon, at_most, really)
        when 'plans' then workflow_prune_plans(horizon, after, at_most, really)
    end;
end
$$;
comment on function workflow_prune(text, timestamptz, timestamptz, timestamptz, text, integer, boolean) is
    'Retention: deletes one portion of what docs/retention.md says of the kind, or only counts it. For the daemon and the owner.';

select workflow_make_history();

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
