-- The whole schema, readable top to bottom: what all migrations together make. A test holds the two equal; whoever
-- adds a migration changes this file too. It runs with search_path set to the schema and pg_temp, which every function
-- keeps as its own ("set search_path from current").
--
-- Lock order. Whoever locks rows of more than one of these does so in this order, and within one table by key:
--   1. workflow_daemons, then workflow_partitions (only to claim, prolong and give back: a turn reads them without a lock)
--   2. the tables of tools, workflow_session_variables, workflow_bot_memories, workflow_schedules: a turn asks before it commits
--   3. workflow_executions, then workflow_timers
--   4. workflow_messages, then workflow_message_ids
--   5. workflow_replies, workflow_turns
--   6. workflow_signals, workflow_requests, workflow_event_waits
--   7. workflow_events (retention, which takes 3 only where nobody holds it, goes to 7 before it deletes what it holds)
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

create function workflow_lane(bot uuid, script text) returns bigint
    immutable parallel safe language sql
    return (uuid_hash(coalesce(bot, '00000000-0000-0000-0000-000000000000')) & 2147483647)::bigint << 32
        | (hashtext(coalesce(script, ''))::bigint & 4294967295);
comment on function workflow_lane(uuid, text) is
    'The lane of a script of a bot: a number from 0 on, in its upper half the bot. What is many in one lane, or of one bot, does not delay the others.';

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
    about text not null,
    check (key <> 'message_characters_max' or value::integer >= 1000)  -- shorter ones are let through without looking
);
insert into workflow_settings (key, value, about) values
    ('message_characters_max', '100000', 'the longest message that is accepted, in characters; at least 1000'),
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
    origin text not null default 'folder' check (origin in ('folder', 'sql')),
    primary key (bot_id, script)
);
comment on column workflow_scripts.origin is 'folder: it came from a folder of scripts, and goes when it is no longer there; sql: from workflow_deploy';
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
    add column if not exists result_json text,
    add column if not exists schedule_id bigint;
comment on column workflow_executions.schedule_id is 'the schedule that started it';
comment on column workflow_executions.plan_hash is 'null: a row of the bot server''s own code, which nothing here touches';
comment on column workflow_executions.wake_at is 'when it has something to do by itself, a start as well as the deadline of a wait';
comment on column workflow_executions.problem is 'the error it failed with, or why it was parked or cancelled';

create sequence workflow_start_order;

-- A turn changes state_json, current_step, revision, turn, wake_at and updated_at: none of them is in an index, so
-- the new version of the row stays on its page (HOT). Room for it is what the fillfactor leaves: with 1 KB of variables, four
-- rows and a new version of one of them.
alter table workflow_executions set (
    fillfactor = 75, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05
);
-- No other index is for a CASE: who asks by it gets this one, also where the planner knows of hardly an execution, and would
-- as soon go through all that live by the index of their status.
create index workflow_executions_stack on workflow_executions (session_id, start_order desc)
    where case when status in ('running', 'waiting', 'paused') then plan_hash is not null else false end and session_id is not null;
-- Children, and blocks that run later, are many of one script in one session: only what somebody started is one at a time.
create unique index workflow_executions_one_per_session on workflow_executions (session_id, script_path)
    where plan_hash is not null and session_id is not null and parent_id is null and schedule_id is null and status in ('running', 'waiting', 'paused');
create unique index workflow_executions_start_key on workflow_executions (bot_id, start_key)
    where start_key is not null;
-- What begins, or goes on at once: lane by lane, so that the many of one lane do not delay the others. No column that a
-- turn of a waiting conversation changes is in it. No other index is for a CASE: who asks by it gets this one, also where the
-- planner has seen nobody begin.
create index workflow_executions_running on workflow_executions (workflow_lane(bot_id, script_path), created_at)
    where case when status = 'running' then plan_hash is not null else false end;
create index workflow_executions_listed on workflow_executions (start_order)
    where plan_hash is not null;
create index workflow_executions_direct on workflow_executions (partition)
    where mode = 'direct' and status in ('running', 'waiting', 'paused');

