-- The three group roles and what each may do, and nothing else. Safe to run again; run it again after a migration.
-- Run with search_path = the schema of the installation.
do $$
declare
    place constant text := quote_ident(current_schema());
    role_name text;
    ours record;
begin
    foreach role_name in array array['stepwell_client', 'stepwell_operator', 'stepwell_daemon'] loop
        begin
            execute format('create role %I nologin', role_name);
        exception when duplicate_object or unique_violation then
            null;
        end;
        execute format('grant usage on schema %s to %I', place, role_name);
    end loop;

    -- client: the insert, and the functions for clients.
    grant insert (session_id, content, attachments, external_id, execution_id, prompt_id, bot_id) on workflow_messages
        to stepwell_client;
    for ours in
        select f.oid::regprocedure as name, f.proname from pg_proc f
        where f.pronamespace = quote_ident(current_schema())::regnamespace and f.proname like 'workflow\_%'
    loop
        execute format('grant execute on function %s to stepwell_daemon', ours.name);
        if ours.proname in ('workflow_start', 'workflow_send', 'workflow_take_replies', 'workflow_channel',
            'workflow_take_requests', 'workflow_complete', 'workflow_fail', 'workflow_publish', 'workflow_approve', 'workflow_trigger',
            'workflow_schedule', 'workflow_bot_id') then
            execute format('grant execute on function %s to stepwell_client', ours.name);
        end if;
        if ours.proname in ('workflow_cancel', 'workflow_pause', 'workflow_resume', 'workflow_retry', 'workflow_channel',
            'workflow_retry_request', 'workflow_complete_request', 'workflow_fail_request', 'workflow_publish', 'workflow_approve', 'workflow_trigger',
            'workflow_pause_schedule', 'workflow_resume_schedule', 'workflow_trigger_schedule', 'workflow_backfill_schedule',
            'workflow_schedule', 'workflow_schedule_status', 'workflow_deploy', 'workflow_bot_id',
            'workflow_read_json', 'workflow_hearer', 'workflow_bots_of_caller', 'workflow_now') then
            execute format('grant execute on function %s to stepwell_operator', ours.name);
        end if;
    end loop;

    -- operator: reads the views, which run with the reader's rights, and so what is behind them.
    grant select on workflow_executions, workflow_turns, workflow_replies, workflow_messages, workflow_plans, workflow_scripts,
        workflow_partitions, workflow_daemons, workflow_shares, workflow_waiting, workflow_history, workflow_transcript, workflow_funnel, workflow_counts,
        workflow_requests, workflow_requests_open, workflow_approvals,
        workflow_schedules, workflow_timetable, workflow_declarations, workflow_sources, workflow_deployments
        to stepwell_operator;

    -- daemon: the tables of this schema that are ours, the server's two among them.
    for ours in
        select c.oid::regclass as name, c.relkind from pg_class c
        where c.relnamespace = quote_ident(current_schema())::regnamespace and c.relname like 'workflow\_%' and c.relkind in ('r', 'p', 'v', 'S')
    loop
        execute format('grant %s on %s to stepwell_daemon',
            case when ours.relkind in ('r', 'p') then 'select, insert, update, delete' when ours.relkind = 'S' then 'usage, select' else 'select' end, ours.name);
    end loop;
    -- What is read where it exists.
    for ours in
        select c.oid::regclass as name from pg_class c
        where c.relnamespace = quote_ident(current_schema())::regnamespace and c.relkind in ('r', 'v', 'p')
            and c.relname in ('bots', 'user_sessions', 'bot_memories', 'bot_configuration')
    loop
        execute format('grant select on %s to stepwell_daemon', ours.name);
    end loop;
end
$$;

-- data: what data keywords run as. It may enter the schemas of bots, as they come to be, and nothing of this one;
-- the daemon may become it, and make such schemas.
do $$
begin
    begin
        create role stepwell_data nologin;
    exception when duplicate_object or unique_violation then
        null;
    end;
    grant stepwell_data to stepwell_daemon;
    execute format('grant create on database %I to stepwell_daemon', current_database());
end
$$;

-- Bots apart. Everyone keeps the rows that his grants give him, except that clients and operators who are (members
-- of) a role of workflow_bot_roles are held to its bots. Owners and the daemon are not affected.
grant execute on function workflow_bots_of_caller() to stepwell_client, stepwell_operator;
do $$
declare
    kept text;
    rule text;
begin
    foreach kept in array array['workflow_executions', 'workflow_messages', 'workflow_turns', 'workflow_replies', 'workflow_requests',
        'workflow_schedules', 'workflow_declarations', 'workflow_sources'] loop
        execute format('alter table %I enable row level security', kept);
        execute format('drop policy if exists stepwell_everyone on %I', kept);
        execute format('drop policy if exists stepwell_bots on %I', kept);
        execute format('create policy stepwell_everyone on %I using (true) with check (true)', kept);
        rule := case when kept in ('workflow_executions', 'workflow_messages', 'workflow_requests',
                'workflow_schedules', 'workflow_declarations', 'workflow_sources')
            then 'bot_id = any ((select workflow_bots_of_caller())::uuid[])'
            else format('exists (select from workflow_executions e where e.id = %I.execution_id and e.bot_id = any ((select workflow_bots_of_caller())::uuid[]))', kept)
            end;
        execute format('create policy stepwell_bots on %I as restrictive to stepwell_client, stepwell_operator
            using ((select workflow_bots_of_caller()) is null or %s)', kept, rule);
    end loop;
end
$$;
