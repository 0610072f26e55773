-- Keeps true: what a transaction creates lands in one schema, and nothing is looked up elsewhere.
select set_config('search_path', quote_ident($1::text) || ', pg_temp', true)
