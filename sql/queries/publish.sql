-- Keeps true: an event is there once, for everybody who waits for it or for one who does later. $1 event, $2 data, $3 bot.
select workflow_publish($1, $2::jsonb, $3)
