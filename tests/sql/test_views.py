"""The views: who waits for what, who said what, what happened, where people drop out."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from daemon.migrations import Connection
from daemon.store import Store
from engine.effects import Reply
from tests.sql.world import CLOCK, ask, asking, close_store, deploy, move_clock, open_store, start, stop_clock


@pytest.fixture
async def store(database: str, connection: Connection) -> AsyncIterator[Store]:
    await stop_clock(connection)
    store = await open_store(database)
    await deploy(store)
    yield store
    await close_store(store)


async def test_waiting_shows_the_open_question_whole(store: Store, connection: Connection) -> None:
    session = uuid4()
    wait = {
        "kind": "message", "prompt_id": "q1", "type": "menu", "prompt": "Which?", "choices": ["a", "b"], "tries_left": 2,
        "deadline": "2030-01-01T13:00:00+00:00", "secret": True,
    }  # fmt: skip
    below = await ask(store, await start(connection, session), state_json=json.dumps({"wait": wait}), wake_at=CLOCK)
    top = await ask(
        store,
        await start(connection, session, "direct.bas"),
        state_json=json.dumps({"wait": {"kind": "time", "until": "2030-01-02T00:00:00Z"}}),
        wait_kind="time",
    )
    await move_clock(connection, timedelta(minutes=5))
    rows = {row["execution_id"]: row for row in await connection.fetch("select * from workflow_waiting")}
    menu, timer = rows[below.id], rows[top.id]
    assert (menu["kind"], menu["type"], menu["prompt"], json.loads(menu["choices"])) == (
        "message",
        "menu",
        "Which?",
        ["a", "b"],
    )
    assert (menu["prompt_id"], menu["tries_left"], menu["secret"], menu["hears"]) == ("q1", 2, True, False)
    assert (menu["since"], menu["deadline"]) == (CLOCK, CLOCK + timedelta(hours=1))
    assert (timer["kind"], timer["deadline"], timer["hears"]) == ("time", CLOCK + timedelta(hours=12), True)


async def test_f48_a_broken_checkpoint_does_not_break_the_view(store: Store, connection: Connection) -> None:
    broken, fine = await asking(store, connection), await asking(store, connection)
    await connection.execute("update workflow_executions set state_json = 'no json' where id = $1", broken.id)
    rows = {row["execution_id"]: row for row in await connection.fetch("select * from workflow_waiting")}
    assert rows[broken.id]["prompt"] is None and rows[broken.id]["kind"] == "message"
    assert rows[fine.id]["prompt"] == "And?"


async def test_the_transcript_is_who_said_what_in_order(store: Store, connection: Connection) -> None:
    session = uuid4()
    started = await start(connection, session)
    await ask(store, started, replies=(Reply("Name?"),))
    await move_clock(connection, timedelta(seconds=1))
    name = '{"kind": "message", "message": 1, "content": "Ana"}'
    await ask(store, started, came_in=name, replies=(Reply("Hi Ana"), Reply("PIN?")))
    await move_clock(connection, timedelta(seconds=1))
    pin = '{"kind": "message", "message": 2, "content": "1234", "shown": "****"}'
    await ask(store, started, came_in=pin, replies=(Reply("Thanks"),))
    said = await connection.fetch(
        "select who, content from workflow_transcript where session_id = $1 order by at, execution_id, turn, position",
        session,
    )
    assert [tuple(row) for row in said] == [
        ("bot", "Name?"), ("user", "Ana"), ("bot", "Hi Ana"), ("bot", "PIN?"), ("user", "****"), ("bot", "Thanks"),
    ]  # fmt: skip
    turns = await connection.fetch("select turn, from_step, to_step, script from workflow_history order by turn")
    assert [tuple(row) for row in turns] == [
        (1, 1, 2, "ticket.bas"),
        (2, 1, 2, "ticket.bas"),
        (3, 1, 2, "ticket.bas"),
    ]


def went_out(asked: bool = True, again: bool = False) -> str:
    return json.dumps({"replies": 1, "prompt": {"prompt_id": "q"} if asked else None, "asked_again": again, "log": []})


def came_in(kind: str) -> str:
    return json.dumps({"kind": kind, "message": 1, "content": "x"})


async def test_the_funnel_counts_where_people_go(store: Store, connection: Connection) -> None:
    async def turn(execution: UUID, kind: str, seconds: int = 0, **changes: Any) -> None:
        await move_clock(connection, timedelta(seconds=seconds))
        await ask(store, execution, came_in=came_in(kind), **{"went_out": went_out(), "current_step": 2} | changes)

    done: dict[str, Any] = {
        "status": "completed",
        "wait_kind": None,
        "went_out": went_out(asked=False),
        "current_step": 9,
    }
    answers, again, silent, gone, open_still = [await start(connection, uuid4()) for _ in range(5)]
    for one in (answers, again, silent, gone, open_still):
        await turn(one, "start")
    await turn(answers, "message", 10, current_step=4)
    await turn(answers, "message", 20, **done)
    await turn(again, "message", went_out=went_out(again=True))
    await turn(again, "message", 30, **done)
    await turn(silent, "timeout", **done)
    await connection.execute("select workflow_cancel($1)", gone)
    rows = await connection.fetch("select * from workflow_funnel order by step")
    assert [row["step"] for row in rows] == [2, 4]
    first, second = rows
    counted = ("reached", "answered", "asked_again", "dropped")
    assert [first[name] for name in counted] == [5, 2, 1, 2]
    assert [second[name] for name in counted] == [1, 1, 0, 0]
    assert (first["plan_hash"], first["seconds_to_answer_p50"], second["seconds_to_answer_p50"]) == (
        "p1",
        20,
        20,
    )
