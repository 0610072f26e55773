"""The transaction of a turn that asks the database: each question can be undone alone, the turn comes at its end.

The first question needs no savepoint, because nothing stands before it: most turns ask once, and a savepoint is two
round trips. Once it is answered, each further one has its own.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import asyncpg

from daemon.migrations import Connection
from daemon.rows import LoadedExecution, Turn
from daemon.statements import query
from daemon.store_turns import NUL, arguments_of_turn, extras_json
from engine.effects import Query
from engine.events import QueryAnswered, QueryFailed
from engine.values import Value

TOOL = "tool:"
DATA = "data:"

# Statements whose first argument is the execution that asks, or its bot; the others are the step's.
ABOUT_EXECUTION = frozenset({"start_child", "approval_link"})
ABOUT_BOT = frozenset({"share_memory", "sync_memory"})

# Classes of SQLSTATE that say nothing about the question: the whole turn is tried again. Connection, rollback
# of the transaction, resources, not now (lock and statement time-outs, shutdown), system errors.
NOT_AN_ANSWER = ("08", "40", "53", "55", "57", "58", "25")


class TurnTransaction:
    """What a turn may do in its transaction. `committed` says whether its commit_turn was accepted."""

    def __init__(self, connection: Connection, owner: str) -> None:
        self._connection = connection
        self._owner = owner
        self._answered = False
        self.committed = False

    async def ask(self, asked: Query, execution: LoadedExecution) -> QueryAnswered | QueryFailed:
        """Run one question and return its answer, or why the database refused it; the transaction goes on.

        Raises asyncpg.PostgresError of the classes that concern the whole turn, InterfaceError, OSError.
        """
        try:
            answer = await self._answer(*_statement(asked, execution))
        except _Refused as refused:
            return QueryFailed(str(refused))
        except asyncpg.PostgresError as refused:
            if (refused.sqlstate or "").startswith(NOT_AN_ANSWER):
                raise
            return QueryFailed(_sentence(refused))
        try:
            return QueryAnswered(None if answer is None else json.loads(answer))
        except (ValueError, RecursionError) as error:  # nested beyond what any variable holds
            return QueryFailed(f"The answer of the database cannot be read: {error}.", "limit")

    async def _answer(self, name: str, arguments: tuple[object, ...]) -> str | None:
        """Run a statement; what it did is undone, and nothing else, where it is refused."""
        answer: str | None
        if self._answered:
            async with self._connection.transaction():
                answer = await self._connection.fetchval(query(name), *arguments)
            return answer
        try:
            answer = await self._connection.fetchval(query(name), *arguments)
        except asyncpg.PostgresError:
            if not self._connection.is_closed():
                await self._connection.execute(query("begin_anew"))
            raise
        self._answered = True
        return answer

    async def commit_turn(self, turn: Turn) -> bool:
        """Write the turn. False: it lost its race; what was asked is undone when the transaction ends."""
        arguments = arguments_of_turn(turn, self._owner)
        self.committed = await self._connection.fetchval(query("commit_turn"), *arguments) is not None
        if self.committed and (extras := extras_json([turn])) is not None:
            await self._connection.execute(query("write_extras"), extras)
        return self.committed


class _Refused(Exception):
    """The question cannot even be put to the database."""


def _statement(asked: Query, execution: LoadedExecution) -> tuple[str, tuple[object, ...]]:
    if asked.name.startswith(TOOL):
        function = asked.name.removeprefix(TOOL)
        values = _json(asked.arguments)
        return "call_tool", (function, values, execution.session_id, execution.id, execution.bot_id)
    if asked.name in ("publish_event", "fire_trigger"):
        return asked.name, (execution.id, _argument(asked.arguments[0]), _json(asked.arguments[1]))
    if asked.name in ABOUT_EXECUTION:
        return asked.name, (execution.id, *(_argument(a) for a in asked.arguments))
    if asked.name in ABOUT_BOT:
        return asked.name, (execution.bot_id, *(_argument(a) for a in asked.arguments))
    if asked.name.startswith(DATA):
        verb = asked.name.removeprefix(DATA)
        return "run_data", (execution.bot_id, verb, _json(asked.arguments[0]), _json(asked.arguments[1]))
    key = str(asked.arguments[0]) if asked.arguments else ""
    if "\0" in key or not key.isprintable():
        raise _Refused(f"{key!r} cannot be the name of a variable.")
    match asked.name:
        case "get_session_variable":
            return asked.name, (_session(execution), key)
        case "set_session_variable":
            return asked.name, (_session(execution), key, _json(asked.arguments[1]))
        case "get_bot_memory":
            return asked.name, (execution.bot_id, key)
        case "set_schedule":
            return asked.name, (execution.id, execution.bot_id, key, _json(asked.arguments[1]))
        case "clear_schedule":
            return asked.name, (execution.bot_id, key)
        case "set_bot_memory":
            return asked.name, (execution.bot_id, key, _json(asked.arguments[1]))
        case _:
            raise AssertionError(f"no statement is called {asked.name}")


def _argument(value: Value) -> object:
    """Return a step's argument as the driver takes it: text and whole numbers as they are, all else as JSON."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return _json(value)
    if isinstance(value, str) and "\0" in value:
        raise _Refused("The value cannot be stored: it holds the character NUL.")
    return value


def _session(execution: LoadedExecution) -> object:
    if execution.session_id is None:
        raise _Refused("This execution has no session, and so no session variables.")
    return execution.session_id


def _json(value: Value | Sequence[Value]) -> str:
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False)
        text.encode()
    except UnicodeEncodeError as refused:
        raise _Refused("The value cannot be stored: it holds half of a Unicode character.") from refused
    except ValueError as refused:
        raise _Refused(f"The value cannot be stored: {refused}.") from refused
    if NUL.search(text):
        raise _Refused("The value cannot be stored: it holds the character NUL.")
    return text


def _sentence(refused: asyncpg.PostgresError) -> str:
    parts = (getattr(refused, "message", None) or str(refused), getattr(refused, "hint", None))
    return " ".join(part for part in parts if part)
