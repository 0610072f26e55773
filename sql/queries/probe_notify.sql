-- Keeps true: nobody is notified but the session that `doctor` listens with: the channel's name is drawn for the occasion.
select pg_notify($1, '');
