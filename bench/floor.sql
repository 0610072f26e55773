-- The least that a daemon of its own process needs: messages come as rows, and a turn is what bench_turn does in pgbench.sql, for
-- many turns at once, told to whoever waits for replies. No checks, no leases, no second index, no limits.
create table workflow_messages (
    id bigint generated always as identity primary key, session_id uuid not null, content text not null,
    half integer not null generated always as (get_byte(uuid_send(session_id), 15) & 1) stored
);
create table floor_states (session_id uuid primary key, revision bigint not null default 0, state text not null) with (fillfactor = 75);
create table floor_replies (id bigint generated always as identity primary key, session_id uuid not null, content text not null);
create table floor_turns (session_id uuid not null, revision bigint not null, came_in text not null, primary key (session_id, revision));

create function floor_wake() returns trigger language plpgsql as $$
begin
    perform pg_notify('floor_wake', '');
    return null;
end
$$;
create trigger floor_wake after insert on workflow_messages for each statement execute function floor_wake();

create function floor_turns(ids bigint[], states text[]) returns bigint language sql as $$
    with heard as (
        delete from workflow_messages m using unnest(ids, states) as t (id, state) where m.id = t.id
        returning m.session_id, m.content, t.state
    ), moved as (
        update floor_states s set revision = s.revision + 1, state = heard.state
        from heard where s.session_id = heard.session_id
        returning s.session_id, s.revision, heard.content
    ), said as (
        insert into floor_replies (session_id, content) select moved.session_id, moved.content from moved
    ), told as (
        insert into floor_turns (session_id, revision, came_in) select moved.session_id, moved.revision, moved.content from moved
    )
    select count(*) from (select pg_notify('workflow_replies', moved.session_id::text) from moved) t
$$;
