-- Keeps true: a request is answered once, by who holds the attempt, and its execution is told in the same transaction.
-- $1 owner, $2 array of answers, $3 attempts in all, $4 what follows a doubtful attempt: repeat or park.
select id, status from workflow_answer_requests($1, $2::jsonb, $3, $4)
