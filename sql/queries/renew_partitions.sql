-- Keeps true: a lease is prolonged only by who still owns it; doing it twice is as good as once. $1 owner, $2 seconds.
update workflow_partitions p set lease_until = workflow_now() + make_interval(secs => $2)
where p.owner = $1
returning p.number
