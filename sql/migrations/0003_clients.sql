-- What a client may do: start a script, say something to it, take what it replied. Wrong input is an error with
-- a sentence, a hint and an SQLSTATE of class SW (docs/sql.md lists them), and leaves nothing behind.

create function workflow_setting(name text) returns text
    stable language sql set search_path from current
as $$ select s.value from workflow_settings s where s.key = name $$;

-- Null: the caller may deal with every bot. session_user, because functions for clients run as their owner.
create function workflow_bots_of_caller() returns uuid[]
    stable security definer language sql set search_path from current
as $$
    select array_agg(distinct r.bot_id)
    from workflow_bot_roles r
    join pg_roles named on named.rolname = r.role
    join pg_roles caller on caller.rolname = session_user
    where not caller.rolsuper and pg_has_role(caller.oid, named.oid, 'member')
$$;

create function workflow_check_bot(bot uuid) returns void
    stable language plpgsql set search_path from current
as $$
declare
    allowed constant uuid[] := workflow_bots_of_caller();
begin
    if allowed is not null and (bot is null or bot <> all (allowed)) then
        raise exception using errcode = 'SW013',
            message = format('The role %s may not deal with bot %s.', session_user, coalesce(bot::text, 'of every bot')),
            hint = 'The table workflow_bot_roles says which bots a role may deal with.';
    end if;
end
$$;

-- The execution of the session that hears: the one started last of those that have not ended.
create function workflow_hearer(session uuid) returns uuid
    stable language sql set search_path from current
as $$
    select e.id from workflow_executions e
    where e.session_id = session and case when e.status in ('running', 'waiting', 'paused') then e.plan_hash is not null else false end
    order by e.start_order desc limit 1
$$;

create function workflow_read_json(document text) returns jsonb
    immutable strict language plpgsql set search_path from current
as $$
begin
    return document::jsonb;
exception when others then
    return null;
end
$$;
comment on function workflow_read_json(text) is 'The text as JSON, or null where it is none: a view must not fail for one broken row.';

-- The open question of the session with that id, and so who must hear its answer.
create function workflow_asker(session uuid, prompt text) returns uuid
    stable language sql set search_path from current
as $$
    select e.id from workflow_executions e
    where e.session_id = session and case when e.status in ('running', 'waiting', 'paused') then e.plan_hash is not null else false end
        and e.wait_kind = 'message' and workflow_read_json(e.state_json) -> 'wait' ->> 'prompt_id' = prompt
    order by e.start_order desc limit 1
$$;

create function workflow_check_attachments(attachments jsonb) returns void
    immutable language plpgsql set search_path from current
as $$
begin
    if attachments is null or jsonb_typeof(attachments) = 'null' then
        return;
    end if;
    if jsonb_typeof(attachments) <> 'array' then
        raise exception using errcode = 'SW003',
            message = format('attachments must be a JSON array of objects, not a JSON %s.', jsonb_typeof(attachments)),
            hint = 'For example: [{"url": "https://example.com/a.png", "kind": "image"}].';
    end if;
    if exists (
        select from jsonb_array_elements(attachments) a
        where jsonb_typeof(a) <> 'object' or jsonb_typeof(a -> 'url') is distinct from 'string' or a ->> 'url' = ''
    ) then
        raise exception using errcode = 'SW003',
            message = 'Every attachment must be an object with a url that is text.',
            hint = 'For example: [{"url": "https://example.com/a.png", "kind": "image"}].';
    end if;
    if jsonb_path_exists(attachments, '$.**{65}') then
        raise exception using errcode = 'SW003', message = 'The attachments are nested more than 64 levels deep.',
            hint = 'An attachment has a url, and may have a kind, a name and a mime_type, all of them text.';
    end if;
end
$$;

create function workflow_messages_check() returns trigger
    security definer language plpgsql set search_path from current
as $$
declare
    limit_characters integer;
    hearer record;
