-- Keeps true: rows do not notify while the daemon looks for itself.
select pg_advisory_unlock_all()
