-- Keeps true: a paused schedule starts nothing. $1 id.
select o.changed, o.status, o.sentence from workflow_pause_schedule($1) o
