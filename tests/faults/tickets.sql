-- The tool CREATE: the ticket is made in the turn's own transaction.
create table tickets (
    number bigint generated always as identity primary key,
    description text not null,
    session_id uuid not null
);
create function create_ticket(description text) returns bigint
    volatile language sql
as $$
    insert into tickets (description, session_id)
    values (description, current_setting('stepwell.session_id')::uuid)
    returning number
$$;
