-- Keeps true: what the demo shows is what is in the table. $1 session.
select t.number, t.description, t.created_at from tickets t where t.session_id = $1 order by t.number desc limit 1
