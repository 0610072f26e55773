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
    ('params_characters_max', '1000000', 'the longest params of a start that are accepted, in characters of JSON');

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
    primary key (bot_id, script)
);
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
    add column if not exists ended_at timestamptz;
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
create unique index workflow_executions_one_per_session on workflow_executions (session_id, script_path)
    where plan_hash is not null and session_id is not null and status in ('running', 'waiting', 'paused');
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

-- Append-only. When it needs partitioning by time, it becomes a partition of a new parent by `at`, whose key is then
-- (execution_id, turn, at); the view workflow_history is the public name and does not change.
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
