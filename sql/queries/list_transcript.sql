-- Keeps true: the last lines, in the order they were said. $1 execution, $2 limit.
select said.who, said.recipient, said.content, said.turn, said.position, said.at from (
    select t.* from workflow_transcript t where t.execution_id = $1
    order by t.at desc, t.turn desc, t.position desc limit $2
) said order by said.at, said.turn, said.position
