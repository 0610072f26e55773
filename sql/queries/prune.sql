-- Keeps true: retention deletes only what nobody needs, in portions that may be interrupted; the database's clock says how old
-- a row is. $1 kind, $2 seconds after which it may go, $3 and $4 those for history of ended and of living executions (null:
-- kept), $5 where to go on, $6 rows of a portion, $7 whether to delete or only to count.
select p.deleted::text as deleted, p.next from workflow_prune($1, workflow_now() - make_interval(secs => $2),
    workflow_now() - make_interval(secs => $3), workflow_now() - make_interval(secs => $4), $5, $6, $7) p