-- When those that wait have something to do by themselves. Apart from workflow_executions, whose wake_at is the truth but in
-- no index, so that a turn with another deadline updates its row in place. What holds: whoever waits with a wake_at has a row
-- here that is not later. A deadline that moves on leaves the row behind: when it comes due, the daemon moves it, many in one
-- statement, or deletes it. So a HEAR with a TIMEOUT in every turn writes nothing here. Only who has locked the execution,
-- or knows that it is gone, changes its row.
create table workflow_timers (
    execution_id uuid primary key,
    wake_at timestamptz not null,
    partition smallint not null
) with (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
comment on table workflow_timers is 'When waiting executions are to be looked at: never later than their wake_at.';
create index workflow_timers_due on workflow_timers (wake_at);

create function workflow_timer() returns trigger
    security definer language plpgsql set search_path from current
as $$
begin
    if new.status = 'waiting' and new.wake_at is not null then
        insert into workflow_timers (execution_id, wake_at, partition) values (new.id, new.wake_at, new.partition)
        on conflict (execution_id) do update set wake_at = excluded.wake_at;
    else
        delete from workflow_timers t where t.execution_id = new.id;
    end if;
    return null;
end
$$;
-- Asked for every turn, so in the order in which most are through soonest: no deadline before or after; a later one; one
-- that came sooner, or has come.
create trigger workflow_timer after update of status, wake_at on workflow_executions
    for each row when (
        (old.wake_at is not null or new.wake_at is not null) and new.plan_hash is not null and (
            new.status = 'waiting' and (old.status <> 'waiting' or old.wake_at is null or old.wake_at > new.wake_at) and new.wake_at is not null
            or old.status = 'waiting' and old.wake_at is distinct from new.wake_at and old.wake_at <= workflow_now()
        )
    )
    execute function workflow_timer();

create table workflow_messages (
    id bigint generated always as identity,
    session_id uuid not null,
    content text not null,
    attachments jsonb,
    external_id text,
    execution_id uuid,
    prompt_id text,
    bot_id uuid,
    created_at timestamptz not null,
    partition smallint not null,
    lane bigint not null default 0,
    primary key (session_id, id)
) with (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000);
comment on table workflow_messages is
    'What users said and no HEAR has heard yet: the turn that hears a message deletes it, in its own commit.';
comment on column workflow_messages.lane is 'workflow_lane of who heard the session when it came; 0: nobody did';
create index workflow_messages_lane on workflow_messages (lane, partition, session_id);
create index workflow_messages_partition on workflow_messages (partition);
-- A message is looked up by id + 0. In no other index is that a column, so nothing else can be taken for it: while the table
-- looks empty to the planner, it would as soon go through an index that has the id somewhere, from end to end.
create unique index workflow_messages_id on workflow_messages ((id + 0));

create table workflow_message_ids (
    session_id uuid not null,
    external_id text not null,
    execution_id uuid,
    created_at timestamptz not null,
    primary key (session_id, external_id)
);
comment on table workflow_message_ids is 'The channels'' own ids of messages, kept after the message is heard: a second delivery is a no-op.';

create table workflow_replies (
    id bigint generated always as identity,
    session_id uuid,
    execution_id uuid not null,
    turn integer not null,
    position integer not null,
    content text not null,
    suggestions jsonb,
    recipient text,
    created_at timestamptz not null,
    taken_at timestamptz,
    primary key (execution_id, turn, position)
) with (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.05);
create index workflow_replies_untaken on workflow_replies (session_id, id) where taken_at is null;

-- Append-only, a part for each month of `at` (workflow_make_history makes them): old history goes by dropping a table.
-- `at` is in the key because a partitioned table wants it there; an execution's turns are told apart by their numbers.
create table workflow_turns (
    execution_id uuid not null,
    turn integer not null,
    revision bigint not null,
    epoch bigint not null,
    from_step integer not null,
    to_step integer not null,
    came_in json not null,
    went_out json not null,
    steps integer not null,
    duration_us bigint not null,
    at timestamptz not null,
    primary key (execution_id, turn, at)
) partition by range (at);
create table workflow_turns_default partition of workflow_turns default with (autovacuum_vacuum_insert_scale_factor = 0.05);

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
    epoch bigint not null default 0
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
insert into workflow_partitions (number) select generate_series(0, 255);
comment on column workflow_partitions.owner is 'a daemon of workflow_daemons; one that is not there owns nothing any more';
comment on column workflow_partitions.epoch is 'grows when the owner changes';

create table workflow_daemons (
    owner text primary key,
    host text not null,
    pid integer not null,
    version text not null,
    started_at timestamptz not null,
    lease_until timestamptz not null,
    leaving boolean not null default false,
    executions integer not null default 0
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
comment on table workflow_daemons is
    'The daemons that live: each prolongs the lease of its row, and another deletes the row once that lease has ended.';
comment on column workflow_daemons.executions is 'that it holds in memory, when it said so last';

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

-- PL/pgSQL, because a function in SQL with a search_path of its own is planned anew at every call.
create function workflow_channel(kind text) returns text
    stable language plpgsql set search_path from current
as $$
begin
    return case
        when current_schema() = 'public' then 'workflow_' || kind
        when octet_length(current_schema() || '.workflow_' || kind) <= 63 then current_schema() || '.workflow_' || kind
        else 's' || md5(current_schema()) || '.workflow_' || kind
    end;
end
$$;
comment on function workflow_channel(text) is
    'The name of the channel, replies, requests or wake, of this installation: it carries the schema unless that is public.';

create function workflow_lock_class() returns integer
    stable language sql set search_path from current
as $$ select hashtext('stepwell ' || current_schema()) $$;

-- A NOTIFY makes its commit wait for every other notifying commit, so it is sent only to a daemon that sleeps.
-- The sleeper holds an advisory lock exclusively, one per partition of its own. Here the same lock is tried, shared, to
-- the end of the transaction. Got it: nobody sleeps, and nobody can fall asleep before this transaction has ended;
-- the daemon looks once more between falling asleep and sleeping, and sees the row. Did not get it: notify.
-- The payload is the partition's number; with a + before it, it says that an execution is due (a start, an operator).
create function workflow_wake(partitions smallint[]) returns void
    volatile security definer language plpgsql set search_path from current
as $$
declare
    class constant integer := hashtext('stepwell ' || current_schema());  -- workflow_lock_class(), every insert counts
    asleep smallint[];
    bed smallint;
begin
    if cardinality(partitions) = 1 then
        if not pg_try_advisory_xact_lock_shared(class, partitions[1]) then
            perform pg_notify(workflow_channel('wake'), '+' || partitions[1]);
        end if;
        return;
    end if;
    for bed in select distinct p from unnest(partitions) p order by 1 loop
        if not pg_try_advisory_xact_lock_shared(class, bed) then
            asleep := asleep || bed;
        end if;
    end loop;
    if asleep is not null then
        perform pg_notify(channel.name, '+' || woken.number)
        from unnest(asleep) as woken (number), (select workflow_channel('wake') as name) channel;
    end if;
end
$$;

create function workflow_doze(sleeper text, partitions smallint[]) returns boolean
    volatile language plpgsql set search_path from current
as $$
declare
    class constant integer := workflow_lock_class();
    bed smallint;
    taken boolean := false;
begin
    for bed in
        select p.number from workflow_partitions p join unnest(partitions) as own (number) on own.number = p.number
        where p.owner = sleeper order by 1
    loop
        taken := pg_try_advisory_lock(class, bed);
        if not taken then
            perform pg_advisory_unlock_all();
            return false;
        end if;
    end loop;
    return taken;
end
$$;
comment on function workflow_doze(text, smallint[]) is
    'True: from now on a row for those of these partitions that are this owner''s notifies. All or none. Undone by pg_advisory_unlock_all().';

-- One round of a daemon's life: it says that it lives, ends those whose lease has ended or who are known to be gone, and
-- claims what is free, up to its share. Doing it twice is as good as once. The row of a daemon decides: it is deleted only
-- where it is not being prolonged, and what is owned by a daemon without a row is free. Shares differ by one at most: the
-- oldest daemons have the larger ones. Who owns more than its share gives it back; it has it in memory.
create function workflow_tend(
    owner text, host text, pid integer, version text, lease_seconds float8, leaving boolean, executions integer, gone text[]
) returns table (partitions smallint[], epochs bigint[], share integer, daemons integer, others text[])
    volatile language plpgsql set search_path from current
as $$
#variable_conflict use_column
declare
    me constant text := workflow_tend.owner;
    joined boolean;
    ended integer;
    elder integer;
    owned integer;
begin
    insert into workflow_daemons as d (owner, host, pid, version, started_at, lease_until, leaving, executions)
    values (me, workflow_tend.host, workflow_tend.pid, workflow_tend.version, workflow_now(),
        workflow_now() + make_interval(secs => lease_seconds), workflow_tend.leaving, workflow_tend.executions)
    on conflict (owner) do update
        set lease_until = excluded.lease_until, leaving = excluded.leaving, executions = excluded.executions
    returning d.xmax = 0 into joined;
    with silent as (
        select d.owner from workflow_daemons d
        where d.owner <> me and (d.lease_until < workflow_now() or d.owner = any (gone))
        order by d.owner for update skip locked
    )
    delete from workflow_daemons d using silent where d.owner = silent.owner;
    get diagnostics ended = row_count;

    select count(*), count(*) filter (where (d.started_at, d.owner) < (mine.started_at, mine.owner)) into daemons, elder
    from workflow_daemons d cross join (select x.started_at, x.owner from workflow_daemons x where x.owner = me) mine
    where not d.leaving;
    share := case when workflow_tend.leaving then 0 else 256 / daemons + (elder < 256 % daemons)::integer end;
    select count(*) into owned from workflow_partitions p where p.owner = me;
    if owned < share then
        with free as (
            select p.number from workflow_partitions p
            where p.owner is null or not exists (select from workflow_daemons d where d.owner = p.owner)
            order by p.number limit share - owned for no key update skip locked
        )
        update workflow_partitions p set owner = me, epoch = p.epoch + 1
        from free where p.number = free.number;
    end if;
    if joined or ended > 0 then
        perform pg_notify(workflow_channel('wake'), 'daemons');  -- the others look at their shares
    end if;
    select coalesce(array_agg(p.number order by p.number), '{}'), coalesce(array_agg(p.epoch order by p.number), '{}')
    into partitions, epochs from workflow_partitions p where p.owner = me;
    select coalesce(array_agg(d.owner), '{}') into others from workflow_daemons d where d.owner <> me;
    return next;
end
$$;

-- Gives back some partitions, or all of them (null) and is no daemon any more.
create function workflow_release(owner text, partitions smallint[]) returns setof smallint
    volatile language plpgsql set search_path from current
as $$
#variable_conflict use_column
begin
    if workflow_release.partitions is null then
        delete from workflow_daemons d where d.owner = workflow_release.owner;
    end if;
    return query
    with given as (
        select p.number from workflow_partitions p
        where p.owner = workflow_release.owner and (workflow_release.partitions is null or p.number = any (workflow_release.partitions))
        order by p.number for no key update
    )
    update workflow_partitions p set owner = null from given where p.number = given.number
    returning p.number;
    perform pg_notify(workflow_channel('wake'), 'daemons');
end
$$;


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
    volatile language plpgsql set search_path from current set plan_cache_mode = auto set enable_seqscan = on
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
    where e.id = workflow_signal.execution and case when e.status in ('running', 'waiting', 'paused') then e.plan_hash is not null else false end
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


-- ----------------------------------------------------------------------------------------------------
-- Deploying: bots by their names, and scripts that come as rows. A script that comes as a row is a pending source; the
-- daemon compiles it and says what came of it. What does not compile changes nothing.

create function workflow_bot_id(name text) returns uuid
    stable language plpgsql set search_path from current
as $$
declare
    found_id uuid;
begin
    if to_regclass(quote_ident(current_schema()) || '.bots') is null then
        return substr(encode(sha256(convert_to('stepwell bot ' || lower(name), 'UTF8')), 'hex'), 1, 32)::uuid;
    end if;
    execute 'select b.id from bots b where lower(b.name::text) = lower($1) order by b.name::text = $1 desc limit 1' into found_id using name;
    return found_id;
end
$$;
comment on function workflow_bot_id(text) is
    'The bot of that name: its id in the table bots where that is (null: not in it), else one derived from the name, always the same.';

create table workflow_sources (
    id bigint generated always as identity primary key,
    bot_id uuid not null,
    path text not null,
    source text,
    status text not null default 'pending' check (status in ('pending', 'deployed', 'refused', 'replaced', 'withdrawn')),
    plan_hash text references workflow_plans (hash),
    problems jsonb not null default '[]',
    requested_at timestamptz not null default workflow_now(),
    done_at timestamptz
);
create index workflow_sources_pending on workflow_sources (bot_id, id) where status = 'pending';
create index workflow_sources_path on workflow_sources (bot_id, path, id);
comment on table workflow_sources is 'Scripts that came by workflow_deploy, and what came of them.';

-- Several in one transaction are compiled together. A null source withdraws the script at once.
create function workflow_deploy(bot uuid, path text, source text) returns bigint
    volatile security definer language plpgsql set search_path from current
as $$
#variable_conflict use_column
declare
    chosen constant uuid := coalesce(bot, '00000000-0000-0000-0000-000000000000');
    wanted constant text := case when lower(workflow_deploy.path) like '%.bas' then workflow_deploy.path else workflow_deploy.path || '.bas' end;
    made bigint;
begin
    perform workflow_check_bot(chosen);
    if coalesce(btrim(workflow_deploy.path), '') = '' or workflow_deploy.path ~ '(^/|(^|/)\.\.?(/|$)|\\)' then
        raise exception using errcode = 'SW053', message = format('%L is no path of a script.', workflow_deploy.path),
            hint = 'For example "ticket.bas" or "sales/offer.bas".';
    end if;
    if length(workflow_deploy.source) > 1000000 then
        raise exception using errcode = 'SW054',
            message = format('The script has %s characters; at most 1000000 are accepted.', length(workflow_deploy.source)),
            hint = 'Split it into several scripts.';
    end if;
    update workflow_sources s set status = 'replaced', done_at = workflow_now()
    where s.bot_id = chosen and s.path = wanted and s.status = 'pending';
    insert into workflow_sources (bot_id, path, source) values (chosen, wanted, workflow_deploy.source) returning id into made;
    if workflow_deploy.source is null then
        perform workflow_declare(chosen, wanted, '[]');
        delete from workflow_scripts s where s.bot_id = chosen and s.script = wanted;
        update workflow_sources s set status = 'withdrawn', done_at = workflow_now() where s.id = made;
    else
        perform pg_notify(workflow_channel('wake'), 'sources');
    end if;
    return made;
end
$$;
comment on function workflow_deploy(uuid, text, text) is 'The number of the deployment: the view workflow_deployments says what came of it.';

create view workflow_deployments with (security_invoker = true) as
select s.id, s.bot_id, s.path, s.status, s.plan_hash,
    (select format('%s:%s:%s: %s', p ->> 'file', p ->> 'line', p ->> 'column', p ->> 'message')
        from jsonb_array_elements(s.problems) p where p ->> 'severity' = 'error' limit 1) as error,
    s.problems, s.requested_at, s.done_at
from workflow_sources s;
comment on view workflow_deployments is
    'What came of scripts that came by workflow_deploy. problems: every error and warning with file, line, column, message, hint.';


-- ----------------------------------------------------------------------------------------------------
-- What data keywords ask: tables of a schema for each bot, reached through one function.
--
-- A statement comes as JSON. Names in it become identifiers of the bot's own schema by format('%I'); operators and
-- functions are those of this file; values are read out of $1, which is bound, by their place in it. So nothing that
-- a script or its user says is ever SQL. On top of that the statement runs as a role that may touch only such schemas.

create function workflow_data_schema(bot uuid, prefix text) returns text
    immutable strict parallel safe language sql
    return prefix || replace(bot::text, '-', '');
comment on function workflow_data_schema(uuid, text) is 'The schema that a bot''s tables are in.';

-- In PL/pgSQL, what every statement asks several times: a function in SQL that cannot be inlined is planned at every call.
create function workflow_data_table(place text, name text) returns oid
    stable strict language plpgsql set search_path from current
as $$
begin
    return (
        select c.oid from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname = place and c.relname = name and c.relkind in ('r', 'p', 'v', 'm', 'f')
    );
end
$$;

-- The column that a name means; `id` is also the key of a table that has no column of that name.
create function workflow_data_column(tab oid, wanted text, out name text, out kind regtype) returns record
    stable strict language plpgsql set search_path from current
as $$
begin
    select a.attname, a.atttypid into name, kind
    from pg_attribute a where a.attrelid = tab and a.attname = wanted and a.attnum > 0 and not a.attisdropped;
    if not found and wanted = 'id' then
        select a.attname, a.atttypid into name, kind
        from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
        where i.indrelid = tab and i.indisprimary and a.attnum > 0 and not a.attisdropped;
    end if;
end
$$;

create function workflow_data_made(tab oid) returns boolean
    stable strict language sql set search_path from current
    return coalesce(obj_description(tab, 'pg_class') = 'made by SAVE', false);
comment on function workflow_data_made(oid) is 'Whether a table was made of what was saved, and so takes new columns and wider types.';

create function workflow_data_fits(value text, kind regtype) returns boolean
    stable language plpgsql set search_path from current
as $$
begin
    if value is null or kind in ('text'::regtype, 'varchar'::regtype, 'bpchar'::regtype) then
        return true;
    elsif kind in ('int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'numeric'::regtype, 'float4'::regtype, 'float8'::regtype)
        and value !~ '^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$' then
        return false;
    end if;
    execute format('select ($1::%s) is null', case when kind in ('int2'::regtype, 'int4'::regtype, 'int8'::regtype)
        then 'numeric::' || kind else kind::text end) using value;
    return true;
exception when data_exception then
    return false;
end
$$;

-- The SQL of a JSON value on its way into a column of this type; "" is NULL where it is no text.
create function workflow_data_input(kind regtype, source text) returns text
    immutable language plpgsql set search_path from current
as $$
begin
    return case
        when kind in ('jsonb'::regtype, 'json'::regtype) then format('nullif(%s, ''null'')::%s', source, kind)
        when kind in ('text'::regtype, 'varchar'::regtype, 'bpchar'::regtype) then format('(%s #>> ''{}'')', source)
        when kind in ('int2'::regtype, 'int4'::regtype, 'int8'::regtype) then format('nullif(%s #>> ''{}'', '''')::numeric::%s', source, kind)
        else format('nullif(%s #>> ''{}'', '''')::%s', source, kind)
    end;
end
$$;

-- ── conditions ────────────────────────────────────────────────────────────────────────────────────────

-- An operand as SQL. `kind` is NULL for what is a value, which is then `given`; `at` is its place in $1.
create function workflow_data_operand(tab oid, operand jsonb, at text[], out code text, out kind regtype, out given jsonb) returns record
    stable language plpgsql set search_path from current
as $$
declare
    sort constant text := operand ->> 0;
    found record;
    a record;
    b record;
begin
    if sort in ('column', 'name') then
        select * into found from workflow_data_column(tab, lower(operand ->> 1));
        if found.name is not null then
            code := quote_ident(found.name);
            kind := found.kind;
            return;
        elsif sort = 'column' and workflow_data_made(tab) then
            code := 'null::text';
            kind := 'text';
            return;
        elsif sort = 'column' then
            perform workflow_data_refuse_column(tab, operand ->> 1);
        end if;
        given := operand -> 1;
        code := format('($1 #>> %L)', at || '1'::text);
    elsif sort = 'value' then
        given := operand -> 1;
        code := format('($1 #>> %L)', at || '1'::text);
    elsif sort = 'call' then
        select * into a from workflow_data_operand(tab, operand -> 2, at || '2'::text);
        if jsonb_array_length(operand) > 3 then
            select * into b from workflow_data_operand(tab, operand -> 3, at || '3'::text);
        end if;
        case operand ->> 1
            when 'lower', 'upper' then code := format('%s((%s)::text)', operand ->> 1, a.code); kind := 'text';
            when 'trim' then code := format('btrim((%s)::text)', a.code); kind := 'text';
            when 'length' then code := format('char_length((%s)::text)', a.code); kind := 'int4';
            when 'abs' then code := format('abs((%s)::numeric)', a.code); kind := 'numeric';
            when 'round' then code := format('round((%s)::numeric, %s)', a.code, coalesce(format('(%s)::int', b.code), '0')); kind := 'numeric';
            when 'date' then
                if a.kind in ('date'::regtype, 'timestamptz'::regtype, 'timestamp'::regtype) then
                    code := format('(%s)::date', a.code); kind := 'date';
                else
                    code := format('left((%s)::text, 10)', a.code); kind := 'text';
                end if;
            when 'year', 'month', 'day' then code := format('extract(%s from (%s)::timestamp)::int', operand ->> 1, a.code); kind := 'int4';
            when 'datediff' then code := format('((%s)::timestamp::date - (%s)::timestamp::date)', a.code, coalesce(b.code, 'null')); kind := 'int4';
        end case;
    elsif sort = 'arith' then
        select * into a from workflow_data_operand(tab, operand -> 2, at || '2'::text);
        select * into b from workflow_data_operand(tab, operand -> 3, at || '3'::text);
        if a.kind in ('date'::regtype, 'timestamptz'::regtype, 'timestamp'::regtype) and operand ->> 1 in ('+', '-') then
            code := format(case when jsonb_typeof(b.given) = 'string' then '(%s %s (%s)::interval)' else '(%s %s make_interval(secs => (%s)::float8))' end,
                a.code, operand ->> 1, b.code);
            kind := a.kind;
        else
            code := format(case operand ->> 1 when '+' then '(%s + %s)' when '-' then '(%s - %s)' when '*' then '(%s * %s)'
                when '/' then '(%s / %s)' else 'mod(%s, %s)' end,
                format('coalesce(nullif((%s)::text, '''')::numeric, 0)', a.code), format('coalesce(nullif((%s)::text, '''')::numeric, 0)', b.code));
            kind := 'numeric';
        end if;
    else
        raise exception using errcode = 'SW060', message = format('%s is no operand of a condition.', left(operand::text, 100)),
            hint = 'A column, a value, a word, a function or arithmetic.';
    end if;
end
$$;

create function workflow_data_refuse_column(tab oid, wanted text) returns void
    stable language plpgsql set search_path from current
as $$
begin
    raise exception using errcode = 'SW063',
        message = format('The table %s has no column %s.', (select c.relname from pg_class c where c.oid = tab), wanted),
        hint = 'It has ' || coalesce((select string_agg(a.attname, ', ' order by a.attnum) from pg_attribute a
            where a.attrelid = tab and a.attnum > 0 and not a.attisdropped), 'none') || '.';
end
$$;

-- A column (or what is made of columns) against a value: by the column's type where the value reads as one, else as text.
create function workflow_data_against(operator text, code text, kind regtype, given jsonb, param text, at text[]) returns text
    stable language plpgsql set search_path from current
as $$
declare
    said constant text := given #>> '{}';
    numbers constant regtype[] := array['int2', 'int4', 'int8', 'numeric', 'float4', 'float8']::regtype[];
begin
    if operator = '<>' then
        return format('(not coalesce(%s, false))', workflow_data_against('=', code, kind, given, param, at));
    elsif operator = '=' and said is null then
        return format('(%s is null)', code);
    elsif said is null then
        return 'false';
    elsif operator in ('like', 'ilike') then
        return format('(%s::text %s translate(%s, ''*?'', ''%%_''))', code, operator, param);
    elsif operator = 'contains' then
        return format('(strpos(%s::text, %s) > 0)', code, param);
    elsif operator = 'starts' then
        return format('starts_with(%s::text, %s)', code, param);
    elsif operator = 'ends' then
        return format('(right(%s::text, char_length(%s)) = %s)', code, param, param);
    elsif operator = '=' and said = '' then
        return format('(%s is null or %s::text = '''')', code, code);
    elsif kind = 'jsonb'::regtype then
        return format('(%s %s ($1 #> %L))', code, operator, at || '1'::text);
    elsif kind = any(numbers) and workflow_data_fits(said, 'numeric') then
        return format('(%s %s %s::%s)', code, operator, param, case when said ~ '^-?\d{1,18}$' then 'bigint' else 'numeric' end);
    elsif kind = 'text'::regtype and jsonb_typeof(given) = 'number' and operator <> '=' then
        return format('case when %s ~ ''^-?\d+(\.\d+)?$'' then %s::numeric %s %s::numeric else false end', code, code, operator, param);
    elsif kind <> all(numbers) and workflow_data_fits(said, kind) then
        return format('(%s %s %s::%s)', code, operator, param, kind);
    end if;
    return format('(%s::text %s %s)', code, operator, param);
end
$$;

create function workflow_data_compare(tab oid, operator text, l jsonb, l_at text[], r jsonb, r_at text[]) returns text
    stable language plpgsql set search_path from current
as $$
declare
    a record;
    b record;
begin
    if operator not in ('=', '<>', '<', '<=', '>', '>=', 'like', 'ilike', 'contains', 'starts', 'ends') then
        raise exception using errcode = 'SW060', message = format('%s is no comparison.', operator), hint = 'For example: =, <, like.';
    end if;
    select * into a from workflow_data_operand(tab, l, l_at);
    select * into b from workflow_data_operand(tab, r, r_at);
    if a.kind is not null and b.kind is null then
        return workflow_data_against(operator, a.code, a.kind, b.given, b.code, r_at);
    elsif a.kind is null and b.kind is not null and operator in ('=', '<>', '<', '<=', '>', '>=') then
        return workflow_data_against(translate(operator, '<>', '><'), b.code, b.kind, a.given, a.code, l_at);
    elsif a.kind is null or operator in ('like', 'ilike', 'contains', 'starts', 'ends') then
        return workflow_data_against(operator, format('(%s)::text', a.code), 'text', coalesce(b.given, '"?"'), format('(%s)::text', b.code), r_at);
    elsif (select x.typcategory <> y.typcategory from pg_type x, pg_type y where x.oid = a.kind and y.oid = b.kind) then
        return format('(%s::text %s %s::text)', a.code, operator, b.code);
    end if;
    return format('(%s %s %s)', a.code, operator, b.code);
end
$$;

create function workflow_data_condition(tab oid, tree jsonb, at text[]) returns text
    stable language plpgsql set search_path from current
as $$
declare
    sort constant text := tree ->> 0;
    said text;
    found record;
begin
    if sort in ('and', 'or') then
        select string_agg(workflow_data_condition(tab, part, at || (n - 1)::text), format(' %s ', sort) order by n) into said
        from jsonb_array_elements(tree) with ordinality e(part, n) where n > 1;
        return '(' || said || ')';
    elsif sort = 'not' then
        return format('(not coalesce(%s, false))', workflow_data_condition(tab, tree -> 1, at || '1'::text));
    elsif sort in ('null', 'true') then
        select * into found from workflow_data_operand(tab, tree -> 1, at || '1'::text);
        return format(case sort when 'null' then '(%s is null)'
            else '(coalesce(%s::text, '''') not in ('''', ''0'', ''false'', ''[]'', ''{}'', ''null''))' end, found.code);
    elsif sort = 'in' then
        select * into found from workflow_data_operand(tab, tree -> 1, at || '1'::text);
        -- Many values of a type: one array. Else one comparison each.
        if found.kind is not null and found.kind <> 'jsonb'::regtype and jsonb_array_length(tree) > 12 and not exists (
            select from jsonb_array_elements(tree) with ordinality e(part, n)
            where n > 2 and (part ->> 0 <> 'value' or coalesce(part ->> 1, '') = '' or not workflow_data_fits(part ->> 1, found.kind))
        ) then
            return format('(%s = any(array(select (part ->> 1)::%s from jsonb_array_elements($1 #> %L) with ordinality e(part, n) where n > 2)))',
                found.code, found.kind, at);
        end if;
        select string_agg(workflow_data_compare(tab, '=', tree -> 1, at || '1'::text, part, at || (n - 1)::text), ' or ' order by n) into said
        from jsonb_array_elements(tree) with ordinality e(part, n) where n > 2;
        return coalesce('(' || said || ')', 'false');
    end if;
    return workflow_data_compare(tab, sort, tree -> 1, at || '1'::text, tree -> 2, at || '2'::text);
end
$$;

create function workflow_data_where(tab oid, asked jsonb) returns text
    stable language sql set search_path from current
    return case when jsonb_typeof(asked -> 'where') = 'array' then workflow_data_condition(tab, asked -> 'where', '{where}') else 'true' end;

-- ── tables ────────────────────────────────────────────────────────────────────────────────────────────

-- Whoever changes what tables there are is alone in the bot's schema until his turn is committed.
create function workflow_data_prepare(place text) returns void
    volatile language plpgsql set search_path from current
as $$
begin
    perform pg_advisory_xact_lock(hashtextextended('stepwell data ' || place, 0));
    if not exists (select from pg_namespace n where n.nspname = place) then
        execute format('create schema %I', place);
    end if;
end
$$;

-- The type that holds these JSON values: numeric, boolean, text, or jsonb; NULL where all are null.
create function workflow_data_kind(rows jsonb, key text) returns text
    immutable language plpgsql set search_path from current
as $$
begin
    return (
        select case when bool_or(t in ('object', 'array')) then 'jsonb' when bool_and(t = 'number') then 'numeric'
            when bool_and(t = 'boolean') then 'boolean' else 'text' end
        from (select jsonb_typeof(r -> key) as t from jsonb_array_elements(rows) r) v where t is not null and t <> 'null' having count(*) > 0
    );
end
$$;

-- A table nobody declared: its columns are the names of what is saved, with a key of its own.
create function workflow_data_make(place text, name text, rows jsonb) returns oid
    volatile language plpgsql set search_path from current
as $$
declare
    tab oid;
    columns text;
begin
    perform workflow_data_prepare(place);
    tab := workflow_data_table(place, name);
    if tab is not null then
        return tab;
    end if;
    select string_agg(format('%I %s', k, workflow_data_kind(rows, k)), ', ' order by n) into columns
    from (select k, min(n) as n from jsonb_array_elements(rows) r, jsonb_object_keys(r) with ordinality e(k, n) group by k) names
    where k <> 'id' and workflow_data_kind(rows, k) is not null;
    execute format('create table %I.%I (id %s%s)', place, name,
        case when coalesce(workflow_data_kind(rows, 'id'), 'numeric') = 'numeric'
            and not exists (select from jsonb_array_elements(rows) r where (r ->> 'id') !~ '^-?\d{1,18}$')
            then 'bigint generated by default as identity primary key' else 'text primary key default gen_random_uuid()::text' end,
        coalesce(', ' || columns, ''));
    execute format('comment on table %I.%I is %L', place, name, 'made by SAVE');
    return workflow_data_table(place, name);
end
$$;

-- Columns for new names, wider types for values that do not fit: for a table that was made of what is saved.
create function workflow_data_widen(place text, name text, tab oid, rows jsonb) returns void
    volatile language plpgsql set search_path from current
as $$
declare
    key text;
    wanted text;
    found record;
begin
    for key in select distinct k from jsonb_array_elements(rows) r, jsonb_object_keys(r) k order by k loop
        wanted := workflow_data_kind(rows, key);
        select * into found from workflow_data_column(tab, key);
        if wanted is null then
            continue;
        elsif found.name is null then
            perform workflow_data_prepare(place);
            execute format('alter table %I.%I add column if not exists %I %s', place, name, key, wanted);
        elsif wanted = 'jsonb' and found.kind <> 'jsonb'::regtype then
            perform workflow_data_prepare(place);
            execute format('alter table %I.%I alter column %I type jsonb using to_jsonb(%I)', place, name, key, key);
        elsif found.kind <> 'jsonb'::regtype and exists (
            select from jsonb_array_elements(rows) r where nullif(r ->> key, '') is not null and not workflow_data_fits(r ->> key, found.kind)
        ) then
            perform workflow_data_prepare(place);
            if found.name = 'id' then
                execute format('alter table %I.%I alter column id drop identity if exists, alter column id type text using id::text,
                    alter column id set default gen_random_uuid()::text', place, name);
            else
                execute format('alter table %I.%I alter column %I type text using %I::text', place, name, key, key);
            end if;
        end if;
    end loop;
end
$$;

-- TABLE … END TABLE: makes the table, or adds and changes columns; nothing is dropped. True if anything changed.
create function workflow_data_declare(place text, asked jsonb) returns boolean
    volatile language plpgsql set search_path from current
as $$
declare
    name constant text := asked ->> 'table';
    tab oid := workflow_data_table(place, name);
    entry jsonb;
    kind text;
    line text;
    lines text[] := '{}';
    keys text[];
    changed boolean := false;
begin
    select array_agg(c ->> 'name') into keys from jsonb_array_elements(asked -> 'columns') c where (c ->> 'key')::boolean;
    perform workflow_data_prepare(place);
    for entry in select c from jsonb_array_elements(asked -> 'columns') c loop
        if entry ->> 'type' not in ('text', 'character varying', 'bigint', 'integer', 'numeric', 'double precision', 'boolean', 'date',
            'timestamp with time zone', 'time without time zone', 'jsonb', 'uuid', 'bytea') then
            raise exception using errcode = 'SW060', message = format('%s is no type of a column.', entry ->> 'type'), hint = 'For example: text, integer.';
        end if;
        kind := (entry ->> 'type') || coalesce('(' || (select string_agg(s::int::text, ',') from jsonb_array_elements_text(entry -> 'size') s) || ')', '');
        line := format('%I %s', entry ->> 'name', kind);
        if (entry ->> 'identity')::boolean then
            line := line || ' generated by default as identity';
        elsif entry -> 'default' ->> 0 = 'now' then
            line := line || format(' default (current_timestamp::%s)', entry ->> 'type');
        elsif entry -> 'default' ->> 0 = 'uuid' then
            line := line || format(' default (gen_random_uuid()::%s)', entry ->> 'type');
        elsif entry -> 'default' -> 1 is not null then
            line := line || format(' default %L', entry -> 'default' ->> 1);
        end if;
        line := line || case when (entry ->> 'not_null')::boolean then ' not null' else '' end || case when (entry ->> 'unique')::boolean then ' unique' else '' end;
        if entry ->> 'references' is not null then
            line := line || format(' references %I.%I', place, entry ->> 'references');
        end if;
        if tab is null then
            lines := lines || line;
        elsif (workflow_data_column(tab, entry ->> 'name')).name is distinct from entry ->> 'name' then
            execute format('alter table %I.%I add column %s', place, name, line);
            changed := true;
        elsif kind <> (select format_type(a.atttypid, a.atttypmod) from pg_attribute a where a.attrelid = tab and a.attname = entry ->> 'name') then
            execute format('alter table %I.%I alter column %I type %s using %I::text::%s', place, name, entry ->> 'name', kind, entry ->> 'name', kind);
            changed := true;
        end if;
    end loop;
    if tab is null then
        if keys is not null then
            lines := lines || format('primary key (%s)', (select string_agg(quote_ident(k), ', ') from unnest(keys) k));
        end if;
        execute format('create table %I.%I (%s)', place, name, array_to_string(lines, ', '));
        return true;
    elsif workflow_data_made(tab) then
        execute format('comment on table %I.%I is null', place, name);
    end if;
    return changed;
end
$$;

-- ── writing ───────────────────────────────────────────────────────────────────────────────────────────

-- Says which value does not fit its column; silent if all do.
create function workflow_data_check(tab oid, rows jsonb) returns void
    volatile language plpgsql set search_path from current
as $$
declare
    wrong record;
begin
    select k.key, k.value, (workflow_data_column(tab, k.key)).kind as kind into wrong
    from jsonb_array_elements(rows) r, jsonb_each(r) k
    where nullif(k.value #>> '{}', '') is not null and (workflow_data_column(tab, k.key)).kind not in ('jsonb'::regtype, 'json'::regtype)
        and not workflow_data_fits(k.value #>> '{}', (workflow_data_column(tab, k.key)).kind)
    limit 1;
    if found then
        raise exception using errcode = 'SW062',
            message = format('The column %s of the table %s holds %s, and %s is none.', wrong.key,
                (select c.relname from pg_class c where c.oid = tab), wrong.kind, left(wrong.value::text, 100)),
            hint = 'Correct the value, or declare the column with another type.';
    end if;
end
$$;

-- Values without names take the table's columns in their order; where there are fewer, what fills itself is left out.
create function workflow_data_name(tab oid, name text, lines jsonb) returns jsonb
    stable language plpgsql set search_path from current
as $$
declare
    every text[];
    needed text[];
    fitting text[];
    answer jsonb := '[]';
    line jsonb;
begin
    if tab is null then
        raise exception using errcode = 'SW063', message = format('The table %s is not there, so values need names.', name),
            hint = 'Declare it with TABLE … END TABLE, or save an object or variables with the columns'' names.';
    end if;
    select array_agg(a.attname order by a.attnum), array_agg(a.attname order by a.attnum) filter (where a.attidentity = '' and not (i.indrelid is not null and a.atthasdef))
        into every, needed
    from pg_attribute a left join pg_index i on i.indrelid = tab and i.indisprimary and i.indkey[0] = a.attnum
    where a.attrelid = tab and a.attnum > 0 and not a.attisdropped;
    for line in select l from jsonb_array_elements(lines) l loop
        fitting := case when jsonb_array_length(line) = cardinality(every) then every else needed end;
        if jsonb_array_length(line) > cardinality(fitting) then
            raise exception using errcode = 'SW062',
                message = format('The table %s has %s column(s), and %s values are given.', name, cardinality(fitting), jsonb_array_length(line)),
                hint = 'They are ' || array_to_string(fitting, ', ') || '.';
        end if;
        answer := answer || jsonb_build_array((select jsonb_object_agg(fitting[n], v) from jsonb_array_elements(line) with ordinality e(v, n)));
    end loop;
    return answer;
end
$$;

-- The SQL that adds rows with these columns ($1: an array of them) and answers with their ids. One row has a statement
-- of its own, which takes half as long to plan.
create function workflow_data_insert(place text, name text, tab oid, keys text[], replaces boolean, one boolean) returns text
    stable language plpgsql set search_path from current
as $$
declare
    primary_keys text[];
    key text;
    found record;
    names text[] := '{}';
    inputs text[] := '{}';
    conflict text := '';
    id constant text := coalesce((workflow_data_column(tab, 'id')).name, '');
begin
    foreach key in array keys loop
        select * into found from workflow_data_column(tab, key);
        if found.name is null then
            perform workflow_data_refuse_column(tab, key);
        end if;
        names := names || found.name;
        inputs := inputs || workflow_data_input(found.kind, format(case when one then '($1 -> 0 -> %L)' else '(r -> %L)' end, key));
    end loop;
    keys := names;
    select array_agg(a.attname::text) into primary_keys from pg_index i join pg_attribute a on a.attrelid = tab and a.attnum = any(i.indkey)
    where i.indrelid = tab and i.indisprimary;
    if replaces and primary_keys <@ keys then
        conflict := format(' on conflict (%s) do update set %s', (select string_agg(quote_ident(k), ', ') from unnest(primary_keys) k),
            (select string_agg(format('%I = excluded.%I', k, k), ', ') from unnest(keys) k where not k = any(primary_keys) or keys <@ primary_keys));
    end if;
    if one then
        return format('insert into %I.%I as t (%s) values (%s)%s returning jsonb_build_array(%s)', place, name,
            (select string_agg(quote_ident(k), ', ' order by n) from unnest(keys) with ordinality e(k, n)), array_to_string(inputs, ', '), conflict,
            case when id = '' then 'null::text' else 't.' || quote_ident(id) end);
    end if;
    return format('with added as (insert into %I.%I as t (%s) select %s from jsonb_array_elements($1) with ordinality e(r, n) order by n%s returning %s as id)
        select coalesce(jsonb_agg(to_jsonb(id)), ''[]'') from added', place, name,
        (select string_agg(quote_ident(k), ', ' order by n) from unnest(keys) with ordinality e(k, n)), array_to_string(inputs, ', '), conflict,
        case when id = '' then 'null::text' else 't.' || quote_ident(id) end);
end
$$;

-- A counted id goes on behind what somebody gave: the next one must not meet it.
create function workflow_data_count_on(place text, name text, rows jsonb) returns void
    volatile language plpgsql set search_path from current
as $$
declare
    counter text;
    highest bigint;
begin
    select max((r ->> 'id')::bigint) into highest from jsonb_array_elements(rows) r where r ->> 'id' ~ '^\d{1,18}$';
    if highest is not null then
        select pg_get_serial_sequence(format('%I.%I', place, name), a.attname) into counter
        from pg_attribute a where a.attrelid = workflow_data_table(place, name) and a.attname = 'id' and a.attidentity <> '';
        if counter is not null and highest > coalesce(pg_sequence_last_value(counter::regclass), 0) then
            perform setval(counter::regclass, highest);
        end if;
    end if;
end
$$;

-- ── reading and changing ──────────────────────────────────────────────────────────────────────────────

-- The role that data keywords run as: the configured one, else the one of `migrate --roles`; NULL where this session
-- may not become it, and so runs them as itself.
create function workflow_data_role(wanted text) returns text
    stable language plpgsql set search_path from current
as $$
declare
    chosen constant text := coalesce(nullif(wanted, ''), 'stepwell_data');
begin
    return case when pg_has_role(session_user, to_regrole(quote_ident(chosen)), 'member') then chosen end;
end
$$;

-- What was made before the role was there, or by somebody else, is opened to it.
create function workflow_data_open(place text, tab oid, role_name text) returns void
    volatile language plpgsql set search_path from current
as $$
begin
    if not has_schema_privilege(role_name, place, 'usage') then
        execute format('grant usage on schema %I to %I', place, role_name);
    end if;
    if not (has_table_privilege(role_name, tab, 'select') and has_table_privilege(role_name, tab, 'insert')) then
        execute format('grant select, insert, update, delete on %s to %I', tab::regclass, role_name);
    end if;
end
$$;

create function workflow_data_ordered(tab oid, wanted text) returns text
    stable language plpgsql set search_path from current
as $$
declare
    name constant text := (workflow_data_column(tab, wanted)).name;
begin
    if name is null and not workflow_data_made(tab) then
        perform workflow_data_refuse_column(tab, wanted);
    end if;
    return name;
end
$$;

-- By what is asked, then by the key, so that the order is always the same.
create function workflow_data_find(place text, name text, tab oid, asked jsonb, rows_max integer) returns text
    stable language sql set search_path from current
as $$
    select format('select json_agg(row_to_json(f.*)) from (select * from %I.%I where %s%s limit %s) f', place, name,
        workflow_data_where(tab, asked), coalesce(' order by ' || (
            select string_agg(part, ', ' order by n) from (
                select format('%I %s', c, case when (k ->> 1)::boolean then 'desc nulls last' else 'asc nulls first' end), n
                from jsonb_array_elements(asked -> 'order') with ordinality e(k, n), workflow_data_ordered(tab, k ->> 0) c where c is not null
                union all
                select quote_ident(a.attname), 1000 + a.attnum from pg_index i join pg_attribute a on a.attrelid = tab and a.attnum = any(i.indkey)
                where i.indrelid = tab and i.indisprimary
            ) o(part, n)), ''),
        least(coalesce((asked ->> 'limit')::bigint, rows_max + 1), rows_max + 1))
$$;

create function workflow_data_aggregate(place text, name text, tab oid, asked jsonb) returns text
    stable language plpgsql set search_path from current
as $$
declare
    called constant text := lower(asked ->> 'function');
    column_name text;
    code text := 'count(*)';
begin
    if called not in ('count', 'sum', 'avg', 'min', 'max') then
        raise exception using errcode = 'SW060', message = format('%s adds nothing up.', called), hint = 'COUNT, SUM, AVG, MIN or MAX.';
    elsif called <> 'count' or asked ->> 'field' <> '*' then
        column_name := (workflow_data_column(tab, asked ->> 'field')).name;
        if column_name is null then
            perform workflow_data_refuse_column(tab, asked ->> 'field');
        end if;
        code := case called when 'count' then format('count(nullif(%I::text, ''''))', column_name)
            when 'sum' then format('coalesce(sum(nullif(%I::text, '''')::numeric), 0)', column_name)
            when 'avg' then format('avg(nullif(%I::text, '''')::numeric)', column_name)
            else format('%s(%I)', called, column_name) end;
    end if;
    return format('select to_json(%s) from %I.%I where %s', code, place, name, workflow_data_where(tab, asked));
end
$$;

create function workflow_data_update(place text, name text, tab oid, asked jsonb) returns text
    stable language plpgsql set search_path from current
as $$
declare
    sets text[] := '{}';
    found record;
    value record;
    key text;
begin
    for key in select k from jsonb_object_keys(asked -> 'set') k loop
        select * into found from workflow_data_column(tab, key);
        if found.name is null and (workflow_data_made(tab) is not true or asked #> array['set', key] <> '["value", null]') then
            perform workflow_data_refuse_column(tab, key);
        elsif found.name is null then
            continue;
        end if;
        select * into value from workflow_data_operand(tab, asked -> 'set' -> key, array['set', key]);
        sets := sets || format('%I = %s', found.name, case when value.kind is null
            then workflow_data_input(found.kind, format('($1 #> %L)', array['set', key, '1']))
            when found.kind = 'jsonb'::regtype then format('to_jsonb(%s)', value.code) else format('(%s)::%s', value.code, found.kind) end);
    end loop;
    if cardinality(sets) = 0 then
        return format('select from %I.%I where %s', place, name, workflow_data_where(tab, asked));
    end if;
    return format('update %I.%I set %s where %s', place, name, array_to_string(sets, ', '), workflow_data_where(tab, asked));
end
$$;

-- Brings rows in one by one: each changes those with its key, else it is added.
create function workflow_data_merge(place text, name text, tab oid, asked jsonb, role_name text) returns bigint
    volatile language plpgsql set search_path from current
as $$
declare
    keys constant text[] := array(select jsonb_array_elements_text(asked -> 'by'));
    before constant text := current_setting('role');
    entry jsonb;
    changed bigint;
    key text;
    change text;
begin
    foreach key in array keys loop
        if (workflow_data_column(tab, key)).name is null then
            perform workflow_data_refuse_column(tab, key);
        end if;
    end loop;
    for entry in select r from jsonb_array_elements(asked -> 'rows') r loop
        changed := 0;
        if entry ?& keys then
            change := format('update %I.%I t set %s from (select $1 as r) s where %s', place, name,
                (select string_agg(format('%I = %s', c.name, workflow_data_input(c.kind, format('(s.r -> %L)', k))), ', ')
                 from jsonb_object_keys(entry) k, workflow_data_column(tab, k) c where c.name is not null),
                (select string_agg(format('t.%I = %s', c.name, workflow_data_input(c.kind, format('(s.r -> %L)', k))), ' and ')
                 from unnest(keys) k, workflow_data_column(tab, k) c));
            perform set_config('role', coalesce(role_name, before), true);
            execute change using entry;
            get diagnostics changed = row_count;
            perform set_config('role', before, true);
        end if;
        if changed = 0 then
            change := workflow_data_insert(place, name, tab, array(select k from jsonb_object_keys(entry) k order by k), false, true);
            perform set_config('role', coalesce(role_name, before), true);
            execute change using jsonb_build_array(entry);
            perform set_config('role', before, true);
        end if;
    end loop;
    return jsonb_array_length(asked -> 'rows');
end
$$;

-- Rows that go into a table which was made of what is saved: a name that has only NULLs is no column yet.
create function workflow_data_known(tab oid, rows jsonb) returns jsonb
    stable language plpgsql set search_path from current
as $$
declare
    known constant text[] := array(
        select k from (select distinct k from jsonb_array_elements(rows) r, jsonb_object_keys(r) k) keys
        where (workflow_data_column(tab, k)).name is not null
    );
begin
    return (
        select jsonb_agg((select coalesce(jsonb_object_agg(k, v), '{}') from jsonb_each(r) e(k, v)
            where k = any (known) and (k <> 'id' or v <> 'null')) order by n)
        from jsonb_array_elements(rows) with ordinality e(r, n)
    );
end
$$;

-- The SQL that adds one row, the most usual thing: told by one look at the catalogue where every name is a column's and
-- every value fits (in a table with columns of its own the database says so). NULL where more must be asked or done.
create function workflow_data_insert_one(place text, name text, tab oid, made boolean, entry jsonb, replaces boolean) returns text
    stable language plpgsql set search_path from current
as $$
declare
    keys int2[] := (select i.indkey from pg_index i where i.indrelid = tab and i.indisprimary);
    told record;
begin
    select count(*) as count, bool_and(c.attnum is not null and (not made or c.fits)) as fits,
        string_agg(quote_ident(c.key), ', ') as names,
        string_agg(workflow_data_input(c.kind, format('($1 -> %L)', c.key)), ', ') as inputs,
        array_agg(c.attnum) as given,
        string_agg(format('%I = excluded.%I', c.key, c.key), ', ') as every,
        string_agg(format('%I = excluded.%I', c.key, c.key), ', ') filter (where not c.attnum = any(keys)) as others
    into told
    from (
        select e.key, a.attnum, a.atttypid::regtype as kind, case jsonb_typeof(e.value)
            when 'null' then e.key <> 'id'
            when 'string' then a.atttypid in ('text'::regtype, 'jsonb'::regtype)
            when 'number' then a.atttypid in ('numeric'::regtype, 'text'::regtype, 'jsonb'::regtype)
                or a.atttypid = 'int8'::regtype and e.value::text ~ '^-?\d{1,18}$'
            when 'boolean' then a.atttypid in ('boolean'::regtype, 'text'::regtype, 'jsonb'::regtype)
            else a.atttypid = 'jsonb'::regtype end as fits
        from jsonb_each(entry) e
        left join pg_attribute a on a.attrelid = tab and a.attname = e.key and a.attnum > 0 and not a.attisdropped
    ) c;
    if told.fits is not true then
        return null;
    end if;
    return format('insert into %I.%I as t (%s) values (%s)%s returning jsonb_build_array(%s)', place, name, told.names, told.inputs,
        case when replaces and keys <@ told.given then format(' on conflict (%s) do update set %s',
            (select string_agg(quote_ident(a.attname), ', ') from pg_attribute a where a.attrelid = tab and a.attnum = any(keys)),
            coalesce(told.others, told.every)) else '' end,
        case when entry ? 'id' then 't.id' else coalesce('t.' || quote_ident((workflow_data_column(tab, 'id')).name), 'null::text') end);
end
$$;

-- SAVE and INSERT: rows with the same columns go in one statement. Answers with the ids.
create function workflow_data_save(place text, name text, tab oid, made boolean, rows jsonb, replaces boolean, role_name text) returns jsonb
    volatile language plpgsql set search_path from current
as $$
declare
    batch record;
    before constant text := current_setting('role');
    statement text;
    added jsonb;
    ids jsonb := '[]';
begin
    if jsonb_array_length(rows) = 1 then
        statement := workflow_data_insert_one(place, name, tab, made, rows -> 0, replaces);
        if statement is not null then
            perform set_config('role', coalesce(role_name, before), true);
            execute statement into added using rows -> 0;
            perform set_config('role', before, true);
            if rows -> 0 ->> 'id' ~ '^\d' then
                perform workflow_data_count_on(place, name, rows);
            end if;
            return coalesce(added, '[]');
        end if;
    end if;
    if made then
        perform workflow_data_widen(place, name, tab, rows);
        rows := workflow_data_known(tab, rows);
    end if;
    for batch in
        select keys, jsonb_agg(r order by n) as entries from (
            select r, n, array(select k from jsonb_object_keys(r) k order by k) as keys from jsonb_array_elements(rows) with ordinality e(r, n)
        ) each_row group by keys order by min(n)
    loop
        if cardinality(batch.keys) > 0 then
            statement := workflow_data_insert(place, name, tab, batch.keys, replaces, jsonb_array_length(batch.entries) = 1);
        else
            statement := format('with added as (insert into %I.%I default values returning id) select jsonb_agg(to_jsonb(id)) from added', place, name);
        end if;
        for n in 1 .. case when cardinality(batch.keys) > 0 then 1 else jsonb_array_length(batch.entries) end loop
            perform set_config('role', coalesce(role_name, before), true);
            execute statement into added using batch.entries;
            perform set_config('role', before, true);
            ids := ids || coalesce(added, '[]');
        end loop;
    end loop;
    perform workflow_data_count_on(place, name, rows);
    return ids;
end
$$;

-- Does what is asked of a table that is there or can be made.
create function workflow_data_run(place text, verb text, asked jsonb, role_name text, rows_max integer) returns json
    volatile language plpgsql set search_path from current
as $$
declare
    name constant text := asked ->> 'table';
    before constant text := current_setting('role');
    tab oid;
    made boolean;
    rows jsonb := asked -> 'rows';
    statement text;
    answer json;
    changed bigint;
begin
    select c.oid, coalesce(d.description = 'made by SAVE', false) into tab, made
    from pg_class c left join pg_description d on d.objoid = c.oid and d.classoid = 'pg_class'::regclass and d.objsubid = 0
    where c.relnamespace = to_regnamespace(quote_ident(place)) and c.relname = name and c.relkind in ('r', 'p', 'v', 'm', 'f');
    if asked ? 'positional' then
        rows := workflow_data_name(tab, name, asked -> 'positional');
    elsif verb = 'update' then
        select jsonb_build_array(jsonb_object_agg(k, v -> 1)) into rows from jsonb_each(asked -> 'set') e(k, v) where v ->> 0 = 'value';
    end if;
    if verb in ('save', 'insert', 'merge') and jsonb_array_length(rows) = 0 then
        return case verb when 'merge' then '0' else '[]' end;
    elsif tab is null and verb in ('save', 'insert', 'merge') then
        tab := workflow_data_make(place, name, rows);
        made := workflow_data_made(tab);
    elsif tab is null then
        return case when verb = 'find' then case when asked ? 'file' then null else '[]'::json end when verb <> 'aggregate' or lower(asked ->> 'function') in ('count', 'sum') then '0' else 'null' end;
    end if;
    if verb in ('merge', 'update') and made and rows is not null and rows <> '[null]' then
        perform workflow_data_widen(place, name, tab, rows);
        rows := workflow_data_known(tab, rows);
    end if;
    if role_name is not null then
        perform workflow_data_open(place, tab, role_name);
    end if;
    case verb
        when 'save', 'insert' then
            answer := workflow_data_save(place, name, tab, made, rows, verb = 'save', role_name)::json;
            return case when (asked ->> 'one')::boolean then answer -> 0 else answer end;
        when 'merge' then
            perform pg_advisory_xact_lock(hashtextextended('stepwell data', tab::bigint));
            return to_json(workflow_data_merge(place, name, tab, asked || jsonb_build_object('rows', rows), role_name));
        when 'find' then statement := workflow_data_find(place, name, tab, asked, rows_max);
        when 'aggregate' then statement := workflow_data_aggregate(place, name, tab, asked);
        when 'update' then statement := workflow_data_update(place, name, tab, asked);
        when 'delete' then statement := format('delete from %I.%I where %s', place, name, workflow_data_where(tab, asked));
    end case;
    perform set_config('role', coalesce(role_name, before), true);
    if verb in ('find', 'aggregate') then
        execute statement into answer using asked;
    else
        execute statement using asked;
        get diagnostics changed = row_count;
        answer := to_json(changed);
    end if;
    perform set_config('role', before, true);
    return case when verb = 'find' then coalesce(answer, '[]') else answer end;
exception when data_exception then
    -- The rows first: they can be told apart.
    perform workflow_data_check(tab, rows) where rows is not null and rows <> '[null]';
    raise;
end
$$;

create function workflow_data(bot uuid, verb text, asked jsonb, manner jsonb) returns json
    volatile language plpgsql set search_path from current set timezone = 'UTC' set datestyle = 'ISO, DMY' set enable_seqscan = on
    set plan_cache_mode = force_generic_plan
as $$
declare
    place constant text := workflow_data_schema(coalesce(bot, '00000000-0000-0000-0000-000000000000'), manner ->> 'prefix');
    name constant text := asked ->> 'table';
    rows_max constant integer := (manner ->> 'rows_max')::integer;
    answer json;
    said text;
begin
    perform set_config('TimeZone', coalesce(manner ->> 'zone', 'UTC'), true);
    if verb = 'table' then
        return to_json(workflow_data_declare(place, asked));
    end if;
    answer := workflow_data_run(place, verb, asked, workflow_data_role(manner ->> 'role'), rows_max);
    if verb = 'find' and json_array_length(answer) > rows_max then
        raise exception using errcode = 'SW061', message = format('FIND %s gives more than %s rows.', name, rows_max),
            hint = 'Give it a condition or a LIMIT, or raise [data] rows_max.';
    end if;
    return answer;
exception
    when unique_violation then
        get stacked diagnostics said = pg_exception_detail;
        raise exception using errcode = 'SW064', message = format('The table %s has a row with this key already: %s', name, said),
            hint = 'SAVE changes the row that is there; INSERT only adds.';
    when not_null_violation then
        get stacked diagnostics said = column_name;
        raise exception using errcode = 'SW064', message = format('The column %s of the table %s must have a value.', said, name),
            hint = 'Give it one, or declare the column without NOT NULL.';
    when foreign_key_violation then
        get stacked diagnostics said = pg_exception_detail;
        raise exception using errcode = 'SW064', message = format('The table %s and another refer to each other: %s', name, said),
            hint = 'What is referred to is saved first, and deleted last.';
    when data_exception then
        raise exception using errcode = 'SW062', message = format('The table %s: %s.', name, sqlerrm), hint = 'A value does not fit its column.';
    when undefined_function or datatype_mismatch or cannot_coerce then
        raise exception using errcode = 'SW060', message = format('What is asked of the table %s does not fit the types of its columns: %s.', name, sqlerrm),
            hint = 'Compare a column with values of its own type.';
    when insufficient_privilege then
        raise exception using errcode = 'SW065', message = format('The daemon may not do that with the table %s: %s.', name, sqlerrm),
            hint = 'Run stepwell migrate --roles, and let the daemon create schemas in this database.';
end
$$;
comment on function workflow_data(uuid, text, jsonb, jsonb) is
    'Runs a data keyword: find, aggregate, save, insert, update, delete, merge or table, in the schema of the bot.';


-- ----------------------------------------------------------------------------------------------------
-- Tables that stay small: history by months, and what makes old rows go. docs/retention.md says it table by table.

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


-- ----------------------------------------------------------------------------------------------------
-- What anyone may look at. Views run with the rights of who reads them, so the rules about bots hold here too.

create view workflow_shares with (security_invoker = true) as
select d.owner, d.host, d.pid, d.version, d.started_at, d.leaving, coalesce(o.partitions, 0) as partitions, d.executions,
    d.lease_until - workflow_now() as lease_left
from workflow_daemons d full join (
    select x.owner, count(*) as partitions from workflow_partitions p left join workflow_daemons x on x.owner = p.owner group by x.owner
) o on o.owner = d.owner;
comment on view workflow_shares is
    'Who owns how many of the 256 partitions of sessions: a row for each daemon, and one without an owner for what nobody owns.';

create view workflow_waiting with (security_invoker = true) as
select e.id as execution_id, e.session_id, e.bot_id, e.script_path as script, e.current_step, e.wait_kind as kind,
    coalesce(t.at, e.updated_at) as since,
    coalesce((w.wait ->> 'deadline')::timestamptz, (w.wait ->> 'until')::timestamptz, e.wake_at) as deadline,
    w.wait ->> 'prompt_id' as prompt_id, w.wait ->> 'prompt' as prompt, w.wait ->> 'type' as type,
    w.wait -> 'choices' as choices, (w.wait ->> 'tries_left')::integer as tries_left,
    coalesce((w.wait ->> 'secret')::boolean, false) as secret,
    e.id = workflow_hearer(e.session_id) as hears,
    coalesce(w.wait ->> 'request', w.wait ->> 'event') as waits_for
from workflow_executions e
left join workflow_turns t on t.execution_id = e.id and t.turn = e.turn
cross join lateral (select workflow_read_json(e.state_json) -> 'wait' as wait offset 0) w
where e.plan_hash is not null and e.status = 'waiting';
comment on view workflow_waiting is
    'Who waits for what since when. hears: a message to the session goes to this one; waits_for: the kind of request, or the event.';

create view workflow_history with (security_invoker = true) as
select t.execution_id, t.turn, e.session_id, e.bot_id, e.script_path as script, t.from_step, t.to_step,
    t.came_in::jsonb, t.went_out::jsonb,
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
    select r.execution_id, r.turn, r.position, 'bot' as who, r.recipient, r.content, r.created_at as at from workflow_replies r
) said join workflow_executions e on e.id = said.execution_id;
comment on view workflow_transcript is 'Who said what. In order: order by at, execution_id, turn, position. Position 0 is the user''s line.';

create view workflow_funnel with (security_invoker = true) as
with turns as (
    select t.execution_id, t.to_step, t.at, json_typeof(t.went_out -> 'prompt') = 'object' as asks,
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
