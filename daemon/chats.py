"""The `.chat` format: a conversation as people write it down, and how two of them are compared.

script: order.bas            optional, before everything else; the .bas of the same name unless given
params: {"vip": true}        optional: what the script is started with
clock: 2026-03-14 09:26      optional: when the conversation begins, UTC
# a comment
bot: What would you like?
| A line that goes on.
[Bread] [Milk]
user: Bread
after 10 minutes
given http GET /price answers {"euros": 3}      what the world outside answers, see daemon.chat_givens
asks http GET /price                            what it is asked
event paid {"amount": 3}
approve by ana@example.com: fine                or  reject
ends                         or  fails: part of the error
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches

from daemon.chat_entries import (
    CLOCK_DEFAULT,
    BotSays,
    Chat,
    Decides,
    Ends,
    Entry,
    Fails,
    Publishes,
    Remark,
    TimePasses,
    UserSays,
    differing,
    entry_lines,
    transcript,
    turns_of,
)
from daemon.chat_givens import Asks, Given, Unreadable, read_asks, read_given
from engine.values import Value

SECONDS = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400}
AFTER_SECONDS_MAX = 200 * 366 * 86_400
HEADERS = ("script", "params", "clock")
SPEECH = ("bot", "user", "fails")
WORDS = (
    *("bot:", "user:", "after", "given", "asks", "event", "approve", "reject", "ends", "fails:"),
    *("script:", "params:", "clock:"),
)
_HEADED = re.compile(r"(\w+)\s*:(.*)", re.DOTALL)
_AFTER = re.compile(r"after\s+(\d+)\s+(\w+)", re.IGNORECASE)
_WORLD = re.compile(r"(given|asks|event)(?:\s+(.*))?", re.IGNORECASE | re.DOTALL)
_EVENT = re.compile(r'("(?:\\.|[^"\\])*"|\S+)(?:\s+(.*))?', re.DOTALL)
_DECISION = re.compile(r"(approve|reject)(?:\s+by\s+([^:]*\S))?\s*(?::\s*(.*))?", re.IGNORECASE | re.DOTALL)
_BUTTONS = re.compile(r"(\[[^\[\]]*\]\s*)+")


class ChatError(Exception):
    """The file is no conversation; the message has a line for every mistake in it."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(problems))


@dataclass(slots=True)
class _Reading:
    """A file while it is read."""

    name: str
    entries: list[Entry] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    head: int = 0
    problems: list[str] = field(default_factory=list)
    params: dict[str, Value] = field(default_factory=dict)
    clock: datetime = CLOCK_DEFAULT

    def wrong(self, line: int, sentence: str) -> None:
        self.problems.append(f"{self.name}:{line}: {sentence}")


def parse_chat(text: str, name: str = "chat") -> Chat:
    """Return the conversation that a text writes down. Raises ChatError, every mistake as `name:line: sentence`."""
    reading = _Reading(name)
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        stripped = line.strip()
        if world := _WORLD.fullmatch(stripped):
            more = [] if world[1].lower() == "event" else _continued(lines[number:])
            _read_world(reading, number, "\n".join([stripped, *more]))
        elif stripped and not stripped.startswith("#"):
            _read_line(reading, number, line.rstrip(), stripped)
    if not reading.entries and not reading.problems:
        reading.wrong(1, "there is no conversation in this file; begin with a line such as bot: Hello")
    if reading.problems:
        raise ChatError(reading.problems)
    entries = tuple(reading.entries)
    return Chat(entries, text, reading.head, reading.headers.get("script"), reading.params, reading.clock)


def _continued(lines: Sequence[str]) -> Iterator[str]:
    """Yield the lines at the beginning that go on with the one above them, without their sign."""
    for line in lines:
        if not line.lstrip().startswith("|"):
            return
        yield line.strip()[1:].removeprefix(" ")


def _read_world(reading: _Reading, number: int, lines: str) -> None:
    """Read a line about the world outside, with those that go on with it."""
    match = _WORLD.fullmatch(lines)
    assert match is not None, "the first of the lines has matched"
    word, text = match[1].lower(), match[2] or ""
    if not _is_over(reading, number):
        try:
            reading.entries.append(_world_entry(word, text, number))
        except Unreadable as error:
            reading.wrong(number, str(error))
            reading.entries.append(Given("", "", line=number))  # the lines that go on with it are no mistakes


