-- Keeps true: a schedule is planned once, from the moment up to which it is settled. $1 id, $2 cron, $3 zone, $4 its one
-- moment, $5 the next slot, $6 what is wrong with it.
update workflow_schedules s set cron = coalesce(s.cron, $2), zone = coalesce(s.zone, $3), at = coalesce(s.at, $4), next_at = $5,
    planned = true, problem = $6
where s.id = $1 and not s.planned and not s.paused