begin
    new.created_at := coalesce(new.created_at, workflow_now());
    new.partition := workflow_partition(new.session_id);
    -- Every message of every user comes through here, and each query, and each function with a search_path of its own,
    -- costs a message more than writing its row. So the usual one, a short text and nothing else, passes with a single
    -- one, which tells its lane. A table without a page never had a row: no role is held to a bot.
    if new.session_id is null or new.content is null or length(new.content) > 1000 or new.attachments is not null
        or new.external_id is not null or new.execution_id is not null or new.prompt_id is not null
        or pg_relation_size('workflow_bot_roles') > 0
    then
        if new.session_id is null then
            raise exception using errcode = 'SW004', message = 'A message needs a session_id.',
                hint = 'It is the session whose script hears the message.';
        end if;
        if new.attachments is not null then
            perform workflow_check_attachments(new.attachments);
            new.attachments := nullif(nullif(new.attachments, 'null'), '[]');
        end if;
        if new.content is null and new.attachments is null then
            raise exception using errcode = 'SW002', message = 'A message needs content or attachments.',
                hint = 'An empty text is content; null is not.';
        end if;
        new.content := coalesce(new.content, '');
        select s.value into limit_characters from workflow_settings s where s.key = 'message_characters_max';
        if length(new.content) > limit_characters then
            raise exception using errcode = 'SW001',
                message = format('The message has %s characters; at most %s are accepted.', length(new.content), limit_characters),
                hint = 'Shorten it, send it as an attachment, or raise message_characters_max in workflow_settings.';
        end if;

        if new.external_id is not null and exists (
            select from workflow_message_ids i where i.session_id = new.session_id and i.external_id = new.external_id
        ) then
            return null;
        end if;
        if new.prompt_id is not null and new.execution_id is null then
            new.execution_id := workflow_asker(new.session_id, new.prompt_id);
            if new.execution_id is null then
                raise exception using errcode = 'SW012',
                    message = format('The question %L is not open in this session.', new.prompt_id),
                    hint = 'Open questions are in the view workflow_waiting. Leave prompt_id out to answer whoever asks.';
            end if;
        end if;
        if new.execution_id is null then
            select e.id, e.session_id, e.status, e.bot_id, e.script_path into hearer from workflow_executions e
            where e.session_id = new.session_id and case when e.status in ('running', 'waiting', 'paused') then e.plan_hash is not null else false end
            order by e.start_order desc limit 1;
        else
            select e.id, e.session_id, e.status, e.bot_id, e.script_path into hearer from workflow_executions e where e.id = new.execution_id;
        end if;
        if new.execution_id is not null and (
            hearer.id is null or hearer.session_id is distinct from new.session_id
            or hearer.status not in ('running', 'waiting', 'paused')
        ) then
            raise exception using errcode = 'SW011',
                message = format('Execution %s cannot hear this message: it has ended or is not of session %s.', new.execution_id, new.session_id),
                hint = 'Leave execution_id out to address whatever the session runs now.';
        end if;
        new.bot_id := coalesce(new.bot_id, hearer.bot_id);
        if exists (select from workflow_bot_roles) then
            if new.bot_id is null and cardinality(workflow_bots_of_caller()) = 1 then
                new.bot_id := (workflow_bots_of_caller())[1];
            end if;
            perform workflow_check_bot(new.bot_id);
            if hearer.id is not null then
                perform workflow_check_bot(hearer.bot_id);
            end if;
        end if;

        if new.external_id is not null then
            insert into workflow_message_ids (session_id, external_id, execution_id, created_at)
            values (new.session_id, new.external_id, hearer.id, new.created_at)
            on conflict do nothing;
            if not found then
                return null;
            end if;
        end if;
    else
        select e.id, e.bot_id, e.script_path into hearer from workflow_executions e
        where e.session_id = new.session_id and case when e.status in ('running', 'waiting', 'paused') then e.plan_hash is not null else false end
        order by e.start_order desc limit 1;
        new.bot_id := coalesce(new.bot_id, hearer.bot_id);
    end if;
    new.lane := case when hearer.id is null then 0 else workflow_lane(hearer.bot_id, hearer.script_path) end;

    -- workflow_wake, written out: a trigger of its own for each statement costs every message more than all this.
    -- PostgreSQL sends equal notifications of one transaction once, and taking a lock again costs nothing.
    if not pg_try_advisory_xact_lock_shared(hashtext('stepwell ' || current_schema()), new.partition) then
        perform pg_notify(case current_schema() when 'public' then 'workflow_wake' else workflow_channel('wake') end, new.partition::text);
    end if;
    return new;
end
$$;

create trigger workflow_messages_check before insert on workflow_messages
    for each row execute function workflow_messages_check();

create function workflow_send(
    session_id uuid, content text, attachments jsonb default null, external_id text default null,
    execution_id uuid default null, prompt_id text default null, bot_id uuid default null
) returns uuid
    volatile security definer language plpgsql set search_path from current
as $$
#variable_conflict use_column
declare
    hearer uuid;
begin
    if workflow_send.external_id is not null then
        select coalesce(i.execution_id, workflow_hearer(i.session_id)) into hearer from workflow_message_ids i
        where i.session_id = workflow_send.session_id and i.external_id = workflow_send.external_id;
        if found then
            return hearer;
        end if;
    end if;
    hearer := coalesce(workflow_send.execution_id, workflow_hearer(workflow_send.session_id));
    if hearer is null and workflow_send.session_id is not null and workflow_send.prompt_id is null then
        return null;
    end if;
    insert into workflow_messages (session_id, content, attachments, external_id, execution_id, prompt_id, bot_id)
    values (workflow_send.session_id, workflow_send.content, workflow_send.attachments, workflow_send.external_id,
        workflow_send.execution_id, workflow_send.prompt_id, workflow_send.bot_id)
    returning coalesce(workflow_messages.execution_id, hearer) into hearer;
    return hearer;
end
$$;
comment on function workflow_send(uuid, text, jsonb, text, uuid, text, uuid) is
    'The execution that will hear the message; null: nobody, and the message is not kept.';

