-- Keeps true: newest first, by key. $1 execution, $2 below this turn or null, $3 limit.
select t.turn, t.from_step, t.to_step, t.came_in, t.went_out, t.steps, t.duration_us, t.at
from workflow_turns t
where t.execution_id = $1 and ($2::integer is null or t.turn < $2)
order by t.turn desc limit $3
