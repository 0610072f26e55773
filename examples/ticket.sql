-- What the tool CREATE of ticket.bas works on: see [tools.create] in stepwell.toml.

create table if not exists tickets (
    number bigint generated always as identity primary key,
    description text not null,
    session_id uuid,
    created_at timestamptz not null default now()
);

-- Runs in the turn's own transaction: the ticket and the conversation's new state are committed together.
create or replace function create_ticket(description text) returns bigint
    volatile language sql
as $$
    insert into tickets (description, session_id)
    values (description, nullif(current_setting('stepwell.session_id', true), '')::uuid)
    returning number
$$;
