-- Keeps true: one daemon at a time does a chore, and not before it is due again. $1 name, $2 who, $3 seconds it is held,
-- $4 seconds since it was last done.
update workflow_chores c set holder = $2, held_until = workflow_now() + make_interval(secs => $3)
where c.name = $1 and (c.held_until is null or c.held_until < workflow_now() or c.holder = $2)
    and (c.done_at is null or c.done_at <= workflow_now() - make_interval(secs => $4))
returning true
