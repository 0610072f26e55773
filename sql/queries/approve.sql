-- Keeps true: an approval is decided once. $1 token, $2 decision, $3 by whom, $4 comment.
select changed, status, sentence from workflow_approve($1, $2, $3, $4)
