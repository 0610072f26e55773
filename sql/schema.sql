-- The whole schema, readable top to bottom: what all migrations together make. A test holds the two equal; whoever
-- adds a migration changes this file too. It runs with search_path set to the schema and pg_temp, which every function
-- keeps as its own ("set search_path from current").
--
-- Lock order. Whoever locks rows of more than one of these does so in this order, and within one table by key:
--   1. workflow_partitions (only to claim, renew and release: a turn reads them without a lock)
--   2. the tables of tools, workflow_session_variables, workflow_bot_memories: a turn asks before it commits
--   3. workflow_executions
--   4. workflow_messages, then workflow_message_ids
--   5. workflow_replies, workflow_turns
--   6. workflow_signals, workflow_requests, workflow_event_waits
-- A turn's commit takes 3, 4, 5. An operator's action takes one row of 3. A client's insert takes 4 alone. Advisory locks:
-- the trigger on messages only ever tries them, so it never waits. What deadlocks all the same (40P01), because a client
-- does several things in one transaction, is the whole transaction's to try again.

create table workflow_migrations (
    number integer primary key,
    name text not null,
    checksum text not null,
    applied_at timestamptz not null default now()
);


-- ----------------------------------------------------------------------------------------------------
-- The tables. The first two belong to the bot server where it is there: they are adopted, that is,
-- created only if they are missing, given columns, and nothing else about them is changed.

create function workflow_now() returns timestamptz
    stable parallel safe language sql
    return now();
comment on function workflow_now() is
    'The only clock of this schema. Tests replace its body; nothing else here asks for the time.';

create function workflow_partition(key uuid) returns smallint
    immutable strict parallel safe language sql
    return get_byte(sha256(uuid_send(key)), 0)::smallint;
comment on function workflow_partition(uuid) is
    'The share, 0 to 255, that a session (or an execution without one) belongs to. It is stored, so it never changes.';

do $$
begin
    if to_regclass(quote_ident(current_schema()) || '.workflow_executions') is null then
        create table workflow_executions (
            id uuid primary key,
            bot_id uuid not null default '00000000-0000-0000-0000-000000000000',
            workflow_name text not null,
            current_step integer not null default 1,
            state_json text not null,
            status text not null default 'running',
            created_at timestamptz not null default now(),
            updated_at timestamptz not null default now()
        );
        create index idx_workflow_executions_status on workflow_executions (status);
        create index idx_workflow_executions_bot_id on workflow_executions (bot_id);
        if to_regclass(quote_ident(current_schema()) || '.bots') is not null then
            alter table workflow_executions alter column bot_id drop default;
            alter table workflow_executions add foreign key (bot_id) references bots (id);
        end if;
    end if;
    if to_regclass(quote_ident(current_schema()) || '.workflow_events') is null then
        create table workflow_events (
            id uuid primary key,
            workflow_id uuid references workflow_executions (id),
            event_name text not null,
            event_data_json text,
            processed boolean not null default false,
            created_at timestamptz not null default now()
        );
        create index idx_workflow_events_processed on workflow_events (processed);
        create index idx_workflow_events_event_name on workflow_events (event_name);
    end if;
end
$$;

create table workflow_settings (
    key text primary key,
    value text not null,
    about text not null
);
insert into workflow_settings (key, value, about) values
    ('message_characters_max', '100000', 'the longest message that is accepted, in characters'),
    ('params_characters_max', '1000000', 'the longest params of a start that are accepted, in characters of JSON'),
    ('request_attempts_max', '8', 'attempts of a request in all; the daemon writes its own configuration here'),
    ('request_backoff_seconds_first', '1', 'seconds before the second attempt; each further pause is twice as long'),
    ('request_backoff_seconds_max', '300', 'the longest pause between two attempts, in seconds'),
    ('request_result_characters_max', '5000000', 'the longest result of workflow_complete that is accepted, in characters of JSON'),
    ('approvals_url', '', 'the page where a person decides; the token is put at its end'),
    ('approvals_timeout_seconds', '0', 'how long an approval waits that says nothing else; 0: for ever'),
    ('approvals_mail', 'false', 'whether links to decide are sent by mail');

create table workflow_plans (
    hash text primary key,
    script text not null,
    mode text not null check (mode in ('workflow', 'direct')),
    plan_json text not null,
    sources jsonb not null,
    engine_version text not null,
    created_at timestamptz not null default workflow_now()
);
comment on table workflow_plans is
    'Compiled scripts, immutable, named by the hash of their sources. Executions pin theirs.';

create table workflow_scripts (
    bot_id uuid not null default '00000000-0000-0000-0000-000000000000',
    script text not null,
    plan_hash text not null references workflow_plans (hash),
    deployed_at timestamptz not null default workflow_now(),
    tool jsonb,
    primary key (bot_id, script)
);
comment on column workflow_scripts.tool is
    'what the script declares by PARAM and DESCRIPTION: {"name", "description", "parameters": a JSON schema}; null: nothing';
comment on column workflow_scripts.bot_id is 'all zeros: the script of every bot that has none of its own by that name';

alter table workflow_executions
    add column if not exists session_id uuid,
    add column if not exists script_path text,
    add column if not exists plan_hash text references workflow_plans (hash),
    add column if not exists mode text,
    add column if not exists revision bigint not null default 0,
    add column if not exists turn integer not null default 0,
    add column if not exists wait_kind text,
    add column if not exists wake_at timestamptz,
    add column if not exists start_order bigint,
    add column if not exists start_key text,
    add column if not exists problem text,
    add column if not exists partition smallint,
    add column if not exists ended_at timestamptz,
    add column if not exists parent_id uuid,
    add column if not exists parent_number integer,
    add column if not exists result_json text;
comment on column workflow_executions.plan_hash is 'null: a row of the bot server''s own code, which nothing here touches';
comment on column workflow_executions.wake_at is 'when it has something to do by itself, a start as well as the deadline of a wait';
comment on column workflow_executions.problem is 'the error it failed with, or why it was parked or cancelled';

create sequence workflow_start_order;

-- A turn changes state_json, current_step, revision, turn and updated_at: none of them is in an index, so
-- the new version of the row stays on its page (HOT). Room for it is what the fillfactor leaves.
alter table workflow_executions set (
    fillfactor = 60, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05
);
create index workflow_executions_stack on workflow_executions (session_id, start_order desc)
    where plan_hash is not null and session_id is not null and status in ('running', 'waiting', 'paused');
-- Children are many of one script in one session: only what somebody started is one at a time.
create unique index workflow_executions_one_per_session on workflow_executions (session_id, script_path)
    where plan_hash is not null and session_id is not null and parent_id is null and status in ('running', 'waiting', 'paused');
create unique index workflow_executions_start_key on workflow_executions (bot_id, start_key)
    where start_key is not null;
