"""Plays conversations over the real daemon and a real database, on a clock that is moved by hand.

Waiting for the bot is waiting until nothing moves any more, never sleeping; `after 10 minutes` moves the clock
from deadline to deadline, so that everything happens at its moment.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID, uuid4

from daemon.app import Daemon
from daemon.chat_entries import (
    BotSays,
    Chat,
    Decides,
    Driver,
    Ends,
    Entry,
    Fails,
    Publishes,
    Remark,
    TimePasses,
    UserSays,
    compared,
    differing,
    staged,
)
from daemon.chat_fakes import FakeWorld
from daemon.chat_givens import Asks
from daemon.rows import TakenReply
from daemon.store_scratch import AuthorSql, Scratch

REPLIES_PER_FETCH = 100
DEADLINES_PER_PAUSE_MAX = 10_000
SETTLE_SECONDS_MAX = 60  # real ones: a script that is busy for longer will not stop by itself


@dataclass(frozen=True, slots=True)
class Played:
    """What came of a conversation. `difference` is the index of the first entry that differs, None for none."""

    expected: tuple[Entry, ...]
    actual: tuple[Entry, ...]

    @property
    def difference(self) -> int | None:
        """Where the two part."""
        return differing(self.expected, self.actual)

    @property
    def passed(self) -> bool:
        """Whether the script gave the conversation that its author wrote."""
        return self.difference is None


async def play_chat(
    daemon: Daemon, scratch: Scratch, world: FakeWorld, script: str, chat: Chat, author_sql: Sequence[AuthorSql] = ()
) -> Played:
    """Play a conversation in a session and with a bot of its own. The script must be deployed, and `world` be
    what performs the daemon's requests.

    Raises AuthorSqlRefused, and what the database raises.
    """
    await scratch.renew_author_schemas(author_sql)
    await scratch.set_clock(chat.clock)
    player = _Player(daemon, scratch, chat.clock)
    world.begin(player.note_request)
    for driver, answers in staged(chat.entries):
        for given in answers:
            world.givens.add(given)
        await (player.start(script, chat) if driver is None else player.drive(driver))
    await player.end(asked=isinstance(chat.entries[-1], Ends | Fails))
    return Played(*compared(chat.entries, player.actual))


@dataclass(slots=True)
class _Player:
    daemon: Daemon
    scratch: Scratch
    now: datetime
    actual: list[Entry] = field(default_factory=list)
    session: UUID = field(default_factory=uuid4)
    bot: UUID = field(default_factory=uuid4)
    execution: UUID = field(init=False)

    async def start(self, script: str, chat: Chat) -> None:
        clients = self.daemon.clients
        self.execution = await clients.start(script, session_id=self.session, bot_id=self.bot, params=chat.params)
        await self.settle()

    async def drive(self, driver: Driver) -> None:
        """Have happen what a line of the author's says."""
        match driver:
            case UserSays(text=text):
                await self.hear(text)
            case TimePasses():
                await self.wait(driver)
            case Publishes(name=name, data=data):
                self.actual.append(driver)
                await self.daemon.clients.publish(name, data, self.bot)
                await self.settle()
            case Decides():
                self.actual.append(driver)
                await self.decide(driver)
                await self.settle()

    async def decide(self, decision: Decides) -> None:
        """Answer the approval that is open longest."""
        for approval in await self.daemon.operators.list_approvals(self.session):
            made = "approve" if decision.approved else "reject"
            await self.daemon.clients.approve(approval.token, made, decision.by or None, decision.comment or None)
            return
        self.actual.append(Remark("no approval is open"))

    async def hear(self, text: str) -> None:
        self.actual.append(UserSays(text))
        if await self.daemon.clients.send(self.session, text) is None:
            self.actual.append(Remark("nobody hears this: the script is over"))
        await self.settle()

    async def wait(self, pause: TimePasses) -> None:
        self.actual.append(pause)
        end = self.now + pause.length
        for _ in range(DEADLINES_PER_PAUSE_MAX):
            due = await self.scratch.next_deadline(self.execution)
            if due is None or due > end:
                break
            await self.move_clock(max(due, self.now))
            await self.settle()
        else:
            self.actual.append(Remark(f"more than {DEADLINES_PER_PAUSE_MAX:,} things happen in this time"))
        await self.move_clock(end)

    async def move_clock(self, moment: datetime) -> None:
        self.now = moment
        await self.scratch.set_clock(moment)

    async def settle(self) -> None:
        """Let the script do all that it can do now, and note what it says."""
        self.daemon.look()
        try:
            async with asyncio.timeout(SETTLE_SECONDS_MAX):
                await self.daemon.idle()
        except TimeoutError:
            self.actual.append(Remark(f"the script is still busy after {SETTLE_SECONDS_MAX} seconds"))
        await self.note_replies()

    async def note_replies(self) -> None:
        """Note what the bot has said and is not noted yet."""
        while replies := await self.daemon.clients.take_replies(self.session, REPLIES_PER_FETCH):
            self.actual += [said(reply) for reply in replies]

    async def note_request(self, asked: Asks, missing: str) -> None:
        """Note what the world is asked, behind what was said in the same turn; `missing` says what is not known."""
        await self.note_replies()
        self.actual.append(asked)
        if missing:
            self.actual.append(Remark(missing))

    async def end(self, *, asked: bool) -> None:
        """Note how the script ended, and leave nothing of it behind for the conversations that follow."""
        shown = await self.daemon.operators.show_execution(self.execution)
        assert shown is not None, "an execution is never deleted"
        listed = shown.listed
        match listed.status:
            case "completed":
                self.actual.append(Ends())
            case "failed":
                self.actual.append(Fails(listed.problem or "without a reason"))
            case "waiting" | "running" if asked:
                what = {"message": "for a message", "time": "for its time"}.get(listed.wait_kind or "", "")
                self.actual.append(Remark(f"the script is not over: it is {listed.status} {what}".rstrip()))
            case "paused" | "cancelled" | "lost":
                self.actual.append(Remark(f"the script is {listed.status}: {listed.problem or 'without a reason'}"))
            case _:
                pass
        if listed.status in ("running", "waiting", "paused"):
            await self.daemon.operators.cancel(self.execution, "the conversation in the file is over")
            await self.daemon.idle()


def said(reply: TakenReply) -> BotSays:
    """Return a reply as an entry of a conversation; one to somebody else begins with @ and who that is."""
    to = f"@{reply.recipient} " if reply.recipient else ""
    labels = tuple(str(s.get("label") or s.get("value") or "") for s in reply.suggestions or ())
    return BotSays(f"{to}{reply.content}", labels or None)
