-- The least a durable turn needs: the message is marked, a 1 KB checkpoint updated, a reply and a history row written.
create table bench_messages (id bigint primary key, content text not null, taken integer not null default 0);
create table bench_states (id bigint primary key, revision bigint not null default 0, state text not null) with (fillfactor = 50);
create table bench_replies (id bigint generated always as identity primary key, state bigint not null, content text not null);
create table bench_turns (state bigint not null, revision bigint not null, came_in text not null, primary key (state, revision));

insert into bench_messages select n, 'hello' from generate_series(1, 1000) n;
insert into bench_states select n, 0, repeat('x', 1000) from generate_series(1, 1000) n;

create function bench_turn(which bigint) returns void language plpgsql as $$
declare
    now_at bigint;
begin
    update bench_messages set taken = taken + 1 where id = which;
    update bench_states set revision = revision + 1, state = repeat(chr(97 + (revision % 26)::integer), 1000)
        where id = which returning revision into now_at;
    insert into bench_replies (state, content) values (which, 'hello');
    insert into bench_turns (state, revision, came_in) values (which, now_at, 'hello');
end
$$;
