"""Plays a conversation on the bare engine: no database, a clock of its own, every state stored and reloaded."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from daemon.chat_entries import (
    Decides,
    Driver,
    Ends,
    Entry,
    Publishes,
    TimePasses,
    UserSays,
    compared,
    differing,
    entry_lines,
    staged,
)
from daemon.chat_givens import Asks, GivenFailure, Givens, NeverAnswered, asked_of
from daemon.chats import parse_chat
from engine.beginning import begin
from engine.codec import decode_plan, encode_plan
from engine.compiler import compile_script
from engine.effects import Effect, Log, Query, Reply, Request
from engine.events import (
    ChildEnded,
    Event,
    EventPublished,
    MessageReceived,
    QueryAnswered,
    QueryFailed,
    RequestCompleted,
    RequestFailed,
    TimedOut,
)
from engine.expressions import Moment
from engine.plan import Plan
from engine.policy import Policy
from engine.state import ExecutionState, decode_state, encode_state
from engine.stepper import Continue, Done, Suspend, advance, deliver
from engine.values import Value
from engine.waits import ForChildren, ForEvent, ForRequest, deadline_of, parts_of, question_of

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
    schedules: list[tuple[Value, ...]] = field(default_factory=list)
    done: Done | None = None
    state: ExecutionState = field(init=False)
    memory: dict[tuple[str, str], Value] = field(default_factory=dict)
    random: random.Random = field(default_factory=lambda: random.Random(7))
    givens: Givens = field(default_factory=Givens)
    requests: dict[int, Request] = field(default_factory=dict)  # those that wait
    made: list[Request] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    events: list[EventPublished] = field(default_factory=list)  # that nobody has had
    children: dict[int, ChildEnded] = field(default_factory=dict)  # that have ended
    shown_kinds: frozenset[str] = frozenset()  # the kinds of request that the transcript shows

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
                    event = self.outcome()
                    if event is None:
                        return
                    self.state = deliver(self.state, event)
                    used = 0
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
            if query.name in ("publish_event", "start_child", "approval_link"):
                return QueryAnswered(getattr(self, query.name)(*query.arguments))
            if query.name.startswith("tool:") and query.name not in self.queries:
                raise Refused(f"There is no tool {query.name[5:]} in the configuration of this daemon.")
            if query.name in ("share_memory", "sync_memory"):
                raise Refused(f"There is no bot '{query.arguments[-1]}'.")
            if query.name in self.queries:
                return QueryAnswered(self.queries[query.name](query))
            if query.name in ("set_schedule", "clear_schedule"):
                self.schedules.append((query.name, *query.arguments))
                return QueryAnswered(None)
            if query.name.startswith("data:") or query.name == "read_file":
                raise NeedsDatabase(query.name)
            verb, scope = query.name.split("_", 1)
            key = (scope, str(query.arguments[0]))
            if verb == "set":
                self.memory[key] = query.arguments[1]
            return QueryAnswered(self.memory.get(key))
        except Refused as error:
            return QueryFailed(str(error))

    def outcome(self) -> Event | None:
        """Return what ends the wait at once, without anybody's doing: the answer of a request that a line gives.

        An event that came early is one, and a child that has ended. Approvals wait for a line that decides.
        """
        for part in parts_of(self.state.wait):
            if isinstance(part, ForEvent) and (early := self.take_event(part.name)) is not None:
                return early
            if isinstance(part, ForChildren) and (ended := self.take_child(part.children)) is not None:
                return ended
            request = self.requests.pop(part.number, None) if isinstance(part, ForRequest) else None
            if request is None:
                continue
            event = None if request.kind == "approval" else self.performed(request)
            if event is not None:
                return event
            self.requests[request.number] = request
        return None

    def performed(self, request: Request) -> Event | None:
        assert isinstance(request.payload, dict)
        try:
            return RequestCompleted(request.number, self.givens.answer(request.kind, request.payload))
        except NeverAnswered:
            return None
        except GivenFailure as failure:
            if failure.missing:
                self.remarks.append(failure.message)
                self.transcript.append(f"# {failure.message}")
            return RequestFailed(request.number, failure.message)

    def drive(self, driver: Driver) -> None:
        """Have happen what a line of a chat says."""
        match driver:
            case UserSays(text=text):
                self.hear(text)
            case TimePasses(length=length, written=written):
                self.transcript.append(written)
                self.after(length)
            case Publishes():
                self.transcript += entry_lines(driver)
                self.publish(driver)
            case Decides():
                self.transcript += entry_lines(driver)
                self.decide(driver)

    def publish(self, event: Publishes) -> None:
        """Publish an event: whoever waits for it hears it, now or later."""
        self.publish_event(event.name.lower(), event.data)
        early = self.outcome()
        if early is not None:
            self.state = deliver(self.state, early)
            self.run()

    def publish_event(self, name: str, data: Value) -> None:
        self.events.append(EventPublished(name, data))

    def take_event(self, name: str) -> EventPublished | None:
        found = next((e for e in self.events if e.name == name), None)
        if found is not None:
            self.events.remove(found)
        return found

    def start_child(self, target: str, variables: dict[str, Value], procedure: str = "") -> int:
        """Run a branch to its end: it shares transcript, memory and events."""
        if not procedure:
            raise Refused(f"There is no bot and no script '{target}'.")
        child = replace(self, done=None, children={})
        child.state = begin(self.plan, variables, procedure=procedure)
        child.run()
        assert child.done is not None, "a branch that waits is not played here"
        number = len(self.children) + 1
        failure = child.done.failure
        status = "failed" if failure else "completed"
        self.children[number] = ChildEnded(number, status, child.done.value, str(failure or ""))
        return number

    def take_child(self, numbers: tuple[int, ...]) -> ChildEnded | None:
        return next((self.children.pop(n) for n in numbers if n in self.children), None)

    def approval_link(self, number: int) -> dict[str, Value]:
        return {"token": f"token-{number}", "link": None, "mail": False, "timeout": 0}

    def decide(self, decision: Decides) -> None:
        """Answer the open approval."""
        for part in parts_of(self.state.wait):
            if isinstance(part, ForRequest) and part.kind == "approval":
                answer: Value = {
                    "approved": decision.approved,
                    "approver": decision.by or self.asked_alone(part.number),
                    "comment": decision.comment or None,
                }
                self.state = deliver(self.state, RequestCompleted(part.number, answer))
                self.run()
                return
        self.transcript.append("# no approval is open")

    def asked_alone(self, number: int) -> Value:
        """Return whom an approval was put to, where it was one person."""
        request = self.requests.get(number)
        people = request.payload.get("people") if request and isinstance(request.payload, dict) else None
        return people[0] if isinstance(people, list) and len(people) == 1 else None

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
                case Request(kind=kind, payload=dict(payload)):
                    self.requests[effect.number] = effect
                    self.made.append(effect)
                    if kind in self.shown_kinds:
                        self.transcript += entry_lines(asked_of(kind, payload))
                case _:
                    pass

    def hear(self, text: str) -> None:
        """Deliver what the user says; the execution must wait for it."""
        assert question_of(self.state.wait) is not None, self.transcript
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


def played(source: str, chat: str = "", **options: object) -> tuple[Player, tuple[Entry, ...]]:
    """Play a script against the lines of a chat; return the player, and what the chat says."""
    script = compile_script("test.bas", {"test.bas": source}, tools=("create",))
    again = decode_plan(encode_plan(script))
    assert again == script and again.hash == script.hash
    entries = parse_chat(chat).entries if chat.strip() else ()
    player = Player(again, **options)  # type: ignore[arg-type]
    asked = frozenset(entry.kind for entry in entries if isinstance(entry, Asks))
    player.shown_kinds = asked
    for driver, answers in staged(entries):
        for given in answers:
            player.givens.add(given)
        if driver is None:
            player.run()
        else:
            player.drive(driver)
    return player, entries


def play(source: str, chat: str = "", **options: object) -> list[str]:
    """Return the transcript of a script against the lines of a chat that drive it."""
    return played(source, chat, **options)[0].transcript


def difference(source: str, chat: str) -> str:
    """Return "" where a script gives the conversation of a chat, else both of them."""
    player, expected = played(source, chat)
    lines = ["fails: " + line[8:] if line.startswith("failed: ") else line for line in player.transcript]
    actual = parse_chat("\n".join(lines) or "ends").entries
    if player.done and not player.done.failure and lines:
        actual = (*actual, Ends())
    if differing(*compared(expected, actual)) is None and not player.remarks:
        return ""
    return "\n".join(["expected:", *chat.splitlines(), "", "actual:", *player.transcript])


def examples(docstring: str) -> Iterator[tuple[str, str]]:
    """Yield the script and the chat of every example in a keyword's documentation."""
    scripts = re.findall(r"```basic\n(.*?)```", docstring, re.DOTALL)
    chats = re.findall(r"```chat\n(.*?)```", docstring, re.DOTALL)
    assert len(scripts) == len(chats)
    yield from zip(scripts, chats, strict=True)
