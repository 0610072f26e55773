-- Keeps true: the name is quoted by PostgreSQL itself.
select format('create schema if not exists %I', $1::text)
