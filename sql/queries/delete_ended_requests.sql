-- Keeps true: a request that ended and that nobody will hear of any more does not stay for ever. $1 hours.
-- The rows of answered requests go with the turn that hears the answer; these are the others. What is left of signals
-- to executions that ended at the same moment goes too.
with orphans as (
    delete from workflow_signals s using workflow_executions e
    where e.id = s.execution_id and e.ended_at < workflow_now() - make_interval(hours => $1)
        and e.status in ('completed', 'failed', 'cancelled', 'lost')
    returning s.id
)
delete from workflow_requests r
where r.id in (
    select x.id from workflow_requests x
    where x.status in ('done', 'failed', 'cancelled') and x.ended_at < workflow_now() - make_interval(hours => $1)
    limit 10000 for update skip locked
)