create index workflow_executions_due on workflow_executions (wake_at)
    where plan_hash is not null and wake_at is not null and status in ('running', 'waiting');
create index workflow_executions_listed on workflow_executions (start_order desc)
    where plan_hash is not null;
create index workflow_executions_direct on workflow_executions (partition)
    where mode = 'direct' and status in ('running', 'waiting', 'paused');

create table workflow_messages (
    id bigint generated always as identity primary key,
    session_id uuid not null,
    content text not null,
    attachments jsonb,
    external_id text,
    execution_id uuid,
    prompt_id text,
    bot_id uuid,
    created_at timestamptz not null,
    partition smallint not null
) with (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000);
comment on table workflow_messages is
    'What users said and no HEAR has heard yet: the turn that hears a message deletes it, in its own commit.';
create index workflow_messages_partition on workflow_messages (partition, id);
create index workflow_messages_session on workflow_messages (session_id, id);

create table workflow_message_ids (
    session_id uuid not null,
    external_id text not null,
    execution_id uuid,
    created_at timestamptz not null,
    primary key (session_id, external_id)
);
comment on table workflow_message_ids is 'The channels'' own ids of messages, kept after the message is heard: a second delivery is a no-op.';

create table workflow_replies (
    id bigint generated always as identity primary key,
    session_id uuid,
    execution_id uuid not null,
    turn integer not null,
    position integer not null,
    content text not null,
    suggestions jsonb,
    recipient text,
    created_at timestamptz not null,
    taken_at timestamptz,
    unique (execution_id, turn, position)
) with (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.05);
create index workflow_replies_untaken on workflow_replies (session_id, id) where taken_at is null;

-- Append-only. When it needs partitioning by time, it becomes a partition of a new parent by `at`, whose key is then
-- (execution_id, turn, at); the view workflow_history is the public name and does not change.
create table workflow_turns (
    execution_id uuid not null,
    turn integer not null,
    revision bigint not null,
    epoch bigint not null,
    from_step integer not null,
    to_step integer not null,
    came_in jsonb not null,
    went_out jsonb not null,
    steps integer not null,
    duration_us bigint not null,
    at timestamptz not null,
    primary key (execution_id, turn)
) with (autovacuum_vacuum_insert_scale_factor = 0.05);

create table workflow_session_variables (
    session_id uuid not null,
    key text not null,
    value jsonb not null,
    updated_at timestamptz not null default workflow_now(),
    primary key (session_id, key)
) with (fillfactor = 80);

create table workflow_bot_memories (
    bot_id uuid not null,
    key text not null,
    value jsonb not null,
    updated_at timestamptz not null default workflow_now(),
    primary key (bot_id, key)
) with (fillfactor = 80);

