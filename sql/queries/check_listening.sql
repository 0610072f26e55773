-- Keeps true: the listening connection is alive, and is still the session that listens. $1 channel.
select pg_backend_pid() as pid, exists (select from pg_listening_channels() l (channel) where l.channel = $1) as listening
