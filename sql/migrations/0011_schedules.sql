-- What scripts declare by standing there: deploying a script registers it, withdrawing the script takes it back.

create table workflow_declarations (
    bot_id uuid not null,
    script text not null,
    kind text not null,
    name text not null,
    data jsonb,
    declared_at timestamptz not null default workflow_now(),
    primary key (bot_id, script, kind, name),
    foreign key (bot_id, script) references workflow_scripts (bot_id, script) on delete cascade
);
create index workflow_declarations_named on workflow_declarations (kind, name);
comment on table workflow_declarations is
    'What deployed scripts declare: kind is schedule, webhook, form, tool. bot_id of zeros: for every bot.';

-- ----------------------------------------------------------------------------------------------------
-- Schedules: what is to be started when. The daemon reads the texts and counts the moments (it knows cron and the time
-- zones); this schema's clock alone says what is due. A schedule that is not planned has no next_at yet.

create table workflow_schedules (
    id bigint generated always as identity primary key,
    bot_id uuid not null,
    key text not null,
    script text not null,
    procedure text,
    step integer,
    plan_hash text references workflow_plans (hash),
    session_id uuid,
    what text not null,
    cron text,
    zone text,
    at timestamptz,
    once boolean not null default false,
    variables jsonb not null default '{}',
    missed text check (missed in ('skip', 'once', 'all')),
    origin text not null check (origin in ('deploy', 'execution', 'sql')),
    execution_id uuid,
    settled timestamptz not null,
    next_at timestamptz,
    planned boolean not null default false,
    paused boolean not null default false,
    problem text,
    last_slot timestamptz,
    last_execution_id uuid,
    fired bigint not null default 0,
    created_at timestamptz not null default workflow_now(),
    unique (bot_id, key)
) with (fillfactor = 80);
comment on column workflow_schedules.key is 'its content, so that asking for the same again changes nothing';
comment on column workflow_schedules.cron is 'cron text of 5 or 6 fields, or @every; null: one moment, or not read yet';
comment on column workflow_schedules.zone is 'null: the zone of the daemon''s configuration';
comment on column workflow_schedules.step is 'the block of that step is what runs, of the plan plan_hash, in the session it was written in';
comment on column workflow_schedules.missed is 'what happens to slots that nobody was there for; null: as configured';
comment on column workflow_schedules.settled is 'slots up to here have been started or passed over; they are never looked at again';
create index workflow_schedules_due on workflow_schedules (next_at) where not paused and next_at is not null;
create index workflow_schedules_unplanned on workflow_schedules (id) where not planned and not paused;
create index workflow_schedules_script on workflow_schedules (bot_id, script);

alter table workflow_executions add column if not exists schedule_id bigint;
comment on column workflow_executions.schedule_id is 'the schedule that started it';
-- A block that runs later is beside whatever its session runs.
drop index workflow_executions_one_per_session;
create unique index workflow_executions_one_per_session on workflow_executions (session_id, script_path)
    where plan_hash is not null and session_id is not null and parent_id is null and schedule_id is null and status in ('running', 'waiting', 'paused');

-- Schedules change rarely, so a change always notifies; every daemon then looks.
create function workflow_tell_schedulers() returns void
    volatile security definer language sql set search_path from current
as $$ select pg_notify(workflow_channel('wake'), 'schedules') $$;

create function workflow_lock_schedule(id bigint) returns workflow_schedules
    volatile language plpgsql set search_path from current
as $$
#variable_conflict use_column
declare
    found_row workflow_schedules;
begin
    select s.* into found_row from workflow_schedules s where s.id = workflow_lock_schedule.id for no key update;
    if not found then
        raise exception using errcode = 'SW050', message = format('There is no schedule %s.', workflow_lock_schedule.id),
            hint = 'The view workflow_timetable lists them.';
    end if;
    perform workflow_check_bot(found_row.bot_id);
    return found_row;
end
$$;

-- Starts what a schedule is about, for every bot it is for; each at most once under the key, for good.
create function workflow_start_scheduled(s workflow_schedules, start_key text) returns uuid
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
comment on function workflow_start_scheduled(workflow_schedules, text) is 'The execution started, the last of them; null: the key was used before.';

