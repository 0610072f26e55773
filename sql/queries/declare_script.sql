-- Keeps true: a deployed script is registered for what stands in it, and for nothing else. $1 bot, $2 script, $3 declarations.
select workflow_declare($1, $2, $3::jsonb)
