-- Keeps true: the functions for other programs follow the daemon's configuration. $1 attempts, $2 first and $3 longest
-- pause in seconds.
update workflow_settings s set value = given.value
from (values ('request_attempts_max', $1::integer::text), ('request_backoff_seconds_first', $2::float8::text),
    ('request_backoff_seconds_max', $3::float8::text)) as given (key, value)
where s.key = given.key and s.value <> given.value
