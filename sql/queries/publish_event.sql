-- Keeps true: an event is published by the commit of the turn that says so, once. $1 execution, $2 name, $3 data.
select workflow_publish_from($1, $2, $3::jsonb)
