-- Keeps true: a schedule that was paused goes on from now. $1 id.
select o.changed, o.status, o.sentence from workflow_resume_schedule($1) o