def _world_entry(word: str, text: str, number: int) -> Entry:
    if word == "given":
        return read_given(text, number)
    if word == "asks":
        return read_asks(text, number)
    event = _EVENT.fullmatch(text)
    if event is None:
        raise Unreadable('event needs a name: event paid {"amount": 3}')
    try:
        name = json.loads(event[1]) if event[1].startswith('"') else event[1]
        return Publishes(name, json.loads(event[2]) if event[2] else None, number)
    except ValueError as error:
        raise Unreadable(f"what this event brings is no JSON: {error}") from None


def _is_over(reading: _Reading, number: int) -> bool:
    last = reading.entries[-1] if reading.entries else None
    if isinstance(last, Ends | Fails):
        reading.wrong(number, f"nothing can follow the line that says how the script ends (line {last.line})")
        return True
    return False


def _read_line(reading: _Reading, number: int, line: str, stripped: str) -> None:
    last = reading.entries[-1] if reading.entries else None
    if _is_over(reading, number):
        return
    if line.lstrip().startswith("|"):
        _continue(reading, number, line.lstrip()[1:].removeprefix(" "), last)
    elif stripped.startswith("[") and _BUTTONS.fullmatch(stripped):
        _read_buttons(reading, number, stripped, last)
    elif stripped.lower() == "ends":
        reading.entries.append(Ends(number))
    elif stripped.lower().startswith("after") and not stripped[5:6].isalnum() and not stripped[5:].startswith(":"):
        _read_after(reading, number, stripped)
    elif match := _DECISION.fullmatch(stripped):
        approved = match[1].lower() == "approve"
        reading.entries.append(Decides(approved, match[2] or "", (match[3] or "").strip(), number))
    elif (match := _HEADED.fullmatch(stripped)) and match[1].lower() in (*HEADERS, *SPEECH):
        _read_headed(reading, number, match[1].lower(), match[2].strip())
    else:
        _refuse(reading, number, stripped)


def _continue(reading: _Reading, number: int, text: str, last: Entry | None) -> None:
    match last:
        case BotSays(text=before, buttons=None, line=line):
            reading.entries[-1] = BotSays(f"{before}\n{text}", None, line)
        case UserSays(text=before, line=line):
            reading.entries[-1] = UserSays(f"{before}\n{text}", line)
        case Given() | Asks():
            pass  # read together with its first line
        case _:
            reading.wrong(number, "a line that begins with | goes on with a message, and none stands above it")


def _read_buttons(reading: _Reading, number: int, stripped: str, last: Entry | None) -> None:
    labels = tuple(label.strip() for label in re.findall(r"\[([^\[\]]*)\]", stripped))
    match last:
        case BotSays(text=text, buttons=buttons, line=line):
            reading.entries[-1] = BotSays(text, (*(buttons or ()), *labels), line)
        case _:
            reading.wrong(number, "buttons stand under a message of the bot, and none stands above them")


def _read_after(reading: _Reading, number: int, stripped: str) -> None:
    match = _AFTER.fullmatch(stripped)
    unit = match[2].lower().removesuffix("s") if match else ""
    if match is None:
        reading.wrong(number, "after needs a number and a unit: after 10 minutes")
    elif unit not in SECONDS:
        near = get_close_matches(unit, SECONDS, n=1)
        hint = f"did you mean {near[0]}s?" if near else "there are seconds, minutes, hours and days"
        reading.wrong(number, f"{match[2]} is no unit of time; {hint}")
    elif int(match[1]) * SECONDS[unit] > AFTER_SECONDS_MAX:
        reading.wrong(number, "no more than 200 years can pass at once")
    else:
        length = timedelta(seconds=int(match[1]) * SECONDS[unit])
        reading.entries.append(TimePasses(length, stripped, number))