-- Two daemons, or a clock that stepped back, start one slot once: the key is the schedule''s and the slot''s.
create function workflow_slot_key(schedule bigint, slot timestamptz) returns text
    immutable strict parallel safe language sql
    return 'schedule:' || schedule || ':' || to_char(slot at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US');

-- Settles what is due. Each object: {"id", "expected": its next_at as it was read, "slots": those to start, "settled",
-- "next": null if none comes, "problem": what is wrong with it}. Whoever finds another next_at was overtaken and does nothing. Returns how many were settled.
create function workflow_fire_schedules(due jsonb) returns integer
    volatile language plpgsql set search_path from current
as $$
declare
    item jsonb;
    slot timestamptz;
    s workflow_schedules;
    started uuid;
    settled_count integer := 0;
begin
    for item in select d from jsonb_array_elements(due) d order by (d ->> 'id')::bigint loop
        update workflow_schedules w set settled = (item ->> 'settled')::timestamptz, next_at = (item ->> 'next')::timestamptz,
            problem = item ->> 'problem'
        where w.id = (item ->> 'id')::bigint and w.next_at = (item ->> 'expected')::timestamptz and not w.paused
        returning w.* into s;
        continue when not found;
        settled_count := settled_count + 1;
        begin
            for slot in select t::timestamptz from jsonb_array_elements_text(item -> 'slots') t loop
                started := workflow_start_scheduled(s, workflow_slot_key(s.id, slot));
                update workflow_schedules w set last_slot = slot, last_execution_id = coalesce(started, w.last_execution_id),
                    fired = w.fired + (started is not null)::integer
                where w.id = s.id;
            end loop;
        exception when others then
            -- One schedule that cannot be started must not keep the others; what concerns the whole transaction does.
            if left(sqlstate, 2) in ('08', '25', '40', '53', '55', '57', '58') then
                raise;
            end if;
            update workflow_schedules w set problem = sqlerrm where w.id = s.id;
        end;
    end loop;
    return settled_count;
end
$$;

-- What a script asks for in its turn: registers a schedule, once for its key. A moment that is past is not registered.
-- Returns the schedule's id, null where it is past.
create function workflow_set_schedule(execution uuid, bot uuid, key text, asked jsonb) returns bigint
    volatile language plpgsql set search_path from current
as $$
#variable_conflict use_column
declare
    e workflow_executions;
    made bigint;
    is_block constant boolean := asked ->> 'block' is not null;
    full_key constant text := case when is_block then 'execution:' || execution || ':' || workflow_set_schedule.key else 'asked:' || workflow_set_schedule.key end;
begin
    if (asked ->> 'at')::timestamptz < workflow_now() - interval '1 minute' then
        return null;
    end if;
    select x.* into e from workflow_executions x where x.id = execution;
    insert into workflow_schedules (bot_id, key, script, procedure, step, plan_hash, session_id, what, cron, zone, at, once,
        variables, origin, execution_id, settled)
    values (coalesce(bot, '00000000-0000-0000-0000-000000000000'), full_key, asked ->> 'script', asked ->> 'procedure', (asked ->> 'block')::integer,
        case when is_block then e.plan_hash end, case when is_block then e.session_id end,
        asked ->> 'what', asked ->> 'cron', asked ->> 'zone', (asked ->> 'at')::timestamptz,
        coalesce((asked ->> 'once')::boolean, asked ->> 'cron' is null),
        coalesce(asked -> 'variables', jsonb_build_object('$arguments', coalesce(asked -> 'arguments', '[]'))),
        'execution', execution, coalesce((asked ->> 'after')::timestamptz, workflow_now()))
    on conflict (bot_id, key) do nothing returning workflow_schedules.id into made;
    if made is not null then
        perform workflow_tell_schedulers();
    else
        select s.id into made from workflow_schedules s
        where s.bot_id = coalesce(bot, '00000000-0000-0000-0000-000000000000') and s.key = full_key;
    end if;
    return made;
end
$$;

-- Takes back what scripts asked for about a script; what deploying it registered stays. Returns how many that were.
create function workflow_clear_schedules(bot uuid, script text) returns bigint
    volatile language plpgsql set search_path from current
as $$
#variable_conflict use_column
declare
    gone bigint;
begin
    delete from workflow_schedules s
    where s.bot_id = coalesce(bot, '00000000-0000-0000-0000-000000000000') and s.script = workflow_clear_schedules.script
        and s.origin = 'execution';
    get diagnostics gone = row_count;
    return gone;
end
$$;

-- The same for other programs: when is read by the daemon, in words, as cron or as a date; what it cannot read is the
-- schedule's problem. Asking for the same again gives the same schedule.
create function workflow_schedule(
    script text, "when" text, bot_id uuid default null, params jsonb default '{}', zone text default null,
    missed text default null, session_id uuid default null
) returns bigint
    volatile security definer language plpgsql set search_path from current
as $$
#variable_conflict use_column
declare
    bot constant uuid := coalesce(workflow_schedule.bot_id, '00000000-0000-0000-0000-000000000000');
    made bigint;
    content_key constant text := 'sql:' || md5(jsonb_build_array(workflow_schedule.script, workflow_schedule."when", params,
        workflow_schedule.zone, workflow_schedule.session_id)::text);
begin
    perform workflow_check_bot(bot);
    if jsonb_typeof(coalesce(params, '{}')) <> 'object' then
        raise exception using errcode = 'SW008', message = format('params must be a JSON object, not a JSON %s.', jsonb_typeof(params)),
            hint = 'For example: {"vip": true}. Its keys become variables of the script.';
    end if;
    if workflow_schedule.missed not in ('skip', 'once', 'all') then
        raise exception using errcode = 'SW051', message = format('missed must be skip, once or all, not %s.', workflow_schedule.missed),
            hint = 'It says what happens to moments at which no daemon ran.';
    end if;
    if coalesce(btrim(workflow_schedule."when"), '') = '' then
        raise exception using errcode = 'SW052', message = 'A schedule needs to say when.',
            hint = 'For example "weekdays at 8am", "0 9 * * 1-5", "2030-12-24 09:00".';
    end if;
    perform workflow_plan_of(workflow_schedule.script, bot);
    insert into workflow_schedules (bot_id, key, script, what, zone, variables, missed, session_id, origin, settled)
    select bot, content_key, workflow_schedule.script, workflow_schedule."when", workflow_schedule.zone,
        coalesce((select jsonb_object_agg(lower(p.key), p.value) from jsonb_each(params) p), '{}'), workflow_schedule.missed,
        workflow_schedule.session_id, 'sql', workflow_now()
    on conflict (bot_id, key) do nothing returning workflow_schedules.id into made;
    if made is null then
        select s.id into made from workflow_schedules s where s.bot_id = bot and s.key = content_key;
    else
        perform workflow_tell_schedulers();
    end if;
    return made;
end
$$;
comment on function workflow_schedule(text, text, uuid, jsonb, text, text, uuid) is 'The id of the schedule.';

create function workflow_schedule_status(s workflow_schedules) returns text
    immutable parallel safe language sql
    return case when (s).paused then 'paused' when (s).planned and (s).next_at is null then case when (s).problem is null then 'done' else 'broken' end
        else 'active' end;

create function workflow_pause_schedule(id bigint) returns workflow_outcome
    volatile security definer language plpgsql set search_path from current
as $$
declare
    s workflow_schedules := workflow_lock_schedule(id);
    status constant text := workflow_schedule_status(s);
begin
    if status <> 'active' then
        return row(false, status, format('Schedule %s is %s; there is nothing to pause.', s.id, status))::workflow_outcome;
    end if;
    update workflow_schedules w set paused = true where w.id = s.id;
    return row(true, 'paused', format('Schedule %s is paused; what falls due meanwhile is not started later.', s.id))::workflow_outcome;
end
$$;

-- One moment that passed during the pause is started now; of a recurring time, the pause swallows what fell into it.
create function workflow_resume_schedule(id bigint) returns workflow_outcome
    volatile security definer language plpgsql set search_path from current
as $$
declare
    s workflow_schedules := workflow_lock_schedule(id);
begin
    if not s.paused then
        return row(false, workflow_schedule_status(s), format('Schedule %s is not paused.', s.id))::workflow_outcome;
    end if;
    update workflow_schedules w set paused = false, planned = w.cron is null and w.planned,
        next_at = case when w.cron is null then w.next_at end, settled = greatest(w.settled, workflow_now())
    where w.id = s.id;
    perform workflow_tell_schedulers();
    return row(true, 'active', format('Schedule %s goes on.', s.id))::workflow_outcome;
end
$$;

create function workflow_trigger_schedule(id bigint) returns workflow_outcome
    volatile security definer language plpgsql set search_path from current
as $$
declare
    s workflow_schedules := workflow_lock_schedule(id);
    started constant uuid := workflow_start_scheduled(s, null);
begin
    update workflow_schedules w set last_execution_id = started, fired = w.fired + 1 where w.id = s.id;
    return row(true, workflow_schedule_status(s), format('Schedule %s started %s as execution %s.', s.id, s.script, started))::workflow_outcome;
end
$$;

-- Starts the given slots of a schedule that have not been started yet. Returns how many that were.
create function workflow_backfill_schedule(id bigint, slots timestamptz[]) returns integer
    volatile security definer language plpgsql set search_path from current
as $$
declare
    s constant workflow_schedules := workflow_lock_schedule(id);
    slot timestamptz;
    started integer := 0;
begin
    foreach slot in array slots loop
        if workflow_start_scheduled(s, workflow_slot_key(s.id, slot)) is not null then
            started := started + 1;
        end if;
    end loop;
    update workflow_schedules w set fired = w.fired + started where w.id = s.id;
    return started;
end
$$;

create view workflow_timetable with (security_invoker = true) as
select s.id, s.bot_id, s.script, s.procedure, s.step, s.session_id, s.what, s.cron, s.zone, s.missed, s.origin,
    workflow_schedule_status(s) as status, s.next_at, s.last_slot, s.fired, s.last_execution_id, e.status as last_status, s.problem, s.created_at
from workflow_schedules s left join workflow_executions e on e.id = s.last_execution_id;
comment on view workflow_timetable is
    'Schedules: what is started when, when next, when last and what became of it. status: active, paused, done, broken (see problem).';

-- Makes the declarations of a script exactly these: an array of {"kind", "name", "data"}; its schedules follow them, and
-- those that stay go on as they are, paused ones too. Returns whether that changed any.
create function workflow_declare(bot uuid, script text, declared jsonb) returns boolean
    volatile language plpgsql set search_path from current
as $$
#variable_conflict use_column
declare
    gone bigint;
    changed bigint;
begin
    delete from workflow_declarations d
    where d.bot_id = bot and d.script = workflow_declare.script and not exists (
        select from jsonb_array_elements(declared) n where n ->> 'kind' = d.kind and n ->> 'name' = d.name);
    get diagnostics gone = row_count;
    insert into workflow_declarations as d (bot_id, script, kind, name, data)
    select bot, workflow_declare.script, n ->> 'kind', n ->> 'name', n -> 'data' from jsonb_array_elements(declared) n
    on conflict (bot_id, script, kind, name) do update set data = excluded.data, declared_at = excluded.declared_at
        where d.data is distinct from excluded.data;
    get diagnostics changed = row_count;
    delete from workflow_schedules s
    where s.bot_id = bot and s.script = workflow_declare.script and s.origin = 'deploy' and not exists (
        select from jsonb_array_elements(declared) n
        where n ->> 'kind' = 'schedule' and s.key = 'deploy:' || s.script || ':' || (n ->> 'name'));
    insert into workflow_schedules (bot_id, key, script, what, cron, zone, origin, settled)
    select bot, 'deploy:' || workflow_declare.script || ':' || (n ->> 'name'), workflow_declare.script, n -> 'data' ->> 'what',
        n -> 'data' ->> 'cron', n -> 'data' ->> 'zone', 'deploy', workflow_now()
    from jsonb_array_elements(declared) n where n ->> 'kind' = 'schedule'
    on conflict (bot_id, key) do nothing;
    if found then
        perform workflow_tell_schedulers();
    end if;
    return gone + changed > 0;
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
