-- Keeps true: the token is that of the request the turn is about to make. $1 execution, $2 number of the request.
select workflow_approval_link($1, $2)
