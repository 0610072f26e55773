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
    'The name of the channel, replies or wake, of this installation: it carries the schema unless that is public.';

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
