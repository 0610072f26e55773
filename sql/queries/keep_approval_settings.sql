-- Keeps true: links and tokens are what the configuration of the daemon says. $1 address, $2 seconds, $3 whether mail is sent, $4 secret or "".
select workflow_keep_approval_settings($1, $2, $3, $4)
