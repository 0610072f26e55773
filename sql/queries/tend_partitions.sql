-- Keeps true: a partition has one owner, who lives; each daemon comes to its share and no more. $1 owner, $2 host, $3 process,
-- $4 version, $5 seconds of lease, $6 whether it stops, $7 executions in its memory, $8 owners that are gone for certain.
select partitions, epochs, share, daemons, others from workflow_tend($1, $2, $3, $4, $5, $6, $7, $8::text[])
