-- Keeps true: every daemon knows when a chore was last done, whoever did it. $1 name.
select extract(epoch from c.done_at)::float8 from workflow_chores c where c.name = $1
