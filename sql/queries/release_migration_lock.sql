-- Keeps true: the lock is given back by the connection that took it.
select pg_advisory_unlock(hashtext('stepwell migrate'), hashtext($1::text))
