-- Places inside a turn's transaction where a test can hold it: a turn that reaches the place of the row in fault_stop
-- waits there for an advisory lock that the test holds. Only the test's database has this; the product knows nothing of it.
create table fault_stop (place text not null, turn integer not null);

-- Stable, all three: they read the execution as it was before the statement that they are called in.
create function fault_hold(place text, session uuid) returns void
    stable language plpgsql
as $$
begin
    if exists (
        select from fault_stop s join workflow_executions e on e.session_id = session
        where s.place = fault_hold.place and e.turn + 1 >= s.turn
    ) then
        perform pg_advisory_xact_lock_shared(4242);
    end if;
end
$$;

create function fault_place() returns trigger
    stable language plpgsql
as $$
begin
    if tg_op = 'DELETE' then
        perform fault_hold(tg_argv[0], old.session_id);
        return old;
    end if;
    perform fault_hold(tg_argv[0], new.session_id);
    return new;
end
$$;

create function fault_place_of_turn() returns trigger
    stable language plpgsql
as $$
begin
    perform fault_hold(tg_argv[0], (select e.session_id from workflow_executions e where e.id = new.execution_id));
    return new;
end
$$;

create trigger fault_place before update on workflow_executions
    for each row execute function fault_place('checkpoint');
create trigger fault_place before delete on workflow_messages
    for each row execute function fault_place('message');
create trigger fault_place before insert on workflow_replies
    for each row execute function fault_place('reply');
create trigger fault_place before insert on workflow_turns
    for each row execute function fault_place_of_turn('history');
create trigger fault_place before insert on workflow_session_variables
    for each row execute function fault_place('variable');
create trigger fault_place before insert on tickets
    for each row execute function fault_place('ticket');
