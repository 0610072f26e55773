-- Deploying: bots by their names, and scripts that come as rows. A script that comes as a row is a pending source; the
-- daemon compiles it and says what came of it. What does not compile changes nothing.

alter table workflow_scripts add column origin text not null default 'folder' check (origin in ('folder', 'sql'));
comment on column workflow_scripts.origin is 'folder: it came from a folder of scripts, and goes when it is no longer there; sql: from workflow_deploy';

create table workflow_sources (
    id bigint generated always as identity primary key,
    bot_id uuid not null,
    path text not null,
    source text,
    status text not null default 'pending' check (status in ('pending', 'deployed', 'refused', 'replaced', 'withdrawn')),
    plan_hash text references workflow_plans (hash),
    problems jsonb not null default '[]',
    requested_at timestamptz not null default workflow_now(),
    done_at timestamptz
);
create index workflow_sources_pending on workflow_sources (bot_id, id) where status = 'pending';
create index workflow_sources_path on workflow_sources (bot_id, path, id);
comment on table workflow_sources is 'Scripts that came by workflow_deploy, and what came of them.';

-- Several in one transaction are compiled together. A null source withdraws the script at once.
create function workflow_deploy(bot uuid, path text, source text) returns bigint
    volatile security definer language plpgsql set search_path from current
as $$
#variable_conflict use_column
declare
    chosen constant uuid := coalesce(bot, '00000000-0000-0000-0000-000000000000');
    wanted constant text := case when lower(workflow_deploy.path) like '%.bas' then workflow_deploy.path else workflow_deploy.path || '.bas' end;
    made bigint;
begin
    perform workflow_check_bot(chosen);
    if coalesce(btrim(workflow_deploy.path), '') = '' or workflow_deploy.path ~ '(^/|(^|/)\.\.?(/|$)|\\)' then
        raise exception using errcode = 'SW040', message = format('%L is no path of a script.', workflow_deploy.path),
            hint = 'For example "ticket.bas" or "sales/offer.bas".';
    end if;
    if length(workflow_deploy.source) > 1000000 then
        raise exception using errcode = 'SW041',
            message = format('The script has %s characters; at most 1000000 are accepted.', length(workflow_deploy.source)),
            hint = 'Split it into several scripts.';
    end if;
    update workflow_sources s set status = 'replaced', done_at = workflow_now()
    where s.bot_id = chosen and s.path = wanted and s.status = 'pending';
    insert into workflow_sources (bot_id, path, source) values (chosen, wanted, workflow_deploy.source) returning id into made;
    if workflow_deploy.source is null then
        perform workflow_declare(chosen, wanted, '[]');
        delete from workflow_scripts s where s.bot_id = chosen and s.script = wanted;
        update workflow_sources s set status = 'withdrawn', done_at = workflow_now() where s.id = made;
    else
        perform pg_notify(workflow_channel('wake'), 'sources');
    end if;
    return made;
end
$$;
comment on function workflow_deploy(uuid, text, text) is 'The number of the deployment: the view workflow_deployments says what came of it.';

create view workflow_deployments with (security_invoker = true) as
select s.id, s.bot_id, s.path, s.status, s.plan_hash,
    (select format('%s:%s:%s: %s', p ->> 'file', p ->> 'line', p ->> 'column', p ->> 'message')
        from jsonb_array_elements(s.problems) p where p ->> 'severity' = 'error' limit 1) as error,
    s.problems, s.requested_at, s.done_at
from workflow_sources s;
comment on view workflow_deployments is
    'What came of scripts that came by workflow_deploy. problems: every error and warning with file, line, column, message, hint.';

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
