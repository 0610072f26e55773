-- Keeps true: what a turn asks of the world, and what it has taken from it, is one commit with its new position.
-- $1: an array of one object per turn that was written; workflow_write_extras says what is in them.
select workflow_write_extras($1::jsonb)
