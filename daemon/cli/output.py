"""How commands speak: colours on a terminal only, JSON for programs, times as people say them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import IO, Self

import msgspec
import structlog
from rich.console import Console

from daemon.settings import read_surroundings

PIPE_WIDTH = 100  # columns of side-by-side output where nothing says how wide it is shown
SHOWN_CHARACTERS_MAX = 200
SPELT_OUT = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}


def open_console(file: IO[str] | None = None) -> Console:
    """Return the console of a command's output. Its lines are never wrapped by us where nobody looks."""
    out = sys.stdout if file is None else file
    plain = read_surroundings().no_color
    console = Console(file=out, highlight=False, markup=False, emoji=False, no_color=plain or None, soft_wrap=True)
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    return console


def write_json(document: object) -> None:
    """Write a value to standard output as indented JSON."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(document)).decode() + "\n")


def plural(count: int, word: str) -> str:
    """Return `1 error`, `2 errors`, `no errors`."""
    return f"{count or 'no'} {word}{'' if count == 1 else 's'}"


def span(length: timedelta) -> str:
    """Return a length of time as people say it, in its two largest units: `2 h 5 min`."""
    seconds = int(abs(length.total_seconds()))
    units = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
    parts: list[str] = []
    for name, size in units:
        if seconds >= size or (size == 1 and not parts):
            parts.append(f"{seconds // size} {name}")
            seconds %= size
        if len(parts) == 2:
            break
    return " ".join(parts)


def ago(then: datetime, now: datetime) -> str:
    """Return how long ago something was: `5 min ago`."""
    return f"{span(now - then)} ago"


def clock(moment: datetime) -> str:
    """Return a moment as people read it, in UTC, to the second."""
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def harmless(text: str) -> str:
    """Return text whose control characters are spelt out: what a user wrote must not steer an operator's terminal."""
    return text.translate(SPELT_OUT)


def cut(text: str, characters: int = SHOWN_CHARACTERS_MAX) -> str:
    """Return text on one line and no longer than that."""
    line = harmless(" ".join(text.split()))
    return line if len(line) <= characters else line[: characters - 1] + "…"


class Progress:
    """Tells people on standard error what is being done: one moving line on a terminal, else a line each."""

    def __init__(self) -> None:
        self._console = open_console(sys.stderr)
        self._status = self._console.status("…") if self._console.is_terminal else None

    def __call__(self, sentence: str) -> None:
        """Say what is being done now."""
        if self._status is None:
            self._console.print(sentence)
        else:
            self._status.update(sentence)
            self._status.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.done()

    def done(self) -> None:
        """Take the moving line away."""
        if self._status is not None:
            self._status.stop()


@contextmanager
def quiet_log() -> Iterator[None]:
    """Keep the daemon's log out of a conversation in the terminal."""
    before = structlog.get_config()
    structlog.configure(processors=[_drop], cache_logger_on_first_use=False)
    try:
        yield
    finally:
        structlog.configure(**before)


def _drop(logger: object, method: str, event: object) -> str:
    raise structlog.DropEvent
