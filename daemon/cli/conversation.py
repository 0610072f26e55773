"""A conversation in the terminal: what the bot says is shown as it comes, and the user is asked when it is their turn.

It talks to the database as a bot server does; which daemon moves the script is no matter of its.
"""

from __future__ import annotations

import asyncio
import signal
from dataclasses import dataclass, field
from enum import Enum
from typing import Self
from uuid import UUID

import msgspec
from rich.console import Console
from rich.text import Text

from daemon.chat_player import said
from daemon.cli.database import Stores
from daemon.cli.input_lines import InputLines
from daemon.cli.output import harmless
from daemon.rows import ShownExecution, TakenReply

POLL_SECONDS = 0.02
LISTEN_SECONDS = 0.25  # while the user thinks: a reminder may come
SILENCE_SECONDS_MAX = 15.0
UNFINISHED = ("running", "waiting", "paused")


class Ending(Enum):
    """How the conversation in the terminal ended."""

    OVER = "the script is over"
    FAILED = "the script has failed"
    LEFT = "the user has left"
    STOPPED = "somebody else has stopped the script"


class Interruption:
    """Whether Ctrl-C was pressed while the block runs: the first time asks to leave, the second does not wait."""

    def __init__(self) -> None:
        self.asked = False

    def __enter__(self) -> Self:
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, self._ask)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.get_running_loop().remove_signal_handler(signal.SIGINT)

    def _ask(self) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True


@dataclass(slots=True)
class Conversation:
    """One session in the terminal."""

    stores: Stores
    console: Console
    lines: InputLines
    session: UUID
    execution: UUID
    interruption: Interruption
    buttons: dict[str, str] = field(default_factory=dict)
    shown: ShownExecution | None = None
    silent_since: float = 0.0
    warned: bool = False

    async def hold(self) -> Ending:
        """Talk until the script ends or the user leaves."""
        while not self.interruption.asked:
            await self.show_replies()
            self.shown = await self.stores.operators.show_execution(self.execution)
            assert self.shown is not None, "executions are never deleted"
            status = self.shown.listed.status
            if status not in UNFINISHED:
                await self.show_replies()
                return {"completed": Ending.OVER, "failed": Ending.FAILED}.get(status, Ending.STOPPED)
            if status == "paused" and self.shown.listed.problem:
                return Ending.FAILED
            if status == "waiting" and self.shown.listed.wait_kind == "message" and not self.shown.messages_pending:
                await self.show_replies()
                self.silent_since = 0.0
                if not await self.ask():
                    return Ending.LEFT
            else:
                await self.watch_silence()
                await asyncio.sleep(POLL_SECONDS)
        return Ending.LEFT

    async def watch_silence(self) -> None:
        """Say so where nothing moves that should."""
        assert self.shown is not None
        now = asyncio.get_running_loop().time()
        self.silent_since = self.silent_since or now
        moving = self.shown.listed.status == "running" or self.shown.messages_pending
        if moving and not self.warned and now - self.silent_since > SILENCE_SECONDS_MAX:
            self.warned = True
            gone = await self.stores.glance.live_daemon() is None
            because = "no daemon runs any more" if gone else "does the daemon still run? stepwell doctor"
            self.console.print(Text(f"(Nothing has moved for a while: {because}. Ctrl-C leaves.)", "yellow"))

    async def show_replies(self) -> None:
        """Show what the bot has said and nobody has taken yet."""
        while replies := await self.stores.clients.take_replies(self.session):
            for reply in replies:
                self.show(reply)

    def show(self, reply: TakenReply) -> None:
        """Show one message, and remember its buttons."""
        entry = said(reply)
        first, *rest = harmless(entry.text).split("\n")
        self.console.print(Text.assemble(("bot: ", "bold cyan"), first))
        for line in rest:
            self.console.print(f"     {line}")
        self.buttons = {}
        for suggestion in reply.suggestions or ():
            label = str(suggestion.get("label") or suggestion.get("value") or "")
            self.buttons[label.casefold()] = str(suggestion.get("value") or label)
        if entry.buttons:
            self.console.print(Text("     " + " ".join(f"[{b}]" for b in entry.buttons), "cyan"))

    async def ask(self) -> bool:
        """Let the user answer, showing meanwhile what comes; say whether they are still there."""
        assert self.shown is not None
        secret = _is_secret(self.shown.state_json)
        self.prompt()
        line: str | None = None
        with self.lines.silent(secret):
            while True:
                try:
                    async with asyncio.timeout(LISTEN_SECONDS):
                        line = await self.lines.read()
                    break
                except TimeoutError:  # nothing is lost: what was read so far stays in the buffer
                    if self.interruption.asked:
                        break
                    if not await self.still_open():
                        return True
        if self.lines.is_terminal and (secret or line is None):  # the cursor stands behind the prompt
            self.console.print()
        if line is None:
            return False
        if not self.lines.is_terminal:
            self.console.print(Text.assemble(("you: ", "bold green"), "[hidden]" if secret else line))
        await self.stores.clients.send(self.session, self.buttons.get(line.strip().casefold(), line))
        return True

    def prompt(self) -> None:
        """Ask for a line, where a person sees it."""
        if self.lines.is_terminal:
            self.console.print(Text("you> ", "bold green"), end="")
            self.console.file.flush()

    async def still_open(self) -> bool:
        """Say whether the question is still the same one: it may time out, or the bot may say something more."""
        assert self.shown is not None
        now = await self.stores.operators.show_execution(self.execution)
        assert now is not None, "executions are never deleted"
        if now.revision == self.shown.revision:
            return True
        if self.lines.is_terminal:
            self.console.print()
        return False


def _is_secret(state_json: str) -> bool:
    try:
        wait = msgspec.json.decode(state_json).get("wait") or {}
    except (msgspec.DecodeError, AttributeError):
        return False
    return bool(wait.get("secret"))
