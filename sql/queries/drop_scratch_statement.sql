-- Keeps true: only a database of that very name is dropped, whoever is still connected to it. $1 name.
select format('drop database if exists %I with (force)', $1::text)
