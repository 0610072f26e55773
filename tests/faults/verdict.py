"""What must be true at the end, whatever was killed. Returns sentences; none means that all of it holds."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import Any
from uuid import UUID

import asyncpg

from tests.faults.bot_server import Talk
from tests.faults.conversation import expected_transcript

SHOWN_MAX = 3  # conversations that are shown side by side

EXECUTIONS = """
select id, session_id, status, turn, revision, problem from workflow_executions where plan_hash is not null
"""
TURNS = """
select execution_id, turn, revision, came_in ->> 'kind' as kind, coalesce(came_in ->> 'content', '') as content
from workflow_turns order by execution_id, turn
"""
REPLIES = """
select id, execution_id, turn, position, content, suggestions::text as suggestions from workflow_replies
order by execution_id, turn, position
"""
COUNTS = """
select (select count(*) from workflow_messages) as unheard,
    (select count(*) from workflow_replies where taken_at is null) as untaken,
    (select count(*) from workflow_message_ids) as message_ids,
    (select count(*) from tickets) as tickets
"""


async def judge(dsn: str, talks: Iterable[Talk]) -> list[str]:
    """Return every violation of what is promised."""
    talks = list(talks)
    connection = await asyncpg.connect(dsn)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            executions = await connection.fetch(EXECUTIONS)
            turns = _by_execution(await connection.fetch(TURNS))
            replies = _by_execution(await connection.fetch(REPLIES))
            tickets = await connection.fetch("select session_id, number, description from tickets")
            counts = await connection.fetchrow(COUNTS)
    finally:
        await connection.close()
    assert counts is not None
    violations = _judge_counts(counts, talks)
    by_session: dict[UUID, list[asyncpg.Record]] = {}
    for row in executions:
        by_session.setdefault(row["session_id"], []).append(row)
    shown = 0
    for talk in talks:
        session = talk.conversation.session_id
        mine = by_session.pop(session, [])
        if len(mine) != 1:
            violations.append(f"{talk.conversation} has {len(mine)} executions instead of 1")
            continue
        id_, numbers = mine[0]["id"], [t["number"] for t in tickets if t["session_id"] == session]
        wrong = _judge_execution(mine[0], turns.get(id_, []), replies.get(id_, []))
        if len(numbers) != 1:
            wrong.append(f"it has the tickets {numbers} instead of one")
        expected = expected_transcript(talk.conversation, numbers[0] if numbers else 0)
        actual = _transcript(turns.get(id_, []), replies.get(id_, []))
        if actual != expected:
            wrong.append("its transcript is not that of the bare engine")
        wrong += _judge_replies(talk, replies.get(id_, []))
        violations += [f"{talk.conversation}: {sentence}" for sentence in wrong]
        if wrong and shown < SHOWN_MAX:
            shown += 1
            violations.append(side_by_side(expected, actual))
    if by_session:
        violations.append(f"executions of sessions that nobody started: {list(by_session)}")
    return violations


def _judge_counts(counts: asyncpg.Record, talks: Sequence[Talk]) -> list[str]:
    said = sum(len(talk.conversation.answers) for talk in talks)
    wanted = {"unheard": 0, "untaken": 0, "message_ids": said, "tickets": len(talks)}
    return [f"{name}: {counts[name]} instead of {count}" for name, count in wanted.items() if counts[name] != count]


def _judge_execution(
    execution: asyncpg.Record, turns: Sequence[asyncpg.Record], replies: Sequence[asyncpg.Record]
) -> list[str]:
    wrong = []
    if execution["status"] != "completed":
        wrong.append(f"it is {execution['status']}: {execution['problem']}")
    numbers = [t["turn"] for t in turns]
    if numbers != list(range(1, execution["turn"] + 1)):
        wrong.append(f"its history has the turns {numbers}, the execution {execution['turn']}")
    if [t["revision"] for t in turns] != list(range(len(turns))):
        wrong.append(f"the revisions of its history are {[t['revision'] for t in turns]}")
    if execution["revision"] != len(turns):
        wrong.append(f"its revision is {execution['revision']} after {len(turns)} turns")
    places = [(r["turn"], r["position"]) for r in replies]
    for turn in {turn for turn, _ in places}:
        positions = [p for t, p in places if t == turn]
        if positions != list(range(1, len(positions) + 1)):
            wrong.append(f"the replies of turn {turn} have the positions {positions}")
    return wrong


def _judge_replies(talk: Talk, replies: Sequence[asyncpg.Record]) -> list[str]:
    said = [r["content"] for r in replies]
    seen = list(talk.replies.values())
    return [] if seen == said else [f"its user saw {len(seen)} replies, not in order these {len(said)}: {seen} {said}"]


def _transcript(turns: Sequence[asyncpg.Record], replies: Sequence[asyncpg.Record]) -> list[str]:
    """Return the conversation in the words of the bare engine's player."""
    lines: list[str] = []
    for turn in turns:
        if turn["kind"] == "message":
            lines.append(f"user: {turn['content']}".rstrip())
        for reply in (r for r in replies if r["turn"] == turn["turn"]):
            first, *rest = reply["content"].split("\n")
            lines.append(f"bot: {first}".rstrip())
            lines += [f"| {line}".rstrip() for line in rest]
            if reply["suggestions"]:
                lines.append(" ".join(f"[{s['label']}]" for s in json.loads(reply["suggestions"])))
    return lines


def _by_execution(rows: Sequence[asyncpg.Record]) -> dict[Any, list[asyncpg.Record]]:
    grouped: dict[Any, list[asyncpg.Record]] = {}
    for row in rows:
        grouped.setdefault(row["execution_id"], []).append(row)
    return grouped


def side_by_side(expected: Sequence[str], actual: Sequence[str]) -> str:
    """Show two transcripts next to each other, with a mark where they differ."""
    lines = [f"    {'without faults':<60} | with faults"]
    for one, other in zip_longest(expected, actual, fillvalue=""):
        lines.append(f"  {' ' if one == other else '!'} {one:<60} | {other}")
    return "\n".join(lines)
