-- Keeps true: what ran once and was asked for by a script does not pile up; its key is remembered for a day.
delete from workflow_schedules s
where s.origin = 'execution' and s.planned and s.next_at is null and not s.paused and s.settled < workflow_now() - interval '1 day'
