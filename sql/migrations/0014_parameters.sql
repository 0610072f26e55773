-- Scripts as tools: what a script takes is known where it is started.

alter table workflow_scripts add column tool jsonb;
comment on column workflow_scripts.tool is
    'what the script declares by PARAM and DESCRIPTION: {"name", "description", "parameters": a JSON schema}; null: nothing';

-- Whether a value can be what a parameter's schema asks for; the script itself makes it fit exactly.
create function workflow_fits(schema jsonb, value jsonb) returns boolean
    immutable language sql set search_path from current
as $$
    select case
        when value is null or value = 'null' then true
        when schema -> 'enum' is not null and not exists (
            select from jsonb_array_elements_text(schema -> 'enum') c (choice) where lower(c.choice) = lower(value #>> '{}')) then false
        else case schema ->> 'type'
            when 'integer' then value #>> '{}' ~ '^\s*[-+]?\d+(\.0*)?\s*$'
            when 'number' then value #>> '{}' ~ '^\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*$'
            when 'array' then jsonb_typeof(value) = 'array'
            when 'object' then jsonb_typeof(value) = 'object'
            else true
        end
    end
$$;

-- Raises for params that a script cannot do with: one it needs is missing, or does not fit its type. The bot server's
-- param-* settings count as given.
create function workflow_check_params(script text, bot uuid, params jsonb) returns void
    stable language plpgsql set search_path from current
as $$
declare
    declared jsonb;
    given jsonb;
    wrong text;
    takes text;
begin
    select s.tool -> 'parameters' into declared from workflow_scripts s
    where s.script = workflow_check_params.script and s.bot_id in (bot, '00000000-0000-0000-0000-000000000000')
    order by s.bot_id = bot desc limit 1;
    if declared is null then
        return;
    end if;
    select coalesce(jsonb_object_agg(lower(p.key), p.value), '{}') into given from jsonb_each(coalesce(params, '{}')) p;
    select string_agg(p.key || coalesce(' (' || (p.value ->> 'type') || ')', ''), ', ' order by p.key) into takes
    from jsonb_each(declared -> 'properties') p;
    select name into wrong from jsonb_array_elements_text(declared -> 'required') name
    where coalesce(given -> name, 'null') = 'null' and coalesce(workflow_bot_parameters(bot) -> name, 'null') = 'null' limit 1;
    if wrong is not null then
        raise exception using errcode = 'SW015', message = format('The script %s needs the parameter %s.', script, wrong),
            hint = format('It takes %s. Make a PARAM that may be missing OPTIONAL, or give it a DEFAULT.', takes);
    end if;
    select p.key into wrong from jsonb_each(declared -> 'properties') p where not workflow_fits(p.value, given -> p.key) limit 1;
    if wrong is not null then
        raise exception using errcode = 'SW016',
            message = format('The parameter %s of %s does not fit: %s.', wrong, script, left((given -> wrong)::text, 200)),
            hint = format('It must be %s.', coalesce('one of ' || (declared -> 'properties' -> wrong ->> 'enum'), 'a value of the type '
                || (declared -> 'properties' -> wrong ->> 'type')));
    end if;
end
$$;

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
