-- Keeps true: slots that were started are not started again. $1 id, $2 slots.
select workflow_backfill_schedule($1, $2)
