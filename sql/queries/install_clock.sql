-- Keeps true: in a scratch database time passes only when the player says so.
create table workflow_test_clock (one boolean primary key default true check (one), moment timestamptz not null);
insert into workflow_test_clock (moment) values ('2000-01-01 00:00:00Z');
create or replace function workflow_now() returns timestamptz
    stable parallel safe language sql
    return (select c.moment from workflow_test_clock c);
