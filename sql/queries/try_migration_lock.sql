-- Keeps true: one migrator at a time in one schema. Never the blocking lock: that deadlocks with concurrent index builds.
select pg_try_advisory_lock(hashtext('stepwell migrate'), hashtext($1::text))
