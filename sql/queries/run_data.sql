-- Keeps true: a script reaches the tables of its own bot, and no others. $1 bot, $2 verb, $3 what is asked, $4 how.
select workflow_data($1, $2, $3::jsonb, $4::jsonb)
