-- Keeps true: the name of a database reaches SQL only as a quoted identifier. $1 name.
select format('create database %I template template0', $1::text)
