-- What scripts declare by standing there: deploying a script registers it, withdrawing the script takes it back.

create table workflow_declarations (
    bot_id uuid not null,
    script text not null,
    kind text not null,
    name text not null,
    data jsonb,
    declared_at timestamptz not null default workflow_now(),
    primary key (bot_id, script, kind, name),
    foreign key (bot_id, script) references workflow_scripts (bot_id, script) on delete cascade
);
create index workflow_declarations_named on workflow_declarations (kind, name);
comment on table workflow_declarations is
    'What deployed scripts declare: kind is schedule, webhook, form, tool. bot_id of zeros: for every bot.';

-- Makes the declarations of a script exactly these: an array of {"kind", "name", "data"}. Returns whether that changed any.
create function workflow_declare(bot uuid, script text, declared jsonb) returns boolean
    volatile language plpgsql set search_path from current
as $$
#variable_conflict use_column
declare
    gone bigint;
    changed bigint;
begin
    delete from workflow_declarations d
    where d.bot_id = bot and d.script = workflow_declare.script and not exists (
        select from jsonb_array_elements(declared) n where n ->> 'kind' = d.kind and n ->> 'name' = d.name);
    get diagnostics gone = row_count;
    insert into workflow_declarations as d (bot_id, script, kind, name, data)
    select bot, workflow_declare.script, n ->> 'kind', n ->> 'name', n -> 'data' from jsonb_array_elements(declared) n
    on conflict (bot_id, script, kind, name) do update set data = excluded.data, declared_at = excluded.declared_at
        where d.data is distinct from excluded.data;
    get diagnostics changed = row_count;
    return gone + changed > 0;
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