create table workflow_partitions (
    number smallint primary key check (number between 0 and 255),
    owner text,
    epoch bigint not null default 0,
    lease_until timestamptz
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
insert into workflow_partitions (number) select generate_series(0, 255);
comment on column workflow_partitions.epoch is 'grows when the owner changes';

create table workflow_bot_roles (
    role name not null,
    bot_id uuid not null,
    primary key (role, bot_id)
);
comment on table workflow_bot_roles is
    'Roles that may deal with one bot (or a few) only. A role that is not here, and no member of one that is, may deal with all.';


-- ----------------------------------------------------------------------------------------------------
-- Who is told what: one channel wakes the daemon, one tells clients of replies. A notification is a hint;
-- the row is the truth.

create function workflow_channel(kind text) returns text
    stable language sql set search_path from current
as $$
    select case
        when current_schema() = 'public' then 'workflow_' || kind
        when octet_length(current_schema() || '.workflow_' || kind) <= 63 then current_schema() || '.workflow_' || kind
        else 's' || md5(current_schema()) || '.workflow_' || kind
    end
$$;
comment on function workflow_channel(text) is
    'The name of the channel, replies, requests or wake, of this installation: it carries the schema unless that is public.';

create function workflow_lock_class() returns integer
    stable language sql set search_path from current
as $$ select hashtext('stepwell ' || current_schema()) $$;

-- A NOTIFY makes its commit wait for every other notifying commit, so it is sent only to a daemon that sleeps.
-- The sleeper holds an advisory lock exclusively, one per 16 partitions. Here the same lock is tried, shared, to
-- the end of the transaction. Got it: nobody sleeps, and nobody can fall asleep before this transaction has ended;
-- the daemon looks once more between falling asleep and sleeping, and sees the row. Did not get it: notify.
-- The payload is the partition's number; with a + before it, it says that an execution is due (a start, an operator).
create function workflow_wake(partitions smallint[]) returns void
    volatile security definer language plpgsql set search_path from current
as $$
declare
    class constant integer := hashtext('stepwell ' || current_schema());  -- workflow_lock_class(), every insert counts
    asleep integer[];
    bed integer;
begin
    if cardinality(partitions) = 1 then
        if not pg_try_advisory_xact_lock_shared(class, partitions[1] / 16) then
            perform pg_notify(workflow_channel('wake'), '+' || partitions[1]);
        end if;
        return;
    end if;
    for bed in select distinct p / 16 from unnest(partitions) p order by 1 loop
        if not pg_try_advisory_xact_lock_shared(class, bed) then
            asleep := asleep || bed;
        end if;
    end loop;
    if asleep is not null then
        perform pg_notify(channel.name, '+' || woken.number)
        from (select distinct p as number from unnest(partitions) p) woken, (select workflow_channel('wake') as name) channel
        where woken.number / 16 = any (asleep);
    end if;
end
$$;

create function workflow_doze(sleeper text) returns boolean
    volatile language plpgsql set search_path from current
as $$
declare
    class constant integer := workflow_lock_class();
    bed integer;
    taken boolean := false;
begin
    for bed in select distinct p.number / 16 from workflow_partitions p where p.owner = sleeper order by 1 loop
        taken := pg_try_advisory_lock(class, bed);
        if not taken then
            perform pg_advisory_unlock_all();
            return false;
        end if;
    end loop;
    return taken;
end
$$;
comment on function workflow_doze(text) is
    'True: from now on a row for the partitions of this owner notifies. All or none. Undone by pg_advisory_unlock_all().';

create function workflow_replies_notify() returns trigger
    security definer language plpgsql set search_path from current
as $$
declare
    channel constant text := workflow_channel('replies');
begin
    perform pg_notify(channel, said.session_id::text)
    from (select distinct r.session_id from spoken r where r.session_id is not null) said;
    return null;
end
$$;

create trigger workflow_replies_notify after insert on workflow_replies
    referencing new table as spoken
    for each statement execute function workflow_replies_notify();


-- ----------------------------------------------------------------------------------------------------
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
    where e.session_id = session and e.plan_hash is not null and e.status in ('running', 'waiting', 'paused')
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
    where e.session_id = session and e.plan_hash is not null and e.status in ('running', 'waiting', 'paused')
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
end
$$;

create function workflow_messages_check() returns trigger
    security definer language plpgsql set search_path from current
as $$
declare
    limit_characters integer;
    hearer record;
begin
    -- Every message of every user comes through here, so what is rare is asked for only where it is needed, and
    -- what is not rare calls no function: each with a search_path of its own costs as much as a small query.
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
    new.created_at := coalesce(new.created_at, workflow_now());
    new.partition := workflow_partition(new.session_id);

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
        select e.id, e.session_id, e.status, e.bot_id into hearer from workflow_executions e
        where e.session_id = new.session_id and e.plan_hash is not null and e.status in ('running', 'waiting', 'paused')
        order by e.start_order desc limit 1;
    else
        select e.id, e.session_id, e.status, e.bot_id into hearer from workflow_executions e where e.id = new.execution_id;
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
    -- workflow_wake, written out: a trigger of its own for each statement costs every message more than all this.
    -- PostgreSQL sends equal notifications of one transaction once, and taking a lock again costs nothing.
    if not pg_try_advisory_xact_lock_shared(hashtext('stepwell ' || current_schema()), new.partition / 16) then
        perform pg_notify(workflow_channel('wake'), new.partition::text);
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
    raise exception using errcode = 'SW005',
        message = format('There is no script %L.', workflow_plan_of.script),
        hint = coalesce('Did you mean one of these? ' || near || '.', 'No script is deployed yet. The daemon deploys its scripts when it starts.');
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
            and e.plan_hash is not null and e.status in ('running', 'waiting', 'paused');
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
        select r.id from workflow_replies r
        where r.session_id = workflow_take_replies.session_id and r.taken_at is null
            and (allowed is null or exists (select from workflow_executions e where e.id = r.execution_id and e.bot_id = any (allowed)))
        order by r.id limit workflow_take_replies."limit"
        for update of r
    ), taken as (
        update workflow_replies r set taken_at = workflow_now() from picked where r.id = picked.id
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


-- ----------------------------------------------------------------------------------------------------
-- What an operator may do to an execution. Every action is defined in every state, does its work once, and says
-- what it did. What changes an execution raises its revision, which makes the commit of a turn in flight come
-- to nothing, and wakes the daemon.
--
--            running, waiting    paused               completed, cancelled    failed            lost
--  cancel    cancelled           cancelled            no change               no change         no change
--  pause     paused (1)          no change            no change               no change         no change
--  resume    no change           running or waiting   no change               no change         no change
--  retry     no change           as resume if parked  no change               running (1)       no change
--  (1) direct mode: no change, for its state is in no row.

create type workflow_outcome as (changed boolean, status text, sentence text);
comment on type workflow_outcome is 'What an action did: whether anything changed, the status now, and a sentence about it.';

create function workflow_lock_execution(id uuid) returns workflow_executions
    volatile language plpgsql set search_path from current
as $$
#variable_conflict use_column
declare
    found_row workflow_executions;
begin
    select e.* into found_row from workflow_executions e where e.id = workflow_lock_execution.id for no key update;
    if not found then
        raise exception using errcode = 'SW009', message = format('There is no execution %s.', coalesce(workflow_lock_execution.id::text, 'without an id')),
            hint = 'The ids are in workflow_executions.';
    end if;
    perform workflow_check_bot(found_row.bot_id);
    if found_row.plan_hash is null then
        raise exception using errcode = 'SW010', message = format('Execution %s has no plan: it was written by other code, which alone may change it.', found_row.id),
            hint = 'Only executions that workflow_start began can be cancelled, paused, resumed or retried here.';
    end if;
    return found_row;
end
$$;

create function workflow_cancel(id uuid, why text default null) returns workflow_outcome
    volatile security definer language plpgsql set search_path from current
as $$
#variable_conflict use_column
declare
    e workflow_executions := workflow_lock_execution(workflow_cancel.id);
begin
    if e.status not in ('running', 'waiting', 'paused') then
        return row(false, e.status, format('Execution %s is %s already.', e.id, e.status))::workflow_outcome;
    end if;
    update workflow_executions x set status = 'cancelled', wait_kind = null, wake_at = null, problem = workflow_cancel.why,
        revision = x.revision + 1, updated_at = workflow_now(), ended_at = workflow_now()
    where x.id = e.id;
    perform workflow_wake(array[e.partition]);
    return row(true, 'cancelled', format('Execution %s is cancelled; it was %s at step %s.', e.id, e.status, e.current_step))::workflow_outcome;
end
$$;

create function workflow_pause(id uuid) returns workflow_outcome
    volatile security definer language plpgsql set search_path from current
as $$
#variable_conflict use_column
declare
    e workflow_executions := workflow_lock_execution(workflow_pause.id);
begin
    if e.status not in ('running', 'waiting') then
        return row(false, e.status, format('Execution %s is %s; there is nothing to pause.', e.id, e.status))::workflow_outcome;
    end if;
    if e.mode = 'direct' then
        return row(false, e.status, format('Execution %s runs in direct mode, which cannot be paused: its state is in no row. It can be cancelled.', e.id))::workflow_outcome;
    end if;
    update workflow_executions x set status = 'paused', problem = null, revision = x.revision + 1, updated_at = workflow_now()
    where x.id = e.id;
    perform workflow_wake(array[e.partition]);
    return row(true, 'paused', format('Execution %s is paused at step %s; its messages wait and its deadline runs on.', e.id, e.current_step))::workflow_outcome;
end
$$;

create function workflow_go_on(e workflow_executions) returns workflow_outcome
    volatile language plpgsql set search_path from current
as $$
declare
    then_status constant text := case when e.wait_kind is null then 'running' else 'waiting' end;
begin
    update workflow_executions x set status = then_status, problem = null,
        wake_at = case when x.wait_kind is null then workflow_now() else x.wake_at end,
        revision = x.revision + 1, updated_at = workflow_now()
    where x.id = e.id;
    perform workflow_wake(array[e.partition]);
    return row(true, then_status, format('Execution %s goes on at step %s; it is %s.', e.id, e.current_step, then_status))::workflow_outcome;
end
$$;

create function workflow_resume(id uuid) returns workflow_outcome
    volatile security definer language plpgsql set search_path from current
as $$
declare
    e workflow_executions := workflow_lock_execution(workflow_resume.id);
begin
    if e.status = 'paused' then
        return workflow_go_on(e);
    end if;
    if e.status = 'failed' then
        return row(false, e.status, format('Execution %s has failed; resume is for what is paused. Retry it instead.', e.id))::workflow_outcome;
    end if;
    return row(false, e.status, format('Execution %s is %s; there is nothing to resume.', e.id, e.status))::workflow_outcome;
end
$$;

create function workflow_retry(id uuid) returns workflow_outcome
    volatile security definer language plpgsql set search_path from current
as $$
#variable_conflict use_column
declare
    e workflow_executions := workflow_lock_execution(workflow_retry.id);
    rival uuid;
begin
    if e.status = 'paused' and e.problem is not null then
        return workflow_go_on(e);
    end if;
    if e.status = 'paused' then
        return row(false, e.status, format('Execution %s is paused, not failed. Resume it instead.', e.id))::workflow_outcome;
    end if;
    if e.status <> 'failed' then
        return row(false, e.status, format('Execution %s is %s; only what has failed can be retried.', e.id, e.status))::workflow_outcome;
    end if;
    if e.mode = 'direct' then
        return row(false, e.status, format('Execution %s ran in direct mode, which cannot be retried: its state is in no row. Start it again.', e.id))::workflow_outcome;
    end if;
    begin
        update workflow_executions x set status = 'running', wait_kind = null, wake_at = workflow_now(), problem = null,
            revision = x.revision + 1, updated_at = workflow_now(), ended_at = null
        where x.id = e.id;
    exception when unique_violation then
        select x.id into rival from workflow_executions x
        where x.session_id = e.session_id and x.script_path = e.script_path and x.plan_hash is not null
            and x.status in ('running', 'waiting', 'paused');
        return row(false, e.status, format('Execution %s stays failed: its session runs %s again as execution %s.', e.id, e.script_path, rival))::workflow_outcome;
    end;
    perform workflow_wake(array[e.partition]);
    return row(true, 'running', format('Execution %s tries step %s again.', e.id, e.current_step))::workflow_outcome;
end
$$;


-- ----------------------------------------------------------------------------------------------------
-- What a script asks of the database inside its turn: tools, variables of the session, the memory of the bot.

create function workflow_find_tool(name text, given integer) returns oid
    stable language plpgsql set search_path from current
as $$
declare
    wanted_schema constant text := case when strpos(name, '.') > 0 then split_part(name, '.', 1) end;
    wanted constant text := case when strpos(name, '.') > 0 then substr(name, strpos(name, '.') + 1) else name end;
    near text;
    fitting oid[];
    takes text;
begin
    -- Unqualified: the schema of this installation first, then public.
    select array_agg(f.oid) filter (where given between f.pronargs - f.pronargdefaults and f.pronargs),
        string_agg(distinct case f.pronargdefaults when 0 then f.pronargs::text
            else format('%s to %s', f.pronargs - f.pronargdefaults, f.pronargs) end, ' or ')
        into fitting, takes
    from pg_proc f
    where f.proname = wanted and f.prokind = 'f' and f.provariadic = 0
        and f.pronamespace = (
            select n.oid from pg_namespace n join pg_proc g on g.pronamespace = n.oid and g.proname = wanted and g.prokind = 'f'
            where n.nspname in (wanted_schema, case when wanted_schema is null then current_schema() end,
                case when wanted_schema is null then 'public' end)
            order by n.nspname = current_schema() desc limit 1);
    if cardinality(fitting) = 1 then
        return fitting[1];
    elsif cardinality(fitting) > 1 then
        raise exception using errcode = 'SW021', message = format('The function %s is there more than once for %s argument(s).', name, given),
            hint = 'Give the variants names of their own.';
    elsif takes is not null then
        raise exception using errcode = 'SW021', message = format('The function %s does not take %s argument(s); it takes %s.', name, given, takes),
            hint = 'Arguments with a default may be left out from the end.';
    end if;
    select string_agg(c.name, ', ') into near from (
        select distinct f.proname::text as name, workflow_likeness(f.proname::text, wanted) as likeness
        from pg_proc f join pg_namespace n on n.oid = f.pronamespace
        where n.nspname in (coalesce(wanted_schema, current_schema()), 'public') and f.prokind = 'f'
            and f.proname not like 'workflow\_%' and workflow_likeness(f.proname::text, wanted) > 0.4
        order by likeness desc, name limit 3
    ) c;
    raise exception using errcode = 'SW020', message = format('There is no function %s in the database.', name),
        hint = coalesce('Did you mean one of these? ' || near || '.', 'Create it, or correct the tool''s entry in the configuration.');
end
$$;

-- The SQL of one argument: $1 is the JSON array of all.
create function workflow_argument(place integer, argument_type oid) returns text
    stable language sql set search_path from current
as $$
    select case
        when argument_type = 'jsonb'::regtype then format('($1 -> %s)', place)
        when argument_type = 'json'::regtype then format('($1 -> %s)::json', place)
        when t.typcategory = 'A' then format(
            'case when jsonb_typeof($1 -> %s) = ''array'' then array(select jsonb_array_elements_text($1 -> %s))::%s else ($1 ->> %s)::%s end',
            place, place, format_type(argument_type, null), place, format_type(argument_type, null))
        when t.typtype = 'c' then format('jsonb_populate_record(null::%s, nullif($1 -> %s, ''null''))', format_type(argument_type, null), place)
        else format('($1 ->> %s)::%s', place, format_type(argument_type, null))
    end
    from pg_type t where t.oid = argument_type
$$;

-- Says which argument does not fit its type; silent if all do.
create function workflow_check_arguments(function_name text, tool pg_proc, arguments jsonb) returns void
    volatile language plpgsql set search_path from current
as $$
begin
    for i in 0 .. jsonb_array_length(arguments) - 1 loop
        begin
            execute format('select %s', workflow_argument(i, tool.proargtypes[i])) using arguments;
        exception when others then
            raise exception using errcode = 'SW022',
                message = format('%s: argument %s%s must be %s, not %s.', function_name, i + 1,
                    coalesce(' (' || nullif(tool.proargnames[i + 1], '') || ')', ''), format_type(tool.proargtypes[i], null),
                    left((arguments -> i)::text, 200)),
                hint = 'The types are those of the PostgreSQL function.';
        end;
    end loop;
end
$$;

create function workflow_call(
    function_name text, arguments jsonb default '[]',
    session_id uuid default null, execution_id uuid default null, bot_id uuid default null
) returns jsonb
    volatile language plpgsql set search_path from current set plan_cache_mode = auto
as $$
declare
    tool pg_proc;
    call text;
    answer jsonb;
begin
    if jsonb_typeof(coalesce(arguments, 'null')) <> 'array' then
        raise exception using errcode = 'SW022', message = format('The arguments of %s must be a JSON array.', function_name),
            hint = 'For example: ["my printer is on fire", 3].';
    end if;
    select f.* into tool from pg_proc f where f.oid = workflow_find_tool(function_name, jsonb_array_length(arguments));
    select format('%s(%s)', tool.oid::regproc, coalesce(string_agg(workflow_argument(i, tool.proargtypes[i]), ', ' order by i), ''))
        into call from generate_series(0, jsonb_array_length(arguments) - 1) i;
    perform set_config('stepwell.session_id', coalesce(workflow_call.session_id::text, ''), true),
        set_config('stepwell.execution_id', coalesce(workflow_call.execution_id::text, ''), true),
        set_config('stepwell.bot_id', coalesce(workflow_call.bot_id::text, ''), true);
    -- Until this function ends: a tool finds the tables beside it, wherever it lives.
    perform set_config('search_path', format('%I, %I, public, pg_temp', tool.pronamespace::regnamespace::name, current_schema()), true);
    if tool.proretset then
        execute format('select coalesce(jsonb_agg(to_jsonb(answer)), ''[]'') from %s answer', call) into answer using arguments;
    elsif tool.prorettype = 'void'::regtype then
        execute format('select %s', call) using arguments;
    else
        execute format('select to_jsonb(%s)', call) into answer using arguments;
    end if;
    return coalesce(answer, 'null');
exception when data_exception or datatype_mismatch or cannot_coerce then
    perform workflow_check_arguments(function_name, tool, arguments);
    raise;
end
$$;
comment on function workflow_call(text, jsonb, uuid, uuid, uuid) is
    'Calls a function by name with JSON arguments. It may read stepwell.session_id, .execution_id and .bot_id by current_setting.';

create function workflow_session_variable(session_id uuid, key text) returns jsonb
    stable language plpgsql set search_path from current
as $$
#variable_conflict use_column
declare
    answer jsonb;
begin
    select v.value into answer from workflow_session_variables v
    where v.session_id = workflow_session_variable.session_id and v.key = workflow_session_variable.key;
    if found then
        return answer;
    end if;
    begin
        execute 'select s.context_data::jsonb -> $2 from user_sessions s where s.id = $1'
            into answer using workflow_session_variable.session_id, workflow_session_variable.key;
    exception when undefined_table or undefined_column or invalid_text_representation or insufficient_privilege then
        answer := null;
    end;
    return coalesce(answer, 'null');
end
$$;

create function workflow_set_session_variable(session_id uuid, key text, value jsonb) returns jsonb
    volatile language sql set search_path from current
as $$
    insert into workflow_session_variables as v (session_id, key, value) values (session_id, key, coalesce(value, 'null'))
    on conflict (session_id, key) do update set value = excluded.value, updated_at = excluded.updated_at
    returning v.value
$$;

create function workflow_bot_memory(bot_id uuid, key text) returns jsonb
    stable language plpgsql set search_path from current
as $$
#variable_conflict use_column
declare
    answer jsonb;
begin
    select m.value into answer from workflow_bot_memories m
    where m.bot_id = workflow_bot_memory.bot_id and m.key = workflow_bot_memory.key;
    if found then
        return answer;
    end if;
    begin
        execute 'select to_jsonb(m.value) from bot_memories m where m.bot_id = $1 and m.key = $2 limit 1'
            into answer using workflow_bot_memory.bot_id, workflow_bot_memory.key;
    exception when undefined_table or undefined_column or insufficient_privilege then
        answer := null;
    end;
    return coalesce(answer, 'null');
end
$$;

create function workflow_set_bot_memory(bot_id uuid, key text, value jsonb) returns jsonb
    volatile language sql set search_path from current
as $$
    insert into workflow_bot_memories as m (bot_id, key, value) values (bot_id, key, coalesce(value, 'null'))
    on conflict (bot_id, key) do update set value = excluded.value, updated_at = excluded.updated_at
    returning m.value
$$;

-- The server keeps them as text: what reads as a number or as true or false becomes one. A leading zero or more
-- than 15 digits is no number but a code.
create function workflow_bot_parameters(bot_id uuid) returns jsonb
    stable language plpgsql set search_path from current
as $$
declare
    answer jsonb;
begin
    execute $query$
        select jsonb_object_agg(lower(substr(c.config_key, 7)), case
            when c.config_value ~ '^-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,15})?$' then to_jsonb(c.config_value::numeric)
            when lower(c.config_value) in ('true', 'false') then to_jsonb(c.config_value::boolean)
            else to_jsonb(c.config_value) end)
        from bot_configuration c where c.bot_id = $1 and c.config_key like 'param-_%'
    $query$ into answer using workflow_bot_parameters.bot_id;
    return coalesce(answer, '{}');
exception when undefined_table or undefined_column or insufficient_privilege then
    return '{}';
end
$$;


-- ----------------------------------------------------------------------------------------------------
-- The world outside: what executions ask of it (requests), what comes back to them (signals), and their children.

comment on column workflow_executions.parent_id is 'the execution that started this one as its child, and is told of its end';
comment on column workflow_executions.result_json is 'what it returned, as JSON; null: nothing';
create index workflow_executions_children on workflow_executions (parent_id) where parent_id is not null;

-- A request is here from the commit of the turn that made it to the commit of the turn that heard its answer; the
-- history keeps what is worth keeping.
--   pending   due at not_before, for whoever performs its kind
--   taken     an attempt is under way: of the partition's owner (lease_until is null), or of another program, until lease_until
--   in_doubt  an attempt was cut short, and its policy says that the operator decides
--   done      answered; the answer is on its way as a signal
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
    error text,
    created_at timestamptz not null,
    ended_at timestamptz,
    lane text not null default '',
    cut_short integer not null default 0,
    unique (execution_id, number)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
comment on table workflow_requests is 'What scripts ask of the world outside. The id is the stable key of every attempt.';
comment on column workflow_requests.lane is 'what its limits count it under, such as a host; empty until somebody has looked, and where there is no limit';
comment on column workflow_requests.cut_short is 'how many of the attempts ended with whoever made them; they do not count against the attempts it may have';
comment on column workflow_requests.error is 'what the last attempt failed with';
create index workflow_requests_due on workflow_requests (kind, lane, not_before) where status = 'pending';
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
    where e.id = workflow_signal.execution and e.plan_hash is not null and e.status in ('running', 'waiting', 'paused')
    returning workflow_signals.partition into share;
    if found then
        perform workflow_wake(array[share]);
    end if;
end
$$;

-- What a turn wrote beside its replies: one object per turn, in the same transaction as its commit.
--   {"execution": id, "requests": [{number, kind, payload, policy, deadline}], "signals": [ids it has heard],
--    "consumed": [events it has heard], "unheard": [ids it has taken and nobody hears], "answered": [numbers of requests whose answers it has heard],
--    "given_up": [numbers nobody waits for], "waits": [[number, name] of events it begins to wait for],
--    "events": [numbers of events it waits for no more], "result": what it returned}
create function workflow_write_extras(extras jsonb) returns void
    volatile language plpgsql set search_path from current
as $$
declare
    back uuid[];
begin
    delete from workflow_signals s
    where s.id in (select i::bigint from jsonb_array_elements(extras) x, jsonb_array_elements_text(x -> 'signals') i);

    -- By their own ids: where the turn ended the execution, the signal is gone already.
    update workflow_events e set processed = true, stage = 'told'
    where e.id in (select i::uuid from jsonb_array_elements(extras) x, jsonb_array_elements_text(x -> 'consumed') i);

    delete from workflow_event_waits w
    using jsonb_array_elements(extras) x, jsonb_array_elements_text(x -> 'events') n
    where w.execution_id = (x ->> 'execution')::uuid and w.number = n::integer;

    with unheard as (
        delete from workflow_signals s
        where s.id in (select i::bigint from jsonb_array_elements(extras) x, jsonb_array_elements_text(x -> 'unheard') i)
            or s.kind = 'event' and (s.execution_id, s.number) in (
                select (x ->> 'execution')::uuid, n::integer
                from jsonb_array_elements(extras) x, jsonb_array_elements_text(x -> 'events') n)
        returning s.kind, s.message
    )
    select array_agg(u.message::uuid) into back from unheard u where u.kind = 'event';
    if back is not null then
        perform workflow_events_back(back);
    end if;

    delete from workflow_requests r using (
        select workflow_request_id((x ->> 'execution')::uuid, n::integer) as id
        from jsonb_array_elements(extras) x, jsonb_array_elements_text(x -> 'answered') n
    ) answered where r.id = answered.id;

    update workflow_requests r set status = 'cancelled', ended_at = workflow_now()
    from (
        select workflow_request_id((x ->> 'execution')::uuid, n::integer) as id
        from jsonb_array_elements(extras) x, jsonb_array_elements_text(x -> 'given_up') n
    ) given_up where r.id = given_up.id and r.status in ('pending', 'taken', 'in_doubt');

    update workflow_executions e set result_json = (x -> 'result')::text
    from jsonb_array_elements(extras) x where x ? 'result' and e.id = (x ->> 'execution')::uuid;

    insert into workflow_event_waits (execution_id, number, event_name, bot_id, since)
    select e.id, (w ->> 0)::integer, w ->> 1, e.bot_id, workflow_now()
    from jsonb_array_elements(extras) x
    cross join lateral jsonb_array_elements(x -> 'waits') w
    join workflow_executions e on e.id = (x ->> 'execution')::uuid;

    insert into workflow_requests (id, execution_id, number, bot_id, session_id, partition, kind, payload, policy,
        not_before, deadline, created_at)
    select workflow_request_id(e.id, (r ->> 'number')::integer), e.id, (r ->> 'number')::integer, e.bot_id, e.session_id,
        e.partition, r ->> 'kind', r -> 'payload', r ->> 'policy', workflow_now(), (r ->> 'deadline')::timestamptz, workflow_now()
    from jsonb_array_elements(extras) x
    cross join lateral jsonb_array_elements(x -> 'requests') r
    join workflow_executions e on e.id = (x ->> 'execution')::uuid;
end
$$;

-- However an execution ends: nobody waits any more for what it asked, its children end with it, and events that were on their
-- way to it come back.
create function workflow_execution_ended() returns trigger
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

-- ----------------------------------------------------------------------------------------------------
-- Scripts as tools: what a script takes is known where it is started.

-- Whether a value can be what a parameter's schema asks for; the script itself makes it fit exactly.
create function workflow_fits(schema jsonb, value jsonb) returns boolean
    immutable language sql set search_path from current
as $$
    select case
        when value is null or value = 'null' then true
        when schema -> 'enum' is not null and not exists (
            select from jsonb_array_elements_text(schema -> 'enum') c (choice) where lower(c.choice) = lower(value #>> '{}')) then false
        else case schema ->> 'type'
            when 'integer' then value #>> '{}' ~ '^\s*[-+]?\d+(\.0*)?\s*$'
            when 'number' then value #>> '{}' ~ '^\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*$'
            when 'array' then jsonb_typeof(value) = 'array'
            when 'object' then jsonb_typeof(value) = 'object'
            else true
        end
    end
$$;

-- Raises for params that a script cannot do with: one it needs is missing, or does not fit its type. The bot server's
-- param-* settings count as given.
create function workflow_check_params(script text, bot uuid, params jsonb) returns void
    stable language plpgsql set search_path from current
as $$
declare
    declared jsonb;
    given jsonb;
    wrong text;
    takes text;
begin
    select s.tool -> 'parameters' into declared from workflow_scripts s
    where s.script = workflow_check_params.script and s.bot_id in (bot, '00000000-0000-0000-0000-000000000000')
    order by s.bot_id = bot desc limit 1;
    if declared is null then
        return;
    end if;
    select coalesce(jsonb_object_agg(lower(p.key), p.value), '{}') into given from jsonb_each(coalesce(params, '{}')) p;
    select string_agg(p.key || coalesce(' (' || (p.value ->> 'type') || ')', ''), ', ' order by p.key) into takes
    from jsonb_each(declared -> 'properties') p;
    select name into wrong from jsonb_array_elements_text(declared -> 'required') name
    where coalesce(given -> name, 'null') = 'null' and coalesce(workflow_bot_parameters(bot) -> name, 'null') = 'null' limit 1;
    if wrong is not null then
        raise exception using errcode = 'SW015', message = format('The script %s needs the parameter %s.', script, wrong),
            hint = format('It takes %s. Make a PARAM that may be missing OPTIONAL, or give it a DEFAULT.', takes);
    end if;
    select p.key into wrong from jsonb_each(declared -> 'properties') p where not workflow_fits(p.value, given -> p.key) limit 1;
    if wrong is not null then
        raise exception using errcode = 'SW016',
            message = format('The parameter %s of %s does not fit: %s.', wrong, script, left((given -> wrong)::text, 200)),
            hint = format('It must be %s.', coalesce('one of ' || (declared -> 'properties' -> wrong ->> 'enum'), 'a value of the type '
                || (declared -> 'properties' -> wrong ->> 'type')));
    end if;
end
$$;


-- ----------------------------------------------------------------------------------------------------
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

-- Makes the declarations of a script exactly these: an array of {"kind", "name", "data"}. Returns whether that changed any.
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
    return gone + changed > 0;
end
$$;


-- ----------------------------------------------------------------------------------------------------
-- Requests are performed: by the daemon, for the kinds it knows, and by other programs, for keywords. A request is
-- answered once; whoever answers first wins, and every later answer is a no-op.

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
    volatile security definer language plpgsql set search_path from current
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
    from picked where r.id = picked.id
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
        where r.status = 'taken' and r.taken_by = taker and r.attempts = a.attempt
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
        from judged j where r.id = j.id
        returning r.id, r.status, r.execution_id, r.number, r.partition
    ), told as (
        insert into workflow_signals (execution_id, partition, kind, number, name, data, message, created_at)
        select e.id, e.partition, case m.status when 'done' then 'completed' else 'failed' end, m.number,
            case m.status when 'done' then '' else coalesce(j.kind, 'request') end,
            case m.status when 'done' then j.result end, case m.status when 'done' then '' else coalesce(j.error, '') end, workflow_now()
        from moved m join judged j on j.id = m.id join workflow_executions e on e.id = m.execution_id
        where m.status in ('done', 'failed') and e.plan_hash is not null and e.status in ('running', 'waiting', 'paused')
    )
    select m.id, m.status from moved m;
    -- The taker looks for itself; where another owns the partition by now, that one is woken.
    perform workflow_wake(array_agg(distinct r.partition))
    from jsonb_array_elements(answers) a
    join workflow_requests r on r.id = (a ->> 'id')::uuid and r.status in ('done', 'failed')
    join workflow_partitions p on p.number = r.partition and p.owner is distinct from taker
    having count(*) > 0;
end
$$;

-- Finds attempts that were cut short, in the partitions of this owner: its own that it does not hold, those of owners
-- before it, those of other programs whose lease has ended. `begun` are the ids of its own that may have had an effect.
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
    with cut as materialized (
        select r.id, r.lease_until is not null or r.taken_by <> taker or r.id = any (begun) as begun,
            coalesce(r.policy, case when r.lease_until is null then in_doubt else 'repeat' end) = 'park'
                or r.cut_short + 1 >= cut_short_max as parks
        from workflow_requests r
        where r.status = 'taken' and r.partition = any (array(select p.number from workflow_partitions p where p.owner = taker))
            and case when r.lease_until is null then r.taken_by <> taker or r.id <> all (held) else r.lease_until <= workflow_now() end
        order by r.id for no key update skip locked
    )
    update workflow_requests r
    set status = case when c.begun and c.parks then 'in_doubt' else 'pending' end, not_before = workflow_now(),
        attempts = r.attempts - (not c.begun)::integer, cut_short = r.cut_short + c.begun::integer,
        error = case when c.begun then 'The attempt was cut short, and nobody knows whether it had its effect.' else r.error end,
        taken_by = case when c.begun and c.parks then r.taken_by end, lease_until = null
    from cut c where r.id = c.id
    returning r.id, r.kind, r.status;
    select array_agg(distinct r.kind) into kinds from workflow_requests r
    where r.status = 'pending' and r.not_before = workflow_now() and r.cut_short > 0 and workflow_is_keyword(r.kind);
    if kinds is not null then
        perform workflow_tell_takers(kinds);
    end if;
end
$$;


-- ----------------------------------------------------------------------------------------------------
-- Events, children, approvals, and what starts scripts from outside.

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
            perform workflow_start_triggered(starter.script, case when starter.bot_id = every_bot then bot else starter.bot_id end,
                jsonb_build_object('event', wanted, 'event_data', data), null, starter.procedure,
                format('event %s %s#%s', event.id, starter.script, starter.procedure));
            started := true;
        end loop;
    end if;
    update workflow_events e set processed = started and not heard,
        stage = case when heard or started then 'told' else 'early' end
    where e.id = event.id;
    return heard or started;
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
        wanted := array(select distinct w.event_name from workflow_event_waits w);
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
        raise exception using errcode = 'SW030', message = format('%s needs a name of 1 to 200 characters.', what),
            hint = 'For example: select workflow_publish(''payment received'', ''{"amount": 10}'').';
    end if;
    return lower(btrim(name));
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
    other uuid;
begin
    begin
        execute 'select b.id from bots b where lower(b.name) = $1 order by b.id limit 1' into other using wanted;
    exception when undefined_table or undefined_column or insufficient_privilege then
        other := null;
    end;
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
    select coalesce(other, bot), s.script into found_bot, found_script
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
    if procedure = '' then
        select f.found_bot, f.found_script into bot, script from workflow_find_child(target, p.bot_id) f;
        if script is null then
            select string_agg(c.script, ', ') into near from (
                select distinct s.script, workflow_likeness(s.script, target) as likeness from workflow_scripts s
                where s.bot_id in (p.bot_id, '00000000-0000-0000-0000-000000000000') order by likeness desc, s.script limit 3
            ) c;
            raise exception using errcode = 'SW031', message = format('There is no bot and no script %L.', target),
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
    who text := nullif(btrim(workflow_approve.by), '');
    asked text[];
begin
    if workflow_approve.token ~ '^[0-9a-fA-F-]{36}\.[0-9a-f]{64}$' then
        request := split_part(workflow_approve.token, '.', 1)::uuid;
    end if;
    if request is null or sha256(convert_to(workflow_approve.token, 'UTF8')) <> sha256(convert_to(workflow_approval_token(request), 'UTF8')) then
        raise exception using errcode = 'SW032', message = 'This is no token of an approval.',
            hint = 'The tokens of open approvals are in the view workflow_approvals.';
    end if;
    approved := case when lower(btrim(decision)) in ('approve', 'approved', 'yes', 'true') then true
        when lower(btrim(decision)) in ('reject', 'rejected', 'no', 'false') then false end;
    if approved is null then
        raise exception using errcode = 'SW033', message = format('%L is no decision.', coalesce(decision, '')),
            hint = 'A decision is approve or reject.';
    end if;
    select x.* into r from workflow_requests x where x.id = request for no key update;
    if found then
        perform workflow_check_bot(r.bot_id);
    end if;
    if r.status = 'done' then
        return row(false, case when (r.result ->> 'approved')::boolean then 'approved' else 'rejected' end,
            format('It was %s already%s.', case when (r.result ->> 'approved')::boolean then 'approved' else 'rejected' end,
                coalesce(' by ' || (r.result ->> 'approver'), '')))::workflow_outcome;
    end if;
    if r.id is null or r.status <> 'pending' or r.deadline <= workflow_now() then
        return row(false, 'closed', 'Nobody waits for this decision: it was made, or its time is over.')::workflow_outcome;
    end if;
    asked := array(select p from jsonb_array_elements_text(r.payload -> 'people') p);
    if who is not null and cardinality(asked) > 0 and lower(who) <> all (select lower(a) from unnest(asked) a) then
        raise exception using errcode = 'SW034', message = format('%s is not asked for this decision.', who),
            hint = format('Asked is: %s.', array_to_string(asked, ', '));
    end if;
    if who is null and cardinality(asked) = 1 then
        who := asked[1];
    end if;
    update workflow_requests x set status = 'done', ended_at = workflow_now(),
        result = jsonb_build_object('approved', approved, 'approver', who, 'comment', nullif(btrim(workflow_approve.comment), ''))
    where x.id = r.id returning x.* into r;
    perform workflow_signal(r.execution_id, 'completed', r.number, '', r.result);
    return row(true, case when approved then 'approved' else 'rejected' end,
        format('It is %s%s.', case when approved then 'approved' else 'rejected' end, coalesce(' by ' || who, '')))::workflow_outcome;
end
$$;
comment on function workflow_approve(text, text, text, text) is
    'Decides an open approval: approve or reject, by one of those who are asked. Says what it did; twice does it once.';

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
        raise exception using errcode = 'SW035', message = format('No script is started by %L.', named),
            hint = coalesce('Scripts are started by: ' || near || '.', 'A script says so with WEBHOOK, ON FORM SUBMIT or TRIGGER.');
    end if;
end
$$;
comment on function workflow_trigger(text, jsonb, uuid, uuid, text) is
    'Starts the scripts that declare this webhook, form or trigger; the keys of data become their variables.';


-- ----------------------------------------------------------------------------------------------------
-- Memory of another bot.

create function workflow_bot_named(name text) returns uuid
    stable language plpgsql set search_path from current
as $$
declare
    answer uuid;
begin
    begin
        execute 'select b.id from bots b where lower(b.name) = lower(btrim($1)) order by b.id limit 1' into answer using name;
    exception when undefined_table or undefined_column or insufficient_privilege then
        answer := null;
    end;
    if answer is null then
        raise exception using errcode = 'SW036', message = format('There is no bot %L.', name),
            hint = 'The names of bots are in the table bots.';
    end if;
    return answer;
end
$$;

create function workflow_share_memory(bot uuid, key text, target text) returns jsonb
    volatile language sql set search_path from current
as $$ select workflow_set_bot_memory(workflow_bot_named(target), key, workflow_bot_memory(bot, key)) $$;

-- What this bot has not kept itself, or kept before the other one did, it takes over; answers how many there were.
create function workflow_sync_memory(bot uuid, source text) returns jsonb
    volatile language sql set search_path from current
as $$
    with copied as (
        insert into workflow_bot_memories as m (bot_id, key, value)
        select bot, o.key, o.value from workflow_bot_memories o where o.bot_id = workflow_bot_named(source) order by o.key
        on conflict (bot_id, key) do update set value = excluded.value, updated_at = excluded.updated_at
            where m.value <> excluded.value
        returning 1
    )
    select to_jsonb(count(*)) from copied
$$;


-- ----------------------------------------------------------------------------------------------------
-- What anyone may look at. Views run with the rights of who reads them, so the rules about bots hold here too.

create view workflow_waiting with (security_invoker = true) as
select e.id as execution_id, e.session_id, e.bot_id, e.script_path as script, e.current_step, e.wait_kind as kind,
    coalesce(t.at, e.updated_at) as since,
    coalesce((w.wait ->> 'deadline')::timestamptz, (w.wait ->> 'until')::timestamptz, e.wake_at) as deadline,
    w.wait ->> 'prompt_id' as prompt_id, w.wait ->> 'prompt' as prompt, w.wait ->> 'type' as type,
    w.wait -> 'choices' as choices, (w.wait ->> 'tries_left')::integer as tries_left,
    coalesce((w.wait ->> 'secret')::boolean, false) as secret,
    e.id = workflow_hearer(e.session_id) as hears
from workflow_executions e
left join workflow_turns t on t.execution_id = e.id and t.turn = e.turn
cross join lateral (select workflow_read_json(e.state_json) -> 'wait' as wait offset 0) w
where e.plan_hash is not null and e.status = 'waiting';
comment on view workflow_waiting is 'Who waits for what since when. hears: a message to the session goes to this one.';

create view workflow_history with (security_invoker = true) as
select t.execution_id, t.turn, e.session_id, e.bot_id, e.script_path as script, t.from_step, t.to_step, t.came_in, t.went_out,
    t.steps, t.duration_us, t.at
from workflow_turns t join workflow_executions e on e.id = t.execution_id;
comment on view workflow_history is 'Every turn: from step, to step, what came in, what went out, how long it took in microseconds.';

create view workflow_requests_open with (security_invoker = true) as
select r.id, r.kind, r.lane, r.status, r.execution_id, r.number, r.session_id, r.bot_id, e.script_path as script, e.current_step,
    r.attempts, r.cut_short, r.error, r.policy, r.created_at, workflow_now() - r.created_at as age, r.not_before, r.deadline,
    r.taken_by, r.lease_until
from workflow_requests r join workflow_executions e on e.id = r.execution_id
where r.status in ('pending', 'taken', 'in_doubt');
comment on view workflow_requests_open is
    'What scripts ask of the world and nobody has answered yet: pending, taken, or in_doubt (an operator decides), with the last error.';

create view workflow_transcript with (security_invoker = true) as
select e.session_id, e.bot_id, said.execution_id, said.turn, said.position, said.who, said.recipient, said.content, said.at
from (
    select t.execution_id, t.turn, 0 as position, 'user' as who, null::text as recipient,
        coalesce(t.came_in ->> 'shown', t.came_in ->> 'content') as content, t.at
    from workflow_turns t where t.came_in ->> 'kind' = 'message'
    union all
    select r.execution_id, r.turn, r.position, 'bot', r.recipient, r.content, r.created_at from workflow_replies r
) said join workflow_executions e on e.id = said.execution_id;
comment on view workflow_transcript is 'Who said what. In order: order by at, execution_id, turn, position. Position 0 is the user''s line.';

create view workflow_funnel with (security_invoker = true) as
with turns as (
    select t.execution_id, t.to_step, t.at, jsonb_typeof(t.went_out -> 'prompt') = 'object' as asks,
        coalesce((t.went_out ->> 'asked_again')::boolean, false) as again,
        lead(t.came_in ->> 'kind') over later as next_kind,
        lead(coalesce((t.went_out ->> 'asked_again')::boolean, false)) over later as next_again,
        lead(t.at) over later as next_at
    from workflow_turns t
    window later as (partition by t.execution_id order by t.turn)
)
select e.bot_id, e.script_path as script, e.plan_hash, t.to_step as step,
    count(*) filter (where not t.again) as reached,
    count(*) filter (where t.next_kind = 'message' and not t.next_again) as answered,
    count(*) filter (where t.again) as asked_again,
    count(*) filter (where t.next_kind = 'timeout' and not t.next_again
        or t.next_kind is null and e.status not in ('running', 'waiting', 'paused')) as dropped,
    percentile_cont(0.5) within group (order by extract(epoch from t.next_at - t.at))
        filter (where t.next_kind = 'message' and not t.next_again) as seconds_to_answer_p50
from turns t join workflow_executions e on e.id = t.execution_id
where t.asks
group by e.bot_id, e.script_path, e.plan_hash, t.to_step;
comment on view workflow_funnel is
    'Per version of a script and question: reached, answered, asked again, dropped (timed out, or ended unanswered), median seconds from the last asking to the answer.';

create view workflow_counts with (security_invoker = true) as
select e.status, e.mode, count(*) as executions from workflow_executions e where e.plan_hash is not null group by e.status, e.mode;
comment on view workflow_counts is 'Executions by status and mode.';


-- ----------------------------------------------------------------------------------------------------
-- No function of ours is for everyone: what each role may call is granted by `migrate --roles`.
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
