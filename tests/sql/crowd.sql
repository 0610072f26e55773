-- A large installation: what the plans of test_every_plan are made for. Ended and waiting executions, timers, children,
-- messages, replies, history over months, requests, signals, events, schedules, and everything else that grows.
-- Nobody stands in the way of loading it.
set session_replication_role = replica;
insert into workflow_plans select 'h' || n, 't' || n || '.bas', 'workflow', '{}', '{}', '1', now() - interval '50 days' from generate_series(1, 300) n;
insert into workflow_executions (id, workflow_name, state_json, status, session_id, script_path, plan_hash, mode, wait_kind, wake_at,
    start_order, partition, ended_at, start_key, parent_id, parent_number, turn, created_at)
select md5('e' || n)::uuid, 't', '{"version":1}', case when n % 2 = 0 then 'completed' else 'waiting' end, s, 'ticket.bas', 'p1',
    case when n % 50 = 1 then 'direct' else 'workflow' end,
    case when n % 2 = 1 then 'message' end, case when n % 20 = 1 then now() + make_interval(secs => n - 5000) end, n, workflow_partition(s),
    case when n % 2 = 0 then now() - make_interval(mins => n * 5) end, case when n % 10 = 0 then 'key ' || n end,
    case when n % 20 = 3 then md5('e' || n - 2)::uuid end, case when n % 20 = 3 then 1 end, 100, now() - interval '60 days'
from (select n, md5('s' || n)::uuid as s from generate_series(1, 20000) n) x;
update workflow_executions set status = 'running' where start_order % 200 = 1;
insert into workflow_timers select id, wake_at, partition from workflow_executions where wake_at is not null and status = 'waiting';
insert into workflow_messages (session_id, content, created_at, partition)
select s, 'x', now() - make_interval(mins => n * 12), workflow_partition(s)
from (select n, md5(case when n % 4 = 0 then 's' else 'nobody' end || n)::uuid as s from generate_series(1, 5000) n) x;
insert into workflow_message_ids select md5('s' || n)::uuid, 'x' || n, md5('e' || n)::uuid, now() - make_interval(mins => n * 5) from generate_series(1, 10000) n;
insert into workflow_replies (session_id, execution_id, turn, position, content, created_at, taken_at)
select md5('s' || n)::uuid, md5('e' || n)::uuid, t, 1, 'x', now() - make_interval(mins => n * 2), case when n % 10 > 0 then now() end
from generate_series(1, 10000) n, generate_series(1, 2) t;
insert into workflow_turns select md5('e' || n)::uuid, t, 0, 1, 1, 2, '{}', '{}', 1, 1, now() - make_interval(mins => n * 2) + make_interval(days => 27 * t)
from generate_series(1, 10000) n, generate_series(0, 2) t;
insert into workflow_requests (id, execution_id, number, bot_id, partition, kind, lane, payload, status, attempts, taken_by, lease_until, not_before, created_at, ended_at)
select workflow_request_id(md5('e' || n)::uuid, 1), md5('e' || n)::uuid, 1, md5('b')::uuid, n % 256,
    case n % 3 when 0 then 'http' when 1 then 'SEND FILE' else 'approval' end, 'host' || n % 7, '{}',
    case n % 5 when 0 then 'pending' when 1 then 'taken' when 2 then 'in_doubt' when 3 then 'done' else 'cancelled' end,
    1, case when n % 5 = 1 then 'd1' end, case when n % 15 = 1 then now() - interval '1 hour' end, now() - make_interval(secs => n - 3000), now() - make_interval(mins => n),
    case when n % 5 > 2 then now() - make_interval(mins => n) end
from generate_series(1, 8000) n;
insert into workflow_signals (execution_id, partition, kind, number, name, data, message, created_at)
select md5('e' || n)::uuid, workflow_partition(md5('s' || n)::uuid), case when n % 2 = 0 then 'event' else 'completed' end, 1, 'x', '{}', md5('v' || n)::uuid::text, now()
from generate_series(1, 6000) n;
insert into workflow_events (id, workflow_id, event_name, event_data_json, processed, bot_id, published_at, stage)
select md5('v' || n)::uuid, case when n % 3 = 0 then md5('e' || n)::uuid end, 'event ' || n % 500, '{}', n % 4 > 1, '00000000-0000-0000-0000-000000000000',
    now() - make_interval(mins => n * 8), case when n % 4 > 1 then 'told' when n % 400 = 1 then 'new' else 'early' end
from generate_series(1, 10000) n;
insert into workflow_event_waits select md5('e' || n)::uuid, 1, 'event ' || n % 700, '00000000-0000-0000-0000-000000000000', now() from generate_series(1, 4000) n;
insert into workflow_schedules (bot_id, key, script, what, variables, origin, execution_id, settled, next_at, planned, plan_hash, step, cron)
select '00000000-0000-0000-0000-000000000000', 'k' || n, case when n % 50 = 0 then 'ticket.bas' else 's' || n % 500 end, 'x', '{}', 'execution', md5('e' || n)::uuid, now() - make_interval(mins => n),
    case when n % 5 > 0 then now() + make_interval(mins => n - 5) end, n % 100 > 0, case when n % 9 = 0 then 'h' || (n % 300 + 1) end, case when n % 9 = 0 then 1 end, '0 9 * * *'
from generate_series(1, 6000) n;
insert into workflow_session_variables select md5('s' || n)::uuid, 'k', '1', now() from generate_series(1, 6000) n;
insert into workflow_bot_memories select md5('b' || n % 50)::uuid, 'k' || n, '1', now() from generate_series(1, 6000) n;
insert into workflow_start_keys select '00000000-0000-0000-0000-000000000000', 'old ' || n, md5('o' || n)::uuid from generate_series(1, 6000) n;
insert into workflow_sources (bot_id, path, source, status, plan_hash, done_at)
select '00000000-0000-0000-0000-000000000000', 'p' || n % 100, 'x', case when n > 995 then 'pending' else 'deployed' end, 'h' || (n % 300 + 1), now() - interval '60 days' from generate_series(1, 1000) n;
insert into workflow_scripts (bot_id, script, plan_hash) values (workflow_bot_id('other'), 'other.bas', 'h1');
insert into workflow_declarations (bot_id, script, kind, name, data) values ('00000000-0000-0000-0000-000000000000', 'ticket.bas', 'trigger', 'go', '{}');
set session_replication_role = origin;
create function crowd_tool(x integer) returns integer language sql return x + 1;
