-- Keeps true: a direct-mode execution that no daemon holds in memory any more says so. $1 owner, $2 executions in hand,
-- $3 partitions. One that has not begun (turn 0) is lost to nobody: it is simply begun.
update workflow_executions e
set status = 'lost', problem = 'The daemon that held it in memory has ended.', wait_kind = null, wake_at = null,
    revision = e.revision + 1, updated_at = workflow_now(), ended_at = workflow_now()
from workflow_partitions p
where p.owner = $1 and ($3::smallint[] is null or p.number = any ($3)) and e.partition = p.number
    and e.mode = 'direct' and e.plan_hash is not null
    and e.status in ('running', 'waiting', 'paused') and e.turn > 0
    and not exists (select from unnest($2::uuid[]) held (id) where held.id = e.id)
returning e.id
