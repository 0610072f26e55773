-- Keeps true: in the same transaction as the migration itself.
insert into workflow_migrations (number, name, checksum) values ($1, $2, $3)
