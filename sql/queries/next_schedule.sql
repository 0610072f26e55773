-- Keeps true: nobody sleeps longer than until the next slot. The seconds until then; 0 where one waits to be planned.
select case when exists (select from workflow_schedules s where not s.paused and not s.planned) then 0.0
    else extract(epoch from (select min(s.next_at) from workflow_schedules s where not s.paused and s.next_at is not null)
        - workflow_now())::double precision end
