-- What a script asks of the database inside its turn: tools, variables of the session, the memory of the bot.

create function workflow_find_tool(name text, given integer) returns oid
    stable language plpgsql set search_path from current
as $$
declare
    wanted_schema constant text := case when strpos(name, '.') > 0 then split_part(name, '.', 1) end;
    wanted constant text := case when strpos(name, '.') > 0 then substr(name, strpos(name, '.') + 1) else name end;
    near text;
    fitting oid[];
    takes text;
begin
    -- Unqualified: the schema of this installation first, then public.
    select array_agg(f.oid) filter (where given between f.pronargs - f.pronargdefaults and f.pronargs),
        string_agg(distinct case f.pronargdefaults when 0 then f.pronargs::text
            else format('%s to %s', f.pronargs - f.pronargdefaults, f.pronargs) end, ' or ')
        into fitting, takes
    from pg_proc f
    where f.proname = wanted and f.prokind = 'f' and f.provariadic = 0
        and f.pronamespace = (
            select n.oid from pg_namespace n join pg_proc g on g.pronamespace = n.oid and g.proname = wanted and g.prokind = 'f'
            where n.nspname in (wanted_schema, case when wanted_schema is null then current_schema() end,
                case when wanted_schema is null then 'public' end)
            order by n.nspname = current_schema() desc limit 1);
    if cardinality(fitting) = 1 then
        return fitting[1];
    elsif cardinality(fitting) > 1 then
        raise exception using errcode = 'SW021', message = format('The function %s is there more than once for %s argument(s).', name, given),
            hint = 'Give the variants names of their own.';
    elsif takes is not null then
        raise exception using errcode = 'SW021', message = format('The function %s does not take %s argument(s); it takes %s.', name, given, takes),
            hint = 'Arguments with a default may be left out from the end.';
    end if;
    select string_agg(c.name, ', ') into near from (
        select distinct f.proname::text as name, workflow_likeness(f.proname::text, wanted) as likeness
        from pg_proc f join pg_namespace n on n.oid = f.pronamespace
        where n.nspname in (coalesce(wanted_schema, current_schema()), 'public') and f.prokind = 'f'
            and f.proname not like 'workflow\_%' and workflow_likeness(f.proname::text, wanted) > 0.4
        order by likeness desc, name limit 3
    ) c;
    raise exception using errcode = 'SW020', message = format('There is no function %s in the database.', name),
        hint = coalesce('Did you mean one of these? ' || near || '.', 'Create it, or correct the tool''s entry in the configuration.');
end
$$;

-- The SQL of one argument: $1 is the JSON array of all.
create function workflow_argument(place integer, argument_type oid) returns text
    stable language sql set search_path from current
as $$
    select case
        when argument_type = 'jsonb'::regtype then format('($1 -> %s)', place)
        when argument_type = 'json'::regtype then format('($1 -> %s)::json', place)
        when t.typcategory = 'A' then format(
            'case when jsonb_typeof($1 -> %s) = ''array'' then array(select jsonb_array_elements_text($1 -> %s))::%s else ($1 ->> %s)::%s end',
            place, place, format_type(argument_type, null), place, format_type(argument_type, null))
        when t.typtype = 'c' then format('jsonb_populate_record(null::%s, nullif($1 -> %s, ''null''))', format_type(argument_type, null), place)
        else format('($1 ->> %s)::%s', place, format_type(argument_type, null))
    end
    from pg_type t where t.oid = argument_type
$$;

-- Says which argument does not fit its type; silent if all do.
create function workflow_check_arguments(function_name text, tool pg_proc, arguments jsonb) returns void
    volatile language plpgsql set search_path from current
as $$
begin
    for i in 0 .. jsonb_array_length(arguments) - 1 loop
        begin
            execute format('select %s', workflow_argument(i, tool.proargtypes[i])) using arguments;
        exception when others then
            raise exception using errcode = 'SW022',
                message = format('%s: argument %s%s must be %s, not %s.', function_name, i + 1,
                    coalesce(' (' || nullif(tool.proargnames[i + 1], '') || ')', ''), format_type(tool.proargtypes[i], null),
                    left((arguments -> i)::text, 200)),
                hint = 'The types are those of the PostgreSQL function.';
        end;
    end loop;
end
$$;

create function workflow_call(
    function_name text, arguments jsonb default '[]',
    session_id uuid default null, execution_id uuid default null, bot_id uuid default null
) returns jsonb
    volatile language plpgsql set search_path from current set plan_cache_mode = auto set enable_seqscan = on
as $$
declare
    tool pg_proc;
    call text;
    answer jsonb;
