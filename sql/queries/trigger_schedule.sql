-- Keeps true: an operator's start of a schedule says what it started. $1 id.
select o.changed, o.status, o.sentence from workflow_trigger_schedule($1) o
