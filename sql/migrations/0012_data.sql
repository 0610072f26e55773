-- What data keywords ask: tables of a schema for each bot, reached through one function.
--
-- A statement comes as JSON. Names in it become identifiers of the bot's own schema by format('%I'); operators and
-- functions are those of this file; values are read out of $1, which is bound, by their place in it. So nothing that
-- a script or its user says is ever SQL. On top of that the statement runs as a role that may touch only such schemas.

create function workflow_data_schema(bot uuid, prefix text) returns text
    immutable strict parallel safe language sql
    return prefix || replace(bot::text, '-', '');
comment on function workflow_data_schema(uuid, text) is 'The schema that a bot''s tables are in.';

-- In PL/pgSQL, what every statement asks several times: a function in SQL that cannot be inlined is planned at every call.
create function workflow_data_table(place text, name text) returns oid
    stable strict language plpgsql set search_path from current
as $$
begin
    return (
        select c.oid from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname = place and c.relname = name and c.relkind in ('r', 'p', 'v', 'm', 'f')
    );
end
$$;

-- The column that a name means; `id` is also the key of a table that has no column of that name.
create function workflow_data_column(tab oid, wanted text, out name text, out kind regtype) returns record
    stable strict language plpgsql set search_path from current
as $$
begin
    select a.attname, a.atttypid into name, kind
    from pg_attribute a where a.attrelid = tab and a.attname = wanted and a.attnum > 0 and not a.attisdropped;
    if not found and wanted = 'id' then
        select a.attname, a.atttypid into name, kind
        from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
        where i.indrelid = tab and i.indisprimary and a.attnum > 0 and not a.attisdropped;
    end if;
end
$$;

create function workflow_data_made(tab oid) returns boolean
    stable strict language sql set search_path from current
    return coalesce(obj_description(tab, 'pg_class') = 'made by SAVE', false);
comment on function workflow_data_made(oid) is 'Whether a table was made of what was saved, and so takes new columns and wider types.';

create function workflow_data_fits(value text, kind regtype) returns boolean
    stable language plpgsql set search_path from current
