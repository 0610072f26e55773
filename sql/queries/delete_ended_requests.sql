-- Keeps true: a request that ended and that nobody will hear of any more does not stay for ever. $1 hours.
-- The rows of answered requests go with the turn that hears the answer; these are the others. What is left of signals
-- to executions that ended at the same moment goes too.
with orphans as (
    delete from workflow_signals s
    where s.id = any (array(
        select x.id from (select y.id, y.execution_id from workflow_signals y order by y.id limit 10000) x
        cross join lateral (
            select from workflow_executions e
            where e.id = x.execution_id and e.ended_at < workflow_now() - make_interval(hours => $1)
                and e.status in ('completed', 'failed', 'cancelled', 'lost') limit 1
        ) ended
    ))
)
delete from workflow_requests r
where r.id = any (array(
    select x.id from workflow_requests x
    where x.status in ('done', 'failed', 'cancelled') and x.ended_at < workflow_now() - make_interval(hours => $1)
    order by x.ended_at limit 10000 for update skip locked
))
