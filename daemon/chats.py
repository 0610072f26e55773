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
ends                         or  fails: part of the error
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import TypeAlias

from engine.values import Value

# The moment at which a conversation begins unless its file says another: any would do, this is 3/14 9:26.
CLOCK_DEFAULT = datetime(2026, 3, 14, 9, 26, tzinfo=UTC)
SECONDS = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400}
AFTER_SECONDS_MAX = 200 * 366 * 86_400
HEADERS = ("script", "params", "clock")
SPEECH = ("bot", "user", "fails")
WORDS = ("bot:", "user:", "after", "ends", "fails:", "script:", "params:", "clock:")
_HEADED = re.compile(r"(\w+)\s*:(.*)", re.DOTALL)
_AFTER = re.compile(r"after\s+(\d+)\s+(\w+)", re.IGNORECASE)
_BUTTONS = re.compile(r"(\[[^\[\]]*\]\s*)+")


class ChatError(Exception):
    """The file is no conversation; the message has a line for every mistake in it."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(problems))


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


Entry: TypeAlias = BotSays | UserSays | TimePasses | Ends | Fails | Remark


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
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if stripped and not stripped.startswith("#"):
            _read_line(reading, number, line.rstrip(), stripped)
    if not reading.entries and not reading.problems:
        reading.wrong(1, "there is no conversation in this file; begin with a line such as bot: Hello")
    if reading.problems:
        raise ChatError(reading.problems)
    entries = tuple(reading.entries)
    return Chat(entries, text, reading.head, reading.headers.get("script"), reading.params, reading.clock)


def _read_line(reading: _Reading, number: int, line: str, stripped: str) -> None:
    last = reading.entries[-1] if reading.entries else None
    if isinstance(last, Ends | Fails):
        reading.wrong(number, f"nothing can follow the line that says how the script ends (line {last.line})")
    elif line.lstrip().startswith("|"):
        _continue(reading, number, line.lstrip()[1:].removeprefix(" "), last)
    elif stripped.startswith("[") and _BUTTONS.fullmatch(stripped):
        _read_buttons(reading, number, stripped, last)
    elif stripped.lower() == "ends":
        reading.entries.append(Ends(number))
    elif stripped.lower().startswith("after") and not stripped[5:6].isalnum() and not stripped[5:].startswith(":"):
        _read_after(reading, number, stripped)
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
        case _ if reading.entries:
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
        hint = "a line begins with bot:, user:, |, [button], after, ends, fails: or #"
    reading.wrong(number, f"“{word}” begins no line of a conversation; {hint}")


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


def updated(chat: Chat, actual: Sequence[Entry]) -> str:
    """Return the file's text with what the bot really said.

    What the author wrote stays where the bot says the same: comments, blank lines, the user's lines. Where it
    says something else, its lines are written anew where the first of them stood.
    """
    said = [turn for _, turn in _turns(actual)]
    lines = chat.source.splitlines()
    result = lines[: chat.head]
    turns = list(_turns(chat.entries))
    for index, (driver, expected) in enumerate(turns):
        following = turns[index + 1][0] if index + 1 < len(turns) else None
        end = following.line - 1 if following is not None else len(lines)
        begin = driver.line - 1 + len(entry_lines(driver)) if driver is not None else chat.head
        if driver is not None:
            result += lines[driver.line - 1 : begin]
        now = said[index] if index < len(said) else []
        if differing(expected, now) is None:
            result += lines[begin:end]
        else:
            result += _replaced(lines[begin:end], transcript([e for e in now if not isinstance(e, Remark)]))
    return "\n".join(result) + "\n"


def _replaced(lines: Sequence[str], speech: Sequence[str]) -> Iterator[str]:
    """Yield comments and blank lines as they stand, and the new speech in place of the old one."""
    written = False
    for line in lines:
        if not line.strip() or line.strip().startswith("#"):
            yield line
        elif not written:
            yield from speech
            written = True
    if not written:
        yield from speech


def _turns(entries: Sequence[Entry]) -> Iterator[tuple[UserSays | TimePasses | None, list[Entry]]]:
    """Yield each line that drives the conversation (None: its start) with what the script then does."""
    driver: UserSays | TimePasses | None = None
    then: list[Entry] = []
    for entry in entries:
        if isinstance(entry, UserSays | TimePasses):
            yield driver, then
            driver, then = entry, []
        else:
            then.append(entry)
    yield driver, then


# ── comparing ──────────────────────────────────────────────────────────────────────────────────────


def agrees(expected: Entry, actual: Entry) -> bool:
    """Say whether what happened is what the author wrote."""
    match expected, actual:
        case BotSays(text=wanted, buttons=buttons), BotSays(text=said, buttons=shown):
            return _trimmed(wanted) == _trimmed(said) and buttons in (None, shown or ())
        case Fails(text=wanted), Fails(text=said):
            return " ".join(wanted.split()).lower() in " ".join(said.split()).lower()
        case _:
            return expected == actual


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
