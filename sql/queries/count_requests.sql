-- Keeps true: requests that nobody has answered are seen. The counts of operators and gauges.
select r.status, count(*) as requests from workflow_requests r where r.status in ('pending', 'taken', 'in_doubt') group by r.status