begin
    if jsonb_typeof(coalesce(arguments, 'null')) <> 'array' then
        raise exception using errcode = 'SW022', message = format('The arguments of %s must be a JSON array.', function_name),
            hint = 'For example: ["my printer is on fire", 3].';
    end if;
    select f.* into tool from pg_proc f where f.oid = workflow_find_tool(function_name, jsonb_array_length(arguments));
    select format('%s(%s)', tool.oid::regproc, coalesce(string_agg(workflow_argument(i, tool.proargtypes[i]), ', ' order by i), ''))
        into call from generate_series(0, jsonb_array_length(arguments) - 1) i;
    perform set_config('stepwell.session_id', coalesce(workflow_call.session_id::text, ''), true),
        set_config('stepwell.execution_id', coalesce(workflow_call.execution_id::text, ''), true),
        set_config('stepwell.bot_id', coalesce(workflow_call.bot_id::text, ''), true);
    -- Until this function ends: a tool finds the tables beside it, wherever it lives.
    perform set_config('search_path', format('%I, %I, public, pg_temp', tool.pronamespace::regnamespace::name, current_schema()), true);
    if tool.proretset then
        execute format('select coalesce(jsonb_agg(to_jsonb(answer)), ''[]'') from %s answer', call) into answer using arguments;
    elsif tool.prorettype = 'void'::regtype then
        execute format('select %s', call) using arguments;
    else
        execute format('select to_jsonb(%s)', call) into answer using arguments;
    end if;
    return coalesce(answer, 'null');
exception when data_exception or datatype_mismatch or cannot_coerce then
    perform workflow_check_arguments(function_name, tool, arguments);
    raise;
end
$$;
comment on function workflow_call(text, jsonb, uuid, uuid, uuid) is
    'Calls a function by name with JSON arguments. It may read stepwell.session_id, .execution_id and .bot_id by current_setting.';

create function workflow_session_variable(session_id uuid, key text) returns jsonb
    stable language plpgsql set search_path from current
as $$
#variable_conflict use_column
declare
    answer jsonb;
begin
    select v.value into answer from workflow_session_variables v
    where v.session_id = workflow_session_variable.session_id and v.key = workflow_session_variable.key;
    if found then
        return answer;
    end if;
    begin
        execute 'select s.context_data::jsonb -> $2 from user_sessions s where s.id = $1'
            into answer using workflow_session_variable.session_id, workflow_session_variable.key;
    exception when undefined_table or undefined_column or invalid_text_representation or insufficient_privilege then
        answer := null;
    end;
    return coalesce(answer, 'null');
end
$$;

create function workflow_set_session_variable(session_id uuid, key text, value jsonb) returns jsonb
    volatile language sql set search_path from current
as $$
    insert into workflow_session_variables as v (session_id, key, value) values (session_id, key, coalesce(value, 'null'))
    on conflict (session_id, key) do update set value = excluded.value, updated_at = excluded.updated_at
    returning v.value
$$;

create function workflow_bot_memory(bot_id uuid, key text) returns jsonb
    stable language plpgsql set search_path from current
as $$
#variable_conflict use_column
declare
    answer jsonb;
begin
    select m.value into answer from workflow_bot_memories m
    where m.bot_id = workflow_bot_memory.bot_id and m.key = workflow_bot_memory.key;
    if found then
        return answer;
    end if;
    begin
        execute 'select to_jsonb(m.value) from bot_memories m where m.bot_id = $1 and m.key = $2 limit 1'
            into answer using workflow_bot_memory.bot_id, workflow_bot_memory.key;
    exception when undefined_table or undefined_column or insufficient_privilege then
        answer := null;
    end;
    return coalesce(answer, 'null');
end
$$;

create function workflow_set_bot_memory(bot_id uuid, key text, value jsonb) returns jsonb
    volatile language sql set search_path from current
as $$
    insert into workflow_bot_memories as m (bot_id, key, value) values (bot_id, key, coalesce(value, 'null'))
    on conflict (bot_id, key) do update set value = excluded.value, updated_at = excluded.updated_at
    returning m.value
$$;

-- The server keeps them as text: what reads as a number or as true or false becomes one. A leading zero or more
-- than 15 digits is no number but a code.
create function workflow_bot_parameters(bot_id uuid) returns jsonb
    stable language plpgsql set search_path from current
as $$
declare
    answer jsonb;
begin
    execute $query$
        select jsonb_object_agg(lower(substr(c.config_key, 7)), case
            when c.config_value ~ '^-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,15})?$' then to_jsonb(c.config_value::numeric)
            when lower(c.config_value) in ('true', 'false') then to_jsonb(c.config_value::boolean)
            else to_jsonb(c.config_value) end)
        from bot_configuration c where c.bot_id = $1 and c.config_key like 'param-_%'
    $query$ into answer using workflow_bot_parameters.bot_id;
    return coalesce(answer, '{}');
exception when undefined_table or undefined_column or insufficient_privilege then
    return '{}';
end
$$;
