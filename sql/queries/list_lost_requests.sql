-- Keeps true: an attempt whose request was given up, or is another's by now, is found by who still makes it.
-- $1 owner, $2 ids, $3 their attempts. Not in: hashed, whatever is known of the table, with thousands on both sides.
select h.id from unnest($2::uuid[], $3::integer[]) as h (id, attempt)
where (h.id, h.attempt) not in (select r.id, r.attempts from workflow_requests r where r.status = 'taken' and r.taken_by = $1)
