-- Keeps true: what is given back is free at once. $1 owner, $2 partitions, or null: all, for good.
select workflow_release($1, $2::smallint[])
