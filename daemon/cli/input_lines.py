"""Lines of standard input, one at a time, without a thread: a read that waits can be cancelled."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import termios
from collections.abc import Iterator

READ_BYTES = 65_536


class InputLines:
    """The lines of a file descriptor. One reader at a time."""

    def __init__(self, descriptor: int | None = None) -> None:
        if descriptor is None:
            descriptor = -1 if sys.stdin is None else sys.stdin.fileno()  # started with its input closed: None
        self._descriptor = descriptor
        self._buffer = b""
        self._ended = descriptor < 0
        self.is_terminal = descriptor >= 0 and os.isatty(descriptor)

    async def read(self) -> str | None:
        """Return the next line without its end, None where there is none any more."""
        while True:
            line, newline, rest = self._buffer.partition(b"\n")
            if newline:
                self._buffer = rest
                return line.decode("utf-8", "replace").rstrip("\r")
            if self._ended:
                self._buffer = b""
                return line.decode("utf-8", "replace") if line else None
            await self._wait()
            more = os.read(self._descriptor, READ_BYTES)
            self._ended = not more
            self._buffer += more

    async def _wait(self) -> None:
        """Return when something can be read."""
        loop = asyncio.get_running_loop()
        readable = asyncio.Event()
        try:
            loop.add_reader(self._descriptor, readable.set)
        except PermissionError:
            return  # an ordinary file, or /dev/null: reading it never waits
        try:
            await readable.wait()
        finally:
            loop.remove_reader(self._descriptor)

    @contextlib.contextmanager
    def silent(self, secret: bool) -> Iterator[None]:
        """Keep what is typed off the screen while the block runs, if it is a secret."""
        if not (secret and self.is_terminal):
            yield
            return
        before = termios.tcgetattr(self._descriptor)
        quiet = termios.tcgetattr(self._descriptor)
        quiet[3] &= ~termios.ECHO
        termios.tcsetattr(self._descriptor, termios.TCSADRAIN, quiet)
        try:
            yield
        finally:
            termios.tcsetattr(self._descriptor, termios.TCSADRAIN, before)
