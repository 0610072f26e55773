-- Keeps true: the beginning of an id names a request only if it is the only one. $1 low and $2 high end, as uuids.
select r.id from workflow_requests r where r.id between $1 and $2 order by r.id limit 2