as $$
begin
    if value is null or kind in ('text'::regtype, 'varchar'::regtype, 'bpchar'::regtype) then
        return true;
    elsif kind in ('int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'numeric'::regtype, 'float4'::regtype, 'float8'::regtype)
        and value !~ '^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$' then
        return false;
    end if;
    execute format('select ($1::%s) is null', case when kind in ('int2'::regtype, 'int4'::regtype, 'int8'::regtype)
        then 'numeric::' || kind else kind::text end) using value;
    return true;
exception when data_exception then
    return false;
end
$$;

-- The SQL of a JSON value on its way into a column of this type; "" is NULL where it is no text.
create function workflow_data_input(kind regtype, source text) returns text
    immutable language plpgsql set search_path from current
as $$
begin
    return case
        when kind in ('jsonb'::regtype, 'json'::regtype) then format('nullif(%s, ''null'')::%s', source, kind)
        when kind in ('text'::regtype, 'varchar'::regtype, 'bpchar'::regtype) then format('(%s #>> ''{}'')', source)
        when kind in ('int2'::regtype, 'int4'::regtype, 'int8'::regtype) then format('nullif(%s #>> ''{}'', '''')::numeric::%s', source, kind)
        else format('nullif(%s #>> ''{}'', '''')::%s', source, kind)
    end;
end
$$;

-- ── conditions ────────────────────────────────────────────────────────────────────────────────────────

-- An operand as SQL. `kind` is NULL for what is a value, which is then `given`; `at` is its place in $1.
create function workflow_data_operand(tab oid, operand jsonb, at text[], out code text, out kind regtype, out given jsonb) returns record
    stable language plpgsql set search_path from current
as $$
declare
    sort constant text := operand ->> 0;
    found record;
    a record;
    b record;
begin
    if sort in ('column', 'name') then
        select * into found from workflow_data_column(tab, lower(operand ->> 1));
        if found.name is not null then
            code := quote_ident(found.name);
            kind := found.kind;
            return;
        elsif sort = 'column' and workflow_data_made(tab) then
            code := 'null::text';
            kind := 'text';
            return;
        elsif sort = 'column' then
            perform workflow_data_refuse_column(tab, operand ->> 1);
        end if;
        given := operand -> 1;
        code := format('($1 #>> %L)', at || '1'::text);
    elsif sort = 'value' then
        given := operand -> 1;
        code := format('($1 #>> %L)', at || '1'::text);
    elsif sort = 'call' then
        select * into a from workflow_data_operand(tab, operand -> 2, at || '2'::text);
        if jsonb_array_length(operand) > 3 then
            select * into b from workflow_data_operand(tab, operand -> 3, at || '3'::text);
        end if;
        case operand ->> 1
            when 'lower', 'upper' then code := format('%s((%s)::text)', operand ->> 1, a.code); kind := 'text';
            when 'trim' then code := format('btrim((%s)::text)', a.code); kind := 'text';
            when 'length' then code := format('char_length((%s)::text)', a.code); kind := 'int4';
            when 'abs' then code := format('abs((%s)::numeric)', a.code); kind := 'numeric';
            when 'round' then code := format('round((%s)::numeric, %s)', a.code, coalesce(format('(%s)::int', b.code), '0')); kind := 'numeric';
            when 'date' then
                if a.kind in ('date'::regtype, 'timestamptz'::regtype, 'timestamp'::regtype) then
                    code := format('(%s)::date', a.code); kind := 'date';
                else
                    code := format('left((%s)::text, 10)', a.code); kind := 'text';
                end if;
            when 'year', 'month', 'day' then code := format('extract(%s from (%s)::timestamp)::int', operand ->> 1, a.code); kind := 'int4';
            when 'datediff' then code := format('((%s)::timestamp::date - (%s)::timestamp::date)', a.code, coalesce(b.code, 'null')); kind := 'int4';
        end case;
    elsif sort = 'arith' then
        select * into a from workflow_data_operand(tab, operand -> 2, at || '2'::text);
        select * into b from workflow_data_operand(tab, operand -> 3, at || '3'::text);
        if a.kind in ('date'::regtype, 'timestamptz'::regtype, 'timestamp'::regtype) and operand ->> 1 in ('+', '-') then
            code := format(case when jsonb_typeof(b.given) = 'string' then '(%s %s (%s)::interval)' else '(%s %s make_interval(secs => (%s)::float8))' end,
                a.code, operand ->> 1, b.code);
            kind := a.kind;
        else
            code := format(case operand ->> 1 when '+' then '(%s + %s)' when '-' then '(%s - %s)' when '*' then '(%s * %s)'
                when '/' then '(%s / %s)' else 'mod(%s, %s)' end,
                format('coalesce(nullif((%s)::text, '''')::numeric, 0)', a.code), format('coalesce(nullif((%s)::text, '''')::numeric, 0)', b.code));
            kind := 'numeric';
        end if;
    else
        raise exception using errcode = 'SW060', message = format('%s is no operand of a condition.', left(operand::text, 100)),
            hint = 'A column, a value, a word, a function or arithmetic.';
    end if;
end
$$;

create function workflow_data_refuse_column(tab oid, wanted text) returns void
    stable language plpgsql set search_path from current
as $$
begin
    raise exception using errcode = 'SW063',
        message = format('The table %s has no column %s.', (select c.relname from pg_class c where c.oid = tab), wanted),
        hint = 'It has ' || coalesce((select string_agg(a.attname, ', ' order by a.attnum) from pg_attribute a
            where a.attrelid = tab and a.attnum > 0 and not a.attisdropped), 'none') || '.';
end
$$;

-- A column (or what is made of columns) against a value: by the column's type where the value reads as one, else as text.
create function workflow_data_against(operator text, code text, kind regtype, given jsonb, param text, at text[]) returns text
    stable language plpgsql set search_path from current
as $$
declare
    said constant text := given #>> '{}';
    numbers constant regtype[] := array['int2', 'int4', 'int8', 'numeric', 'float4', 'float8']::regtype[];
begin
    if operator = '<>' then
        return format('(not coalesce(%s, false))', workflow_data_against('=', code, kind, given, param, at));
    elsif operator = '=' and said is null then
        return format('(%s is null)', code);
    elsif said is null then
        return 'false';
    elsif operator in ('like', 'ilike') then
        return format('(%s::text %s translate(%s, ''*?'', ''%%_''))', code, operator, param);
    elsif operator = 'contains' then
        return format('(strpos(%s::text, %s) > 0)', code, param);
    elsif operator = 'starts' then
        return format('starts_with(%s::text, %s)', code, param);
    elsif operator = 'ends' then
        return format('(right(%s::text, char_length(%s)) = %s)', code, param, param);
    elsif operator = '=' and said = '' then
        return format('(%s is null or %s::text = '''')', code, code);
    elsif kind = 'jsonb'::regtype then
        return format('(%s %s ($1 #> %L))', code, operator, at || '1'::text);
    elsif kind = any(numbers) and workflow_data_fits(said, 'numeric') then
        return format('(%s %s %s::%s)', code, operator, param, case when said ~ '^-?\d{1,18}$' then 'bigint' else 'numeric' end);
    elsif kind = 'text'::regtype and jsonb_typeof(given) = 'number' and operator <> '=' then
        return format('case when %s ~ ''^-?\d+(\.\d+)?$'' then %s::numeric %s %s::numeric else false end', code, code, operator, param);
    elsif kind <> all(numbers) and workflow_data_fits(said, kind) then
        return format('(%s %s %s::%s)', code, operator, param, kind);
    end if;
    return format('(%s::text %s %s)', code, operator, param);
end
$$;

create function workflow_data_compare(tab oid, operator text, l jsonb, l_at text[], r jsonb, r_at text[]) returns text
    stable language plpgsql set search_path from current
as $$
declare
    a record;
    b record;
begin
    if operator not in ('=', '<>', '<', '<=', '>', '>=', 'like', 'ilike', 'contains', 'starts', 'ends') then
        raise exception using errcode = 'SW060', message = format('%s is no comparison.', operator), hint = 'For example: =, <, like.';
    end if;
    select * into a from workflow_data_operand(tab, l, l_at);
    select * into b from workflow_data_operand(tab, r, r_at);
    if a.kind is not null and b.kind is null then
        return workflow_data_against(operator, a.code, a.kind, b.given, b.code, r_at);
    elsif a.kind is null and b.kind is not null and operator in ('=', '<>', '<', '<=', '>', '>=') then
        return workflow_data_against(translate(operator, '<>', '><'), b.code, b.kind, a.given, a.code, l_at);
    elsif a.kind is null or operator in ('like', 'ilike', 'contains', 'starts', 'ends') then
        return workflow_data_against(operator, format('(%s)::text', a.code), 'text', coalesce(b.given, '"?"'), format('(%s)::text', b.code), r_at);
    elsif (select x.typcategory <> y.typcategory from pg_type x, pg_type y where x.oid = a.kind and y.oid = b.kind) then
        return format('(%s::text %s %s::text)', a.code, operator, b.code);
    end if;
    return format('(%s %s %s)', a.code, operator, b.code);
end
$$;

create function workflow_data_condition(tab oid, tree jsonb, at text[]) returns text
    stable language plpgsql set search_path from current
as $$
declare
    sort constant text := tree ->> 0;
    said text;
    found record;
begin
    if sort in ('and', 'or') then
        select string_agg(workflow_data_condition(tab, part, at || (n - 1)::text), format(' %s ', sort) order by n) into said
        from jsonb_array_elements(tree) with ordinality e(part, n) where n > 1;
        return '(' || said || ')';
    elsif sort = 'not' then
        return format('(not coalesce(%s, false))', workflow_data_condition(tab, tree -> 1, at || '1'::text));
    elsif sort in ('null', 'true') then
        select * into found from workflow_data_operand(tab, tree -> 1, at || '1'::text);
        return format(case sort when 'null' then '(%s is null)'
            else '(coalesce(%s::text, '''') not in ('''', ''0'', ''false'', ''[]'', ''{}'', ''null''))' end, found.code);
    elsif sort = 'in' then
        select * into found from workflow_data_operand(tab, tree -> 1, at || '1'::text);
        -- Many values of a type: one array. Else one comparison each.
        if found.kind is not null and found.kind <> 'jsonb'::regtype and jsonb_array_length(tree) > 12 and not exists (
            select from jsonb_array_elements(tree) with ordinality e(part, n)
            where n > 2 and (part ->> 0 <> 'value' or coalesce(part ->> 1, '') = '' or not workflow_data_fits(part ->> 1, found.kind))
        ) then
            return format('(%s = any(array(select (part ->> 1)::%s from jsonb_array_elements($1 #> %L) with ordinality e(part, n) where n > 2)))',
                found.code, found.kind, at);
        end if;
        select string_agg(workflow_data_compare(tab, '=', tree -> 1, at || '1'::text, part, at || (n - 1)::text), ' or ' order by n) into said
        from jsonb_array_elements(tree) with ordinality e(part, n) where n > 2;
        return coalesce('(' || said || ')', 'false');
    end if;
    return workflow_data_compare(tab, sort, tree -> 1, at || '1'::text, tree -> 2, at || '2'::text);
end
$$;

create function workflow_data_where(tab oid, asked jsonb) returns text
    stable language sql set search_path from current
    return case when jsonb_typeof(asked -> 'where') = 'array' then workflow_data_condition(tab, asked -> 'where', '{where}') else 'true' end;

-- ── tables ────────────────────────────────────────────────────────────────────────────────────────────

-- Whoever changes what tables there are is alone in the bot's schema until his turn is committed.
create function workflow_data_prepare(place text) returns void
    volatile language plpgsql set search_path from current
as $$
begin
    perform pg_advisory_xact_lock(hashtextextended('stepwell data ' || place, 0));
    if not exists (select from pg_namespace n where n.nspname = place) then
        execute format('create schema %I', place);
    end if;
end
$$;

-- The type that holds these JSON values: numeric, boolean, text, or jsonb; NULL where all are null.
create function workflow_data_kind(rows jsonb, key text) returns text
    immutable language plpgsql set search_path from current
as $$
begin
    return (
        select case when bool_or(t in ('object', 'array')) then 'jsonb' when bool_and(t = 'number') then 'numeric'
            when bool_and(t = 'boolean') then 'boolean' else 'text' end
        from (select jsonb_typeof(r -> key) as t from jsonb_array_elements(rows) r) v where t is not null and t <> 'null' having count(*) > 0
    );
end
$$;

-- A table nobody declared: its columns are the names of what is saved, with a key of its own.
create function workflow_data_make(place text, name text, rows jsonb) returns oid
    volatile language plpgsql set search_path from current
as $$
declare
    tab oid;
    columns text;
begin
    perform workflow_data_prepare(place);
    tab := workflow_data_table(place, name);
    if tab is not null then
        return tab;
    end if;
    select string_agg(format('%I %s', k, workflow_data_kind(rows, k)), ', ' order by n) into columns
    from (select k, min(n) as n from jsonb_array_elements(rows) r, jsonb_object_keys(r) with ordinality e(k, n) group by k) names
    where k <> 'id' and workflow_data_kind(rows, k) is not null;
    execute format('create table %I.%I (id %s%s)', place, name,
        case when coalesce(workflow_data_kind(rows, 'id'), 'numeric') = 'numeric'
            and not exists (select from jsonb_array_elements(rows) r where (r ->> 'id') !~ '^-?\d{1,18}$')
            then 'bigint generated by default as identity primary key' else 'text primary key default gen_random_uuid()::text' end,
        coalesce(', ' || columns, ''));
    execute format('comment on table %I.%I is %L', place, name, 'made by SAVE');
    return workflow_data_table(place, name);
end
$$;

-- Columns for new names, wider types for values that do not fit: for a table that was made of what is saved.
create function workflow_data_widen(place text, name text, tab oid, rows jsonb) returns void
    volatile language plpgsql set search_path from current
as $$
declare
    key text;
    wanted text;
    found record;
begin
    for key in select distinct k from jsonb_array_elements(rows) r, jsonb_object_keys(r) k order by k loop
        wanted := workflow_data_kind(rows, key);
        select * into found from workflow_data_column(tab, key);
        if wanted is null then
            continue;
        elsif found.name is null then
            perform workflow_data_prepare(place);
            execute format('alter table %I.%I add column if not exists %I %s', place, name, key, wanted);
        elsif wanted = 'jsonb' and found.kind <> 'jsonb'::regtype then
            perform workflow_data_prepare(place);
            execute format('alter table %I.%I alter column %I type jsonb using to_jsonb(%I)', place, name, key, key);
        elsif found.kind <> 'jsonb'::regtype and exists (
            select from jsonb_array_elements(rows) r where nullif(r ->> key, '') is not null and not workflow_data_fits(r ->> key, found.kind)
        ) then
            perform workflow_data_prepare(place);
            if found.name = 'id' then
                execute format('alter table %I.%I alter column id drop identity if exists, alter column id type text using id::text,
                    alter column id set default gen_random_uuid()::text', place, name);
            else
                execute format('alter table %I.%I alter column %I type text using %I::text', place, name, key, key);
            end if;
        end if;
    end loop;
end
$$;

-- TABLE … END TABLE: makes the table, or adds and changes columns; nothing is dropped. True if anything changed.
create function workflow_data_declare(place text, asked jsonb) returns boolean
    volatile language plpgsql set search_path from current
as $$
declare
    name constant text := asked ->> 'table';
    tab oid := workflow_data_table(place, name);
    entry jsonb;
    kind text;
    line text;
    lines text[] := '{}';
    keys text[];
    changed boolean := false;
begin
    select array_agg(c ->> 'name') into keys from jsonb_array_elements(asked -> 'columns') c where (c ->> 'key')::boolean;
    perform workflow_data_prepare(place);
    for entry in select c from jsonb_array_elements(asked -> 'columns') c loop
        if entry ->> 'type' not in ('text', 'character varying', 'bigint', 'integer', 'numeric', 'double precision', 'boolean', 'date',
            'timestamp with time zone', 'time without time zone', 'jsonb', 'uuid', 'bytea') then
            raise exception using errcode = 'SW060', message = format('%s is no type of a column.', entry ->> 'type'), hint = 'For example: text, integer.';
        end if;
        kind := (entry ->> 'type') || coalesce('(' || (select string_agg(s::int::text, ',') from jsonb_array_elements_text(entry -> 'size') s) || ')', '');
        line := format('%I %s', entry ->> 'name', kind);
        if (entry ->> 'identity')::boolean then
            line := line || ' generated by default as identity';
        elsif entry -> 'default' ->> 0 = 'now' then
            line := line || format(' default (current_timestamp::%s)', entry ->> 'type');
        elsif entry -> 'default' ->> 0 = 'uuid' then
            line := line || format(' default (gen_random_uuid()::%s)', entry ->> 'type');
        elsif entry -> 'default' -> 1 is not null then
            line := line || format(' default %L', entry -> 'default' ->> 1);
        end if;
        line := line || case when (entry ->> 'not_null')::boolean then ' not null' else '' end || case when (entry ->> 'unique')::boolean then ' unique' else '' end;
        if entry ->> 'references' is not null then
            line := line || format(' references %I.%I', place, entry ->> 'references');
        end if;
        if tab is null then
            lines := lines || line;
        elsif (workflow_data_column(tab, entry ->> 'name')).name is distinct from entry ->> 'name' then
            execute format('alter table %I.%I add column %s', place, name, line);
            changed := true;
        elsif kind <> (select format_type(a.atttypid, a.atttypmod) from pg_attribute a where a.attrelid = tab and a.attname = entry ->> 'name') then
            execute format('alter table %I.%I alter column %I type %s using %I::text::%s', place, name, entry ->> 'name', kind, entry ->> 'name', kind);
            changed := true;
        end if;
    end loop;
    if tab is null then
        if keys is not null then
            lines := lines || format('primary key (%s)', (select string_agg(quote_ident(k), ', ') from unnest(keys) k));
        end if;
        execute format('create table %I.%I (%s)', place, name, array_to_string(lines, ', '));
        return true;
    elsif workflow_data_made(tab) then
        execute format('comment on table %I.%I is null', place, name);
    end if;
    return changed;
end
$$;

-- ── writing ───────────────────────────────────────────────────────────────────────────────────────────

-- Says which value does not fit its column; silent if all do.
create function workflow_data_check(tab oid, rows jsonb) returns void
    volatile language plpgsql set search_path from current
as $$
declare
    wrong record;
begin
    select k.key, k.value, (workflow_data_column(tab, k.key)).kind as kind into wrong
    from jsonb_array_elements(rows) r, jsonb_each(r) k
    where nullif(k.value #>> '{}', '') is not null and (workflow_data_column(tab, k.key)).kind not in ('jsonb'::regtype, 'json'::regtype)
        and not workflow_data_fits(k.value #>> '{}', (workflow_data_column(tab, k.key)).kind)
    limit 1;
    if found then
        raise exception using errcode = 'SW062',
            message = format('The column %s of the table %s holds %s, and %s is none.', wrong.key,
                (select c.relname from pg_class c where c.oid = tab), wrong.kind, left(wrong.value::text, 100)),
            hint = 'Correct the value, or declare the column with another type.';
    end if;
end
$$;

-- Values without names take the table's columns in their order; where there are fewer, what fills itself is left out.
create function workflow_data_name(tab oid, name text, lines jsonb) returns jsonb
    stable language plpgsql set search_path from current
as $$
declare
    every text[];
    needed text[];
    fitting text[];
    answer jsonb := '[]';
    line jsonb;
begin
    if tab is null then
        raise exception using errcode = 'SW063', message = format('The table %s is not there, so values need names.', name),
            hint = 'Declare it with TABLE … END TABLE, or save an object or variables with the columns'' names.';
    end if;
    select array_agg(a.attname order by a.attnum), array_agg(a.attname order by a.attnum) filter (where a.attidentity = '' and not (i.indrelid is not null and a.atthasdef))
        into every, needed
    from pg_attribute a left join pg_index i on i.indrelid = tab and i.indisprimary and i.indkey[0] = a.attnum
    where a.attrelid = tab and a.attnum > 0 and not a.attisdropped;
    for line in select l from jsonb_array_elements(lines) l loop
        fitting := case when jsonb_array_length(line) = cardinality(every) then every else needed end;
        if jsonb_array_length(line) > cardinality(fitting) then
            raise exception using errcode = 'SW062',
                message = format('The table %s has %s column(s), and %s values are given.', name, cardinality(fitting), jsonb_array_length(line)),
                hint = 'They are ' || array_to_string(fitting, ', ') || '.';
        end if;
        answer := answer || jsonb_build_array((select jsonb_object_agg(fitting[n], v) from jsonb_array_elements(line) with ordinality e(v, n)));
    end loop;
    return answer;
end
$$;

-- The SQL that adds rows with these columns ($1: an array of them) and answers with their ids. One row has a statement
-- of its own, which takes half as long to plan.
create function workflow_data_insert(place text, name text, tab oid, keys text[], replaces boolean, one boolean) returns text
    stable language plpgsql set search_path from current
as $$
declare
    primary_keys text[];
    key text;
    found record;
    names text[] := '{}';
    inputs text[] := '{}';
    conflict text := '';
    id constant text := coalesce((workflow_data_column(tab, 'id')).name, '');
begin
    foreach key in array keys loop
        select * into found from workflow_data_column(tab, key);
        if found.name is null then
            perform workflow_data_refuse_column(tab, key);
        end if;
        names := names || found.name;
        inputs := inputs || workflow_data_input(found.kind, format(case when one then '($1 -> 0 -> %L)' else '(r -> %L)' end, key));
    end loop;
    keys := names;
    select array_agg(a.attname::text) into primary_keys from pg_index i join pg_attribute a on a.attrelid = tab and a.attnum = any(i.indkey)
    where i.indrelid = tab and i.indisprimary;
    if replaces and primary_keys <@ keys then
        conflict := format(' on conflict (%s) do update set %s', (select string_agg(quote_ident(k), ', ') from unnest(primary_keys) k),
            (select string_agg(format('%I = excluded.%I', k, k), ', ') from unnest(keys) k where not k = any(primary_keys) or keys <@ primary_keys));
    end if;
    if one then
        return format('insert into %I.%I as t (%s) values (%s)%s returning jsonb_build_array(%s)', place, name,
            (select string_agg(quote_ident(k), ', ' order by n) from unnest(keys) with ordinality e(k, n)), array_to_string(inputs, ', '), conflict,
            case when id = '' then 'null::text' else 't.' || quote_ident(id) end);
    end if;
    return format('with added as (insert into %I.%I as t (%s) select %s from jsonb_array_elements($1) with ordinality e(r, n) order by n%s returning %s as id)
        select coalesce(jsonb_agg(to_jsonb(id)), ''[]'') from added', place, name,
        (select string_agg(quote_ident(k), ', ' order by n) from unnest(keys) with ordinality e(k, n)), array_to_string(inputs, ', '), conflict,
        case when id = '' then 'null::text' else 't.' || quote_ident(id) end);
end
$$;

-- A counted id goes on behind what somebody gave: the next one must not meet it.
create function workflow_data_count_on(place text, name text, rows jsonb) returns void
    volatile language plpgsql set search_path from current
as $$
declare
    counter text;
    highest bigint;
begin
    select max((r ->> 'id')::bigint) into highest from jsonb_array_elements(rows) r where r ->> 'id' ~ '^\d{1,18}$';
    if highest is not null then
        select pg_get_serial_sequence(format('%I.%I', place, name), a.attname) into counter
        from pg_attribute a where a.attrelid = workflow_data_table(place, name) and a.attname = 'id' and a.attidentity <> '';
        if counter is not null and highest > coalesce(pg_sequence_last_value(counter::regclass), 0) then
            perform setval(counter::regclass, highest);
        end if;
    end if;
end
$$;

-- ── reading and changing ──────────────────────────────────────────────────────────────────────────────

-- The role that data keywords run as: the configured one, else the one of `migrate --roles`; NULL where this session
-- may not become it, and so runs them as itself.
create function workflow_data_role(wanted text) returns text
    stable language plpgsql set search_path from current
as $$
declare
    chosen constant text := coalesce(nullif(wanted, ''), 'stepwell_data');
begin
    return case when pg_has_role(session_user, to_regrole(quote_ident(chosen)), 'member') then chosen end;
end
$$;

-- What was made before the role was there, or by somebody else, is opened to it.
create function workflow_data_open(place text, tab oid, role_name text) returns void
    volatile language plpgsql set search_path from current
as $$
begin
    if not has_schema_privilege(role_name, place, 'usage') then
        execute format('grant usage on schema %I to %I', place, role_name);
    end if;
    if not (has_table_privilege(role_name, tab, 'select') and has_table_privilege(role_name, tab, 'insert')) then
        execute format('grant select, insert, update, delete on %s to %I', tab::regclass, role_name);
    end if;
end
$$;

create function workflow_data_ordered(tab oid, wanted text) returns text
    stable language plpgsql set search_path from current
as $$
declare
    name constant text := (workflow_data_column(tab, wanted)).name;
begin
    if name is null and not workflow_data_made(tab) then
        perform workflow_data_refuse_column(tab, wanted);
    end if;
    return name;
end
$$;

-- By what is asked, then by the key, so that the order is always the same.
create function workflow_data_find(place text, name text, tab oid, asked jsonb, rows_max integer) returns text
    stable language sql set search_path from current
as $$
    select format('select json_agg(row_to_json(f.*)) from (select * from %I.%I where %s%s limit %s) f', place, name,
        workflow_data_where(tab, asked), coalesce(' order by ' || (
            select string_agg(part, ', ' order by n) from (
                select format('%I %s', c, case when (k ->> 1)::boolean then 'desc nulls last' else 'asc nulls first' end), n
                from jsonb_array_elements(asked -> 'order') with ordinality e(k, n), workflow_data_ordered(tab, k ->> 0) c where c is not null
                union all
                select quote_ident(a.attname), 1000 + a.attnum from pg_index i join pg_attribute a on a.attrelid = tab and a.attnum = any(i.indkey)
                where i.indrelid = tab and i.indisprimary
            ) o(part, n)), ''),
        least(coalesce((asked ->> 'limit')::bigint, rows_max + 1), rows_max + 1))
$$;

create function workflow_data_aggregate(place text, name text, tab oid, asked jsonb) returns text
    stable language plpgsql set search_path from current
as $$
declare
    called constant text := lower(asked ->> 'function');
    column_name text;
    code text := 'count(*)';
begin
    if called not in ('count', 'sum', 'avg', 'min', 'max') then
        raise exception using errcode = 'SW060', message = format('%s adds nothing up.', called), hint = 'COUNT, SUM, AVG, MIN or MAX.';
    elsif called <> 'count' or asked ->> 'field' <> '*' then
        column_name := (workflow_data_column(tab, asked ->> 'field')).name;
        if column_name is null then
            perform workflow_data_refuse_column(tab, asked ->> 'field');
        end if;
        code := case called when 'count' then format('count(nullif(%I::text, ''''))', column_name)
            when 'sum' then format('coalesce(sum(nullif(%I::text, '''')::numeric), 0)', column_name)
            when 'avg' then format('avg(nullif(%I::text, '''')::numeric)', column_name)
            else format('%s(%I)', called, column_name) end;
    end if;
    return format('select to_json(%s) from %I.%I where %s', code, place, name, workflow_data_where(tab, asked));
end
$$;

create function workflow_data_update(place text, name text, tab oid, asked jsonb) returns text
    stable language plpgsql set search_path from current
as $$
declare
    sets text[] := '{}';
    found record;
    value record;
    key text;
begin
    for key in select k from jsonb_object_keys(asked -> 'set') k loop
        select * into found from workflow_data_column(tab, key);
        if found.name is null and (workflow_data_made(tab) is not true or asked #> array['set', key] <> '["value", null]') then
            perform workflow_data_refuse_column(tab, key);
        elsif found.name is null then
            continue;
        end if;
        select * into value from workflow_data_operand(tab, asked -> 'set' -> key, array['set', key]);
        sets := sets || format('%I = %s', found.name, case when value.kind is null
            then workflow_data_input(found.kind, format('($1 #> %L)', array['set', key, '1']))
            when found.kind = 'jsonb'::regtype then format('to_jsonb(%s)', value.code) else format('(%s)::%s', value.code, found.kind) end);
    end loop;
    if cardinality(sets) = 0 then
        return format('select from %I.%I where %s', place, name, workflow_data_where(tab, asked));
    end if;
    return format('update %I.%I set %s where %s', place, name, array_to_string(sets, ', '), workflow_data_where(tab, asked));
end
$$;

-- Brings rows in one by one: each changes those with its key, else it is added.
create function workflow_data_merge(place text, name text, tab oid, asked jsonb, role_name text) returns bigint
    volatile language plpgsql set search_path from current
as $$
declare
    keys constant text[] := array(select jsonb_array_elements_text(asked -> 'by'));
    before constant text := current_setting('role');
    entry jsonb;
    changed bigint;
    key text;
    change text;
begin
    foreach key in array keys loop
        if (workflow_data_column(tab, key)).name is null then
            perform workflow_data_refuse_column(tab, key);
        end if;
    end loop;
    for entry in select r from jsonb_array_elements(asked -> 'rows') r loop
        changed := 0;
        if entry ?& keys then
            change := format('update %I.%I t set %s from (select $1 as r) s where %s', place, name,
                (select string_agg(format('%I = %s', c.name, workflow_data_input(c.kind, format('(s.r -> %L)', k))), ', ')
                 from jsonb_object_keys(entry) k, workflow_data_column(tab, k) c where c.name is not null),
                (select string_agg(format('t.%I = %s', c.name, workflow_data_input(c.kind, format('(s.r -> %L)', k))), ' and ')
                 from unnest(keys) k, workflow_data_column(tab, k) c));
            perform set_config('role', coalesce(role_name, before), true);
            execute change using entry;
            get diagnostics changed = row_count;
            perform set_config('role', before, true);
        end if;
        if changed = 0 then
            change := workflow_data_insert(place, name, tab, array(select k from jsonb_object_keys(entry) k order by k), false, true);
            perform set_config('role', coalesce(role_name, before), true);
            execute change using jsonb_build_array(entry);
            perform set_config('role', before, true);
        end if;
    end loop;
    return jsonb_array_length(asked -> 'rows');
end
$$;

-- Rows that go into a table which was made of what is saved: a name that has only NULLs is no column yet.
create function workflow_data_known(tab oid, rows jsonb) returns jsonb
    stable language plpgsql set search_path from current
as $$
declare
    known constant text[] := array(
        select k from (select distinct k from jsonb_array_elements(rows) r, jsonb_object_keys(r) k) keys
        where (workflow_data_column(tab, k)).name is not null
    );
begin
    return (
        select jsonb_agg((select coalesce(jsonb_object_agg(k, v), '{}') from jsonb_each(r) e(k, v)
            where k = any (known) and (k <> 'id' or v <> 'null')) order by n)
        from jsonb_array_elements(rows) with ordinality e(r, n)
    );
end
$$;

-- The SQL that adds one row, the most usual thing: told by one look at the catalogue where every name is a column's and
-- every value fits (in a table with columns of its own the database says so). NULL where more must be asked or done.
create function workflow_data_insert_one(place text, name text, tab oid, made boolean, entry jsonb, replaces boolean) returns text
    stable language plpgsql set search_path from current
as $$
declare
    keys int2[] := (select i.indkey from pg_index i where i.indrelid = tab and i.indisprimary);
    told record;
begin
    select count(*) as count, bool_and(c.attnum is not null and (not made or c.fits)) as fits,
        string_agg(quote_ident(c.key), ', ') as names,
        string_agg(workflow_data_input(c.kind, format('($1 -> %L)', c.key)), ', ') as inputs,
        array_agg(c.attnum) as given,
        string_agg(format('%I = excluded.%I', c.key, c.key), ', ') as every,
        string_agg(format('%I = excluded.%I', c.key, c.key), ', ') filter (where not c.attnum = any(keys)) as others
    into told
    from (
        select e.key, a.attnum, a.atttypid::regtype as kind, case jsonb_typeof(e.value)
            when 'null' then e.key <> 'id'
            when 'string' then a.atttypid in ('text'::regtype, 'jsonb'::regtype)
            when 'number' then a.atttypid in ('numeric'::regtype, 'text'::regtype, 'jsonb'::regtype)
                or a.atttypid = 'int8'::regtype and e.value::text ~ '^-?\d{1,18}$'
            when 'boolean' then a.atttypid in ('boolean'::regtype, 'text'::regtype, 'jsonb'::regtype)
            else a.atttypid = 'jsonb'::regtype end as fits
        from jsonb_each(entry) e
        left join pg_attribute a on a.attrelid = tab and a.attname = e.key and a.attnum > 0 and not a.attisdropped
    ) c;
    if told.fits is not true then
        return null;
    end if;
    return format('insert into %I.%I as t (%s) values (%s)%s returning jsonb_build_array(%s)', place, name, told.names, told.inputs,
        case when replaces and keys <@ told.given then format(' on conflict (%s) do update set %s',
            (select string_agg(quote_ident(a.attname), ', ') from pg_attribute a where a.attrelid = tab and a.attnum = any(keys)),
            coalesce(told.others, told.every)) else '' end,
        case when entry ? 'id' then 't.id' else coalesce('t.' || quote_ident((workflow_data_column(tab, 'id')).name), 'null::text') end);
end
$$;

-- SAVE and INSERT: rows with the same columns go in one statement. Answers with the ids.
create function workflow_data_save(place text, name text, tab oid, made boolean, rows jsonb, replaces boolean, role_name text) returns jsonb
    volatile language plpgsql set search_path from current
as $$
declare
    batch record;
    before constant text := current_setting('role');
    statement text;
    added jsonb;
    ids jsonb := '[]';
begin
    if jsonb_array_length(rows) = 1 then
        statement := workflow_data_insert_one(place, name, tab, made, rows -> 0, replaces);
        if statement is not null then
            perform set_config('role', coalesce(role_name, before), true);
            execute statement into added using rows -> 0;
            perform set_config('role', before, true);
            if rows -> 0 ->> 'id' ~ '^\d' then
                perform workflow_data_count_on(place, name, rows);
            end if;
            return coalesce(added, '[]');
        end if;
    end if;
    if made then
        perform workflow_data_widen(place, name, tab, rows);
        rows := workflow_data_known(tab, rows);
    end if;
    for batch in
        select keys, jsonb_agg(r order by n) as entries from (
            select r, n, array(select k from jsonb_object_keys(r) k order by k) as keys from jsonb_array_elements(rows) with ordinality e(r, n)
        ) each_row group by keys order by min(n)
    loop
        if cardinality(batch.keys) > 0 then
            statement := workflow_data_insert(place, name, tab, batch.keys, replaces, jsonb_array_length(batch.entries) = 1);
        else
            statement := format('with added as (insert into %I.%I default values returning id) select jsonb_agg(to_jsonb(id)) from added', place, name);
        end if;
        for n in 1 .. case when cardinality(batch.keys) > 0 then 1 else jsonb_array_length(batch.entries) end loop
            perform set_config('role', coalesce(role_name, before), true);
            execute statement into added using batch.entries;
            perform set_config('role', before, true);
            ids := ids || coalesce(added, '[]');
        end loop;
    end loop;
    perform workflow_data_count_on(place, name, rows);
    return ids;
end
$$;

-- Does what is asked of a table that is there or can be made.
create function workflow_data_run(place text, verb text, asked jsonb, role_name text, rows_max integer) returns json
    volatile language plpgsql set search_path from current
as $$
declare
    name constant text := asked ->> 'table';
    before constant text := current_setting('role');
    tab oid;
    made boolean;
    rows jsonb := asked -> 'rows';
    statement text;
    answer json;
    changed bigint;
begin
    select c.oid, coalesce(d.description = 'made by SAVE', false) into tab, made
    from pg_class c left join pg_description d on d.objoid = c.oid and d.classoid = 'pg_class'::regclass and d.objsubid = 0
    where c.relnamespace = to_regnamespace(quote_ident(place)) and c.relname = name and c.relkind in ('r', 'p', 'v', 'm', 'f');
    if asked ? 'positional' then
        rows := workflow_data_name(tab, name, asked -> 'positional');
    elsif verb = 'update' then
        select jsonb_build_array(jsonb_object_agg(k, v -> 1)) into rows from jsonb_each(asked -> 'set') e(k, v) where v ->> 0 = 'value';
    end if;
    if verb in ('save', 'insert', 'merge') and jsonb_array_length(rows) = 0 then
        return case verb when 'merge' then '0' else '[]' end;
    elsif tab is null and verb in ('save', 'insert', 'merge') then
        tab := workflow_data_make(place, name, rows);
        made := workflow_data_made(tab);
    elsif tab is null then
        return case when verb = 'find' then case when asked ? 'file' then null else '[]'::json end when verb <> 'aggregate' or lower(asked ->> 'function') in ('count', 'sum') then '0' else 'null' end;
    end if;
    if verb in ('merge', 'update') and made and rows is not null and rows <> '[null]' then
        perform workflow_data_widen(place, name, tab, rows);
        rows := workflow_data_known(tab, rows);
    end if;
    if role_name is not null then
        perform workflow_data_open(place, tab, role_name);
    end if;
    case verb
        when 'save', 'insert' then
            answer := workflow_data_save(place, name, tab, made, rows, verb = 'save', role_name)::json;
            return case when (asked ->> 'one')::boolean then answer -> 0 else answer end;
        when 'merge' then
            perform pg_advisory_xact_lock(hashtextextended('stepwell data', tab::bigint));
            return to_json(workflow_data_merge(place, name, tab, asked || jsonb_build_object('rows', rows), role_name));
        when 'find' then statement := workflow_data_find(place, name, tab, asked, rows_max);
        when 'aggregate' then statement := workflow_data_aggregate(place, name, tab, asked);
        when 'update' then statement := workflow_data_update(place, name, tab, asked);
        when 'delete' then statement := format('delete from %I.%I where %s', place, name, workflow_data_where(tab, asked));
    end case;
    perform set_config('role', coalesce(role_name, before), true);
    if verb in ('find', 'aggregate') then
        execute statement into answer using asked;
    else
        execute statement using asked;
        get diagnostics changed = row_count;
        answer := to_json(changed);
    end if;
    perform set_config('role', before, true);
    return case when verb = 'find' then coalesce(answer, '[]') else answer end;
exception when data_exception then
    -- The rows first: they can be told apart.
    perform workflow_data_check(tab, rows) where rows is not null and rows <> '[null]';
    raise;
end
$$;

create function workflow_data(bot uuid, verb text, asked jsonb, manner jsonb) returns json
    volatile language plpgsql set search_path from current set timezone = 'UTC' set datestyle = 'ISO, DMY' set enable_seqscan = on
    set plan_cache_mode = force_generic_plan
as $$
declare
    place constant text := workflow_data_schema(coalesce(bot, '00000000-0000-0000-0000-000000000000'), manner ->> 'prefix');
    name constant text := asked ->> 'table';
    rows_max constant integer := (manner ->> 'rows_max')::integer;
    answer json;
    said text;
begin
    perform set_config('TimeZone', coalesce(manner ->> 'zone', 'UTC'), true);
    if verb = 'table' then
        return to_json(workflow_data_declare(place, asked));
    end if;
    answer := workflow_data_run(place, verb, asked, workflow_data_role(manner ->> 'role'), rows_max);
    if verb = 'find' and json_array_length(answer) > rows_max then
        raise exception using errcode = 'SW061', message = format('FIND %s gives more than %s rows.', name, rows_max),
            hint = 'Give it a condition or a LIMIT, or raise [data] rows_max.';
    end if;
    return answer;
exception
    when unique_violation then
        get stacked diagnostics said = pg_exception_detail;
        raise exception using errcode = 'SW064', message = format('The table %s has a row with this key already: %s', name, said),
            hint = 'SAVE changes the row that is there; INSERT only adds.';
    when not_null_violation then
        get stacked diagnostics said = column_name;
        raise exception using errcode = 'SW064', message = format('The column %s of the table %s must have a value.', said, name),
            hint = 'Give it one, or declare the column without NOT NULL.';
    when foreign_key_violation then
        get stacked diagnostics said = pg_exception_detail;
        raise exception using errcode = 'SW064', message = format('The table %s and another refer to each other: %s', name, said),
            hint = 'What is referred to is saved first, and deleted last.';
    when data_exception then
        raise exception using errcode = 'SW062', message = format('The table %s: %s.', name, sqlerrm), hint = 'A value does not fit its column.';
    when undefined_function or datatype_mismatch or cannot_coerce then
        raise exception using errcode = 'SW060', message = format('What is asked of the table %s does not fit the types of its columns: %s.', name, sqlerrm),
            hint = 'Compare a column with values of its own type.';
    when insufficient_privilege then
        raise exception using errcode = 'SW065', message = format('The daemon may not do that with the table %s: %s.', name, sqlerrm),
            hint = 'Run stepwell migrate --roles, and let the daemon create schemas in this database.';
end
$$;
comment on function workflow_data(uuid, text, jsonb, jsonb) is
    'Runs a data keyword: find, aggregate, save, insert, update, delete, merge or table, in the schema of the bot.';

do $$
declare
    ours regprocedure;
begin
    for ours in
        select f.oid from pg_proc f
        where f.pronamespace = quote_ident(current_schema())::regnamespace and f.proname like 'workflow\_%'
            and pg_has_role(f.proowner, 'usage')
    loop
        execute format('revoke execute on function %s from public', ours);
    end loop;
end
$$;
