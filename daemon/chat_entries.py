"""What a conversation in a file is made of, and how two conversations are compared."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from daemon.chat_givens import Asks, Given, asks_agree
from engine.values import Value

# The moment at which a conversation begins unless its file says another: any would do, this is 3/14 9:26.
CLOCK_DEFAULT = datetime(2026, 3, 14, 9, 26, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class BotSays:
    """A message of the bot. `buttons` None: the author does not say which there are."""

    text: str
    buttons: tuple[str, ...] | None = None
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class UserSays:
    """A message of the user."""

    text: str
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class TimePasses:
    """Nobody says anything for that long."""

    length: timedelta
    written: str = field(compare=False)
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Publishes:
    """Somebody publishes an event."""

    name: str
    data: Value = None
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Decides:
    """Somebody answers the open approval. `by` "": whoever it was put to."""

    approved: bool
    by: str = ""
    comment: str = ""
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Ends:
    """The script is over."""

    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Fails:
    """The script has failed; `text` is its error, or a part of it."""

    text: str
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Remark:
    """What a player found that no author writes: a message that nobody hears, a script that goes on."""

    text: str
    line: int = field(default=0, compare=False)


# What moves a conversation on; all other lines say what comes of it.
Driver: TypeAlias = UserSays | TimePasses | Publishes | Decides
Entry: TypeAlias = BotSays | Driver | Given | Asks | Ends | Fails | Remark


@dataclass(frozen=True, slots=True)
class Chat:
    """A conversation that a script must give. `source` is the file's text, `head` how many lines of it the
    header takes."""

    entries: tuple[Entry, ...]
    source: str
    head: int = 0
    script: str | None = None
    params: dict[str, Value] = field(default_factory=dict)
    clock: datetime = CLOCK_DEFAULT


# ── writing ────────────────────────────────────────────────────────────────────────────────────────


def entry_lines(entry: Entry) -> list[str]:
    """Return an entry as the lines of a file."""
    match entry:
        case BotSays(text=text, buttons=buttons):
            lines = _speech("bot", text)
            return [*lines, " ".join(f"[{label}]" for label in buttons)] if buttons else lines
        case UserSays(text=text):
            return _speech("user", text)
        case TimePasses(written=written):
            return [written]
        case Publishes(name=name, data=data):
            told = name if re.fullmatch(r"[^\s\"]+", name) else json.dumps(name, ensure_ascii=False)
            return [f"event {told}" if data is None else f"event {told} {json.dumps(data, ensure_ascii=False)}"]
        case Decides(approved=approved, by=by, comment=comment):
            said = ("approve" if approved else "reject") + (f" by {by}" if by else "")
            return [f"{said}: {comment}" if comment else said]
        case Asks(kind=kind, text=text):
            first, *rest = text.split("\n")
            return [f"asks {kind} {first}".rstrip(), *(f"| {line}".rstrip() for line in rest)]
        case Given(kind=kind, pattern=pattern):
            return [f"given {kind} {pattern}".rstrip()]
        case Ends():
            return ["ends"]
        case Fails(text=text):
            return [f"fails: {' '.join(text.split())}".rstrip()]
        case Remark(text=text):
            return [f"# {text}"]


def _speech(who: str, text: str) -> list[str]:
    first, *rest = text.split("\n")
    return [f"{who}: {first}".rstrip(), *(f"| {line}".rstrip() for line in rest)]


def transcript(entries: Sequence[Entry]) -> list[str]:
    """Return a conversation as the lines of a file."""
    return [line for entry in entries for line in entry_lines(entry)]


def turns_of(entries: Sequence[Entry]) -> Iterator[tuple[Driver | None, list[Entry]]]:
    """Yield each line that drives the conversation (None: its start) with what the script then does."""
    driver: Driver | None = None
    then: list[Entry] = []
    for entry in entries:
        if isinstance(entry, UserSays | TimePasses | Publishes | Decides):
            yield driver, then
            driver, then = entry, []
        else:
            then.append(entry)
    yield driver, then


def staged(entries: Sequence[Entry]) -> Iterator[tuple[Driver | None, tuple[Given, ...]]]:
    """Yield each line that drives the conversation with the answers that the world has learned before it.

    An answer counts from the turn in which it stands; behind the last that the bot does there, from the next.
    """
    carried: tuple[Given, ...] = ()
    for driver, then in turns_of(entries):
        done = [index for index, entry in enumerate(then) if not isinstance(entry, Given)]
        until = done[-1] if done else len(then)
        yield driver, (*carried, *(e for e in then[:until] if isinstance(e, Given)))
        carried = tuple(e for e in then[until:] if isinstance(e, Given))


# ── comparing ──────────────────────────────────────────────────────────────────────────────────────


def agrees(expected: Entry, actual: Entry) -> bool:
    """Say whether what happened is what the author wrote."""
    match expected, actual:
        case BotSays(text=wanted, buttons=buttons), BotSays(text=said, buttons=shown):
            return _trimmed(wanted) == _trimmed(said) and buttons in (None, shown or ())
        case Fails(text=wanted), Fails(text=said):
            return " ".join(wanted.split()).lower() in " ".join(said.split()).lower()
        case Asks(), Asks():
            return asks_agree(expected, actual)
        case _:
            return expected == actual


def compared(expected: Sequence[Entry], actual: Sequence[Entry]) -> tuple[tuple[Entry, ...], tuple[Entry, ...]]:
    """Return of two conversations what is compared: what was asked of the world only for the kinds of request of
    which the author says so at all."""
    told = {entry.kind for entry in expected if isinstance(entry, Asks)}
    return (
        tuple(entry for entry in expected if not isinstance(entry, Given)),
        tuple(entry for entry in actual if not isinstance(entry, Asks) or entry.kind in told),
    )


def differing(expected: Sequence[Entry], actual: Sequence[Entry]) -> int | None:
    """Return the index of the first entry in which two conversations differ, None where they agree.

    How the script ended is compared only where the author says so; a failure always is.
    """
    if not (expected and isinstance(expected[-1], Ends | Fails)) and actual and isinstance(actual[-1], Ends):
        actual = actual[:-1]
    for index in range(max(len(expected), len(actual))):
        if index >= len(expected) or index >= len(actual) or not agrees(expected[index], actual[index]):
            return index
    return None


def _trimmed(text: str) -> list[str]:
    """Return the lines of a message without what a file does not show: blanks at an end, and before the first word."""
    return [line.rstrip() for line in text.strip("\n").lstrip(" \t").split("\n")]
