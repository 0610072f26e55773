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
