-- The tables of the bot server as it creates them, with rows of its own.
create table bots (id uuid primary key, name text not null);
create table user_sessions (id uuid primary key, user_id uuid not null, bot_id uuid not null references bots (id), context_data jsonb);
create table bot_memories (id uuid primary key default gen_random_uuid(), bot_id uuid not null, key text not null, value text not null);
create table bot_configuration (id uuid primary key default gen_random_uuid(), bot_id uuid not null, config_key text not null, config_value text not null);
create table workflow_executions (
    id uuid primary key, bot_id uuid not null references bots (id), workflow_name text not null,
    current_step integer not null default 1, state_json text not null, status text not null default 'running',
    created_at timestamptz not null default now(), updated_at timestamptz not null default now()
);
create index idx_executions_status on workflow_executions (status);
create index idx_executions_bot on workflow_executions (bot_id);
create table workflow_events (
    id uuid primary key, workflow_id uuid references workflow_executions (id), event_name text not null,
    event_data_json text, processed boolean not null default false, created_at timestamptz not null default now()
);
create index idx_events_processed on workflow_events (processed);
create index idx_events_name on workflow_events (event_name);
insert into bots values ('00000000-0000-0000-0000-0000000000b1', 'one'), ('00000000-0000-0000-0000-0000000000b2', 'two');
insert into user_sessions values ('00000000-0000-0000-0000-0000000000a1', gen_random_uuid(), '00000000-0000-0000-0000-0000000000b1', '{"lang": "pt", "k": 1}');
insert into bot_memories (bot_id, key, value) values ('00000000-0000-0000-0000-0000000000b1', 'tone', 'kind');
insert into bot_configuration (bot_id, config_key, config_value) values
    ('00000000-0000-0000-0000-0000000000b1', 'param-Max', '10'), ('00000000-0000-0000-0000-0000000000b1', 'param-zip', '01234'),
    ('00000000-0000-0000-0000-0000000000b1', 'param-open', 'true'), ('00000000-0000-0000-0000-0000000000b1', 'theme', 'dark');
insert into workflow_executions (id, bot_id, workflow_name, state_json) values
    ('00000000-0000-0000-0000-0000000000e1', '00000000-0000-0000-0000-0000000000b1', 'old', 'their own format');
insert into workflow_events (id, workflow_id, event_name) values
    (gen_random_uuid(), '00000000-0000-0000-0000-0000000000e1', 'started');
