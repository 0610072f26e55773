-- Keeps true: asking creates nothing. Two booleans: the schema is there; its table of migrations is.
select to_regnamespace(quote_ident($1::text)) is not null as schema_there,
    to_regclass(quote_ident($1::text) || '.workflow_migrations') is not null as migrations_there
