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
