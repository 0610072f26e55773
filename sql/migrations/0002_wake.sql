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
    'The name of the channel, replies or wake, of this installation: it carries the schema unless that is public.';

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
