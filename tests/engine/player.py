"""Plays a conversation on the bare engine: no database, a clock of its own, every state stored and reloaded."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from engine.codec import decode_plan, encode_plan
from engine.compiler import compile_script
from engine.effects import Effect, Log, Query, Reply
from engine.events import Event, MessageReceived, QueryAnswered, QueryFailed, TimedOut
from engine.expressions import Moment
from engine.plan import Plan
from engine.policy import Policy
from engine.state import ExecutionState, decode_state, encode_state
from engine.stepper import Continue, Done, Suspend, advance, begin, deliver
from engine.values import Value
from engine.waits import ForMessage, deadline_of

SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}

Answer = Callable[[Query], Value]


class NeedsDatabase(Exception):
    """What is asked is of tables or files: the real daemon answers it in tests/chats."""


class Refused(Exception):
    """What a fake of the database raises for a statement that it refuses."""


@dataclass
class Player:
    """One execution and its transcript."""

    plan: Plan
    policy: Policy = field(default_factory=Policy)
    queries: Mapping[str, Answer] = field(default_factory=dict)
    store_every_slice: bool = True
    now: datetime = datetime(2026, 3, 14, 9, 26, tzinfo=UTC)
    transcript: list[str] = field(default_factory=list)
    logs: list[str] = field(default_factory=list)
    done: Done | None = None
    state: ExecutionState = field(init=False)
    memory: dict[tuple[str, str], Value] = field(default_factory=dict)
    random: random.Random = field(default_factory=lambda: random.Random(7))

    def __post_init__(self) -> None:
        self.state = begin(self.plan)

    def moment(self) -> Moment:
        return Moment(self.now, self.random, ZoneInfo("UTC"), "session")

    def run(self) -> None:
        """Run the turn to its end."""
        used = 0
        while True:
            result = advance(self.plan, self.state, self.moment(), self.policy, used)
            used += result.steps
            self.say(result.effects)
            self.state = result.state
            match result:
                case Continue(query=Query() as query):
                    self.state = deliver(self.state, self.answer(query))
                case Continue():
                    self.reload()
                case Suspend():
                    self.reload()
                    return
                case Done():
                    self.done = result
                    if result.failure:
                        self.transcript.append(f"failed: {result.failure}")
                    return

    def reload(self) -> None:
        if self.store_every_slice:
            self.state = decode_state(encode_state(self.state))

    def answer(self, query: Query) -> Event:
        try:
            if query.name in self.queries:
                return QueryAnswered(self.queries[query.name](query))
            if query.name.startswith("data:") or query.name == "read_file":
                raise NeedsDatabase(query.name)
            verb, scope = query.name.split("_", 1)
            key = (scope, str(query.arguments[0]))
            if verb == "set":
                self.memory[key] = query.arguments[1]
            return QueryAnswered(self.memory.get(key))
        except Refused as error:
            return QueryFailed(str(error))

    def say(self, effects: tuple[Effect, ...]) -> None:
        for effect in effects:
            match effect:
                case Reply(content=content, suggestions=suggestions, recipient=who):
                    to = f"@{who} " if who else ""
                    lines = content.split("\n")
                    self.transcript.append(f"bot: {to}{lines[0]}".rstrip())
                    self.transcript += [f"| {line}".rstrip() for line in lines[1:]]
                    if suggestions:
                        self.transcript.append(" ".join(f"[{s.label}]" for s in suggestions))
                case Log(text=text):
                    self.logs.append(text)
                case _:
                    pass

    def hear(self, text: str) -> None:
        """Deliver what the user says; the execution must wait for it."""
        assert isinstance(self.state.wait, ForMessage), self.transcript
        self.transcript.append(f"user: {text}".rstrip())
        self.state = deliver(self.state, MessageReceived(text))
        self.run()

    def after(self, length: timedelta) -> None:
        """Let time pass: what falls due does so at its moment."""
        end = self.now + length
        while self.done is None:
            due = deadline_of(self.state.wait)
            if due is None or due > end:
                break
            self.now = due
            self.state = deliver(self.state, TimedOut())
            self.run()
        self.now = end


def play(source: str, chat: str = "", **options: object) -> list[str]:
    """Return the transcript of a script against the user lines of a chat."""
    script = compile_script("test.bas", {"test.bas": source}, tools=("create",))
    again = decode_plan(encode_plan(script))
    assert again == script and again.hash == script.hash
    player = Player(again, **options)  # type: ignore[arg-type]
    player.run()
    for line in chat.splitlines():
        line = line.strip()
        if match := re.fullmatch(r"after (\d+) (second|minute|hour|day)s?", line):
            player.transcript.append(line)
            player.after(timedelta(seconds=int(match[1]) * SECONDS[match[2]]))
        elif line.startswith("user:"):
            player.hear(line[5:].strip())
    return player.transcript


def examples(docstring: str) -> Iterator[tuple[str, str]]:
    """Yield the script and the chat of every example in a keyword's documentation."""
    scripts = re.findall(r"```basic\n(.*?)```", docstring, re.DOTALL)
    chats = re.findall(r"```chat\n(.*?)```", docstring, re.DOTALL)
    assert len(scripts) == len(chats)
    yield from zip(scripts, chats, strict=True)
