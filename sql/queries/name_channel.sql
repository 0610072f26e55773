-- Keeps true: the channel of one installation is not that of another in the same database. $1 wake or replies.
select workflow_channel($1)
