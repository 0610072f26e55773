-- Keeps true: every partition is in one line: that of the daemon which owns it, or the last, of those that nobody owns.
select s.owner, s.host, s.pid, s.version, s.started_at, s.leaving, s.partitions, s.executions,
    extract(epoch from s.lease_left)::float8 as seconds, workflow_now() as now
from workflow_shares s
order by s.started_at nulls last, s.owner
