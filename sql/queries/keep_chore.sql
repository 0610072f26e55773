-- Keeps true: whoever does a chore still holds it. $1 name, $2 who, $3 seconds it is held.
update workflow_chores c set held_until = workflow_now() + make_interval(secs => $3) where c.name = $1 and c.holder = $2 returning true