-- Pairs of letters the two texts share, 0 to 1: enough to name what was probably meant.
create function workflow_likeness(one text, other text) returns double precision
    immutable strict parallel safe language sql set search_path from current
as $$
    with a as (select distinct substr(lower(one), i, 2) as pair from generate_series(1, greatest(length(one) - 1, 1)) i),
        b as (select distinct substr(lower(other), i, 2) as pair from generate_series(1, greatest(length(other) - 1, 1)) i)
    select 2.0 * (select count(*) from a join b using (pair)) / ((select count(*) from a) + (select count(*) from b))
$$;

create function workflow_plan_of(script text, bot uuid) returns workflow_plans
    stable language plpgsql set search_path from current
as $$
declare
    found_plan workflow_plans;
    near text;
    theirs text;
begin
    select p.* into found_plan
    from workflow_scripts s join workflow_plans p on p.hash = s.plan_hash
    where s.script = workflow_plan_of.script and s.bot_id in (bot, '00000000-0000-0000-0000-000000000000')
    order by s.bot_id = bot desc limit 1;
    if found then
        return found_plan;
    end if;
    select string_agg(candidate.script, ', ') into near from (
        select distinct s.script, workflow_likeness(s.script, workflow_plan_of.script) as likeness
        from workflow_scripts s
        where s.bot_id in (bot, '00000000-0000-0000-0000-000000000000')
        order by likeness desc, s.script limit 3
    ) candidate;
    select string_agg(owner.bot_id::text, ', ') into theirs from (
        select s.bot_id from workflow_scripts s
        where s.script = workflow_plan_of.script and (not exists (select from workflow_bot_roles) or s.bot_id = any (workflow_bots_of_caller()))
        order by 1 limit 3
    ) owner;
    raise exception using errcode = 'SW005',
        message = format('There is no script %L.', left(workflow_plan_of.script, 200)),
        hint = coalesce('It is there for another bot_id: ' || theirs || '.', 'Did you mean one of these? ' || near || '.', 'No script is deployed yet. The daemon deploys its scripts when it starts.');
end
$$;

-- The bot a start is for. Without a table of bots any uuid will do, and all zeros where none is given; with
-- one, it must be in it.
create function workflow_bot_of_start(bot uuid, session uuid) returns uuid
    stable language plpgsql set search_path from current
as $$
declare
    chosen uuid := bot;
    known boolean;
begin
    if chosen is null and cardinality(workflow_bots_of_caller()) = 1 then
        chosen := (workflow_bots_of_caller())[1];
    end if;
    if to_regclass(quote_ident(current_schema()) || '.bots') is null then
        return coalesce(chosen, '00000000-0000-0000-0000-000000000000');
    end if;
    if chosen is null and session is not null and to_regclass(quote_ident(current_schema()) || '.user_sessions') is not null then
        execute 'select s.bot_id from user_sessions s where s.id = $1' into chosen using session;
    end if;
    if chosen is null then
        raise exception using errcode = 'SW006', message = 'The start does not say for which bot it is.',
            hint = 'Give bot_id => the id of a row of bots, or a session_id that is in user_sessions.';
    end if;
    execute 'select exists (select from bots b where b.id = $1)' into known using chosen;
    if not known then
        raise exception using errcode = 'SW007', message = format('There is no bot %s.', chosen),
            hint = 'bot_id is the id of a row of the table bots.';
    end if;
    return chosen;
end
$$;

create function workflow_start(
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

-- Waits for another taker of the same session instead of skipping what it holds: order matters more.
create function workflow_take_replies(session_id uuid, "limit" integer default 100) returns setof workflow_replies
    volatile security definer language plpgsql set search_path from current
as $$
#variable_conflict use_column
declare
    allowed constant uuid[] := workflow_bots_of_caller();
begin
    if "limit" is null or workflow_take_replies."limit" < 1 then
        raise exception using errcode = 'SW014', message = 'The limit of workflow_take_replies must be at least 1.',
            hint = 'For example: select * from workflow_take_replies($1, 100).';
    end if;
    return query
    with picked as materialized (
        select r.execution_id, r.turn, r.position from workflow_replies r
        where r.session_id = workflow_take_replies.session_id and r.taken_at is null
            and (allowed is null or exists (select from workflow_executions e where e.id = r.execution_id and e.bot_id = any (allowed)))
        order by r.id limit workflow_take_replies."limit"
        for update of r
    ), taken as (
        update workflow_replies r set taken_at = workflow_now() from picked
        where r.execution_id = picked.execution_id and r.turn = picked.turn and r.position = picked.position
        returning r.*
    )
    select * from taken order by id;
end
$$;

-- The last word of a turn's commit: what it heard, it deleted. If someone else deleted a message at the same moment,
-- the whole commit fails as a lost race (40001) and is tried again.
create function workflow_check_heard(deleted bigint, expected bigint) returns boolean
    stable language plpgsql set search_path from current
as $$
begin
    if deleted <> expected then
        raise exception using errcode = '40001', message = 'A message of this turn was heard by another at the same moment.';
    end if;
    return true;
end
$$;
