-- Keeps true: from true on, a row committed for this owner notifies. $1 owner, $2 its partitions. On the listening connection.
select workflow_doze($1, $2::smallint[])