def _read_headed(reading: _Reading, number: int, word: str, text: str) -> None:
    match word:
        case "bot":
            reading.entries.append(BotSays(text, None, number))
        case "user":
            reading.entries.append(UserSays(text, number))
        case "fails":
            reading.entries.append(Fails(text, number))
        case _ if any(not isinstance(entry, Given) for entry in reading.entries):
            reading.wrong(number, f"{word}: stands before the conversation, not inside it")
        case _ if word in reading.headers:
            reading.wrong(number, f"{word}: is there twice")
        case _:
            reading.headers[word] = text
            reading.head = number
            _read_header(reading, number, word, text)


def _read_header(reading: _Reading, number: int, word: str, text: str) -> None:
    match word:
        case "script" if not text:
            reading.wrong(number, "script: needs the name of a file: script: order.bas")
        case "params":
            try:
                params = json.loads(text)
            except ValueError:
                params = None
            if isinstance(params, dict):
                reading.params = params
            else:
                reading.wrong(number, 'params: must be a JSON object: params: {"vip": true}')
        case "clock":
            try:
                moment = datetime.fromisoformat(text)
                reading.clock = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
            except ValueError:
                reading.wrong(number, "clock: must be a date and a time: clock: 2026-03-14 09:26")
        case _:
            pass


def _refuse(reading: _Reading, number: int, stripped: str) -> None:
    word = stripped.split(maxsplit=1)[0].lower()
    near = get_close_matches(word, WORDS, n=1, cutoff=0.5) or get_close_matches(word + ":", WORDS, n=1, cutoff=0.6)
    if near and near[0] == f"{word}:":
        hint = f"after {word} stands a colon: {word}: text"
    elif near:
        hint = f"did you mean {near[0]}?"
    else:
        hint = "a line begins with bot:, user:, |, [button], after, given, asks, ends, fails: or #"
    reading.wrong(number, f"“{word}” begins no line of a conversation; {hint}")


# ── writing it anew ────────────────────────────────────────────────────────────────────────────────


def updated(chat: Chat, actual: Sequence[Entry]) -> str:
    """Return the file's text with what the bot really said.

    What the author wrote stays where the bot says the same: comments, blank lines, the user's lines. Where it
    says something else, its lines are written anew where the first of them stood.
    """
    said = [turn for _, turn in turns_of(actual)]
    lines = chat.source.splitlines()
    result = lines[: chat.head]
    turns = list(turns_of(chat.entries))
    for index, (driver, expected) in enumerate(turns):
        following = turns[index + 1][0] if index + 1 < len(turns) else None
        end = following.line - 1 if following is not None else len(lines)
        begin = driver.line - 1 + len(entry_lines(driver)) if driver is not None else chat.head
        if driver is not None:
            result += lines[driver.line - 1 : begin]
        now = said[index] if index < len(said) else []
        if differing([entry for entry in expected if not isinstance(entry, Given)], now) is None:
            result += lines[begin:end]
        else:
            result += _replaced(lines[begin:end], transcript([e for e in now if not isinstance(e, Remark)]))
    return "\n".join(result) + "\n"


def _replaced(lines: Sequence[str], speech: Sequence[str]) -> Iterator[str]:
    """Yield comments, blank lines and what the world answers as they stand, and the new speech in place of the
    old one, behind all answers that stood before its end."""
    old = [index for index, line in enumerate(lines) if not _is_kept(lines, index)]
    begin, end = (old[0], old[-1]) if old else (len(lines), len(lines))
    yield from lines[:begin]
    within = [index for index in range(begin, end) if _is_kept(lines, index)]
    yield from (lines[index] for index in within if _is_answer(lines, index))
    yield from speech
    yield from (lines[index] for index in within if not _is_answer(lines, index))
    yield from lines[end + 1 :]


def _is_kept(lines: Sequence[str], index: int) -> bool:
    line = lines[index].strip()
    return not line or line.startswith("#") or _is_answer(lines, index)


def _is_answer(lines: Sequence[str], index: int) -> bool:
    """Tell whether a line says what the world answers, or goes on with one that does."""
    while index > 0 and lines[index].lstrip().startswith("|"):
        index -= 1
    return re.match(r"\s*given(?!\S)", lines[index], re.IGNORECASE) is not None
