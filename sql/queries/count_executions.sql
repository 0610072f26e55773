-- Keeps true: what the metrics show is what is in the table.
select c.status, c.mode, c.executions from workflow_counts c order by c.status, c.mode
