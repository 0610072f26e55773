-- Keeps true: what was taken and not begun is as if it had never been, but for its lane, which is known now.
-- $1 owner, $2 ids, $3 their attempts, $4 their lanes.
update workflow_requests r set status = 'pending', taken_by = null, attempts = r.attempts - 1, lane = b.lane
from unnest($2::uuid[], $3::integer[], $4::text[]) as b (id, attempt, lane)
where r.id = b.id and r.status = 'taken' and r.taken_by = $1 and r.attempts = b.attempt
