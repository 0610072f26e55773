-- Keeps true: an event reaches everybody who waits for it, or one of those who wait later, whichever of the two commits
-- first. $1 names of events that somebody began to wait for, or null: all.
select workflow_tell_events($1::text[])
