-- Keeps true: the file applied under a number is known by its checksum.
select number, name, checksum from workflow_migrations order by number
