-- Keeps true: each reply is taken once, in order.
select r.id, r.session_id, r.execution_id, r.turn, r.position, r.content, r.suggestions, r.recipient, r.created_at
from workflow_take_replies($1, $2) r
