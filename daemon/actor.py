"""One execution while it is active: a coroutine that takes from its mailbox, runs turns and hands them over.

Its states: *idle* (suspended, sleeping on its mailbox; dropping it loses nothing), *running* (a turn goes
through the engine), *asking* (the turn holds a transaction of its own, because it asks the database),
*committing* (the turn was handed over; its outcome is awaited), *gone*. What it knows between turns is its
Standing, replaced only by the outcome Committed. Every other outcome ends the actor: the row is the truth, and
whoever finds it due starts a new one. So an actor may be cancelled at any await, and nothing is put right then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random
from time import perf_counter_ns
from typing import assert_never
from uuid import UUID

import structlog

from daemon.asking import Asking
from daemon.committer import Committed, Committer, Outcome, Refused, Stale
from daemon.cues import (
    Cue,
    Elapsed,
    Heard,
    Overtaken,
    Signalled,
    Standing,
    cue_of_due,
    cue_of_message,
    cue_of_signal,
    now_of,
)
from daemon.mailbox import Mailbox
from daemon.metrics import Metrics
from daemon.turns import Asks, Ran, Running, World

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Surrounds:
    """What every actor works with. `let_go` forgets messages that are no longer held in memory; `look_again` has
    messages fetched for a session, because something may be heard now that was not before; `refill` has those
    fetched that found the mailbox full; `due_in` tells the scheduler of a deadline, in seconds from now;
    `requested` says that a commit made requests; `awaits` that one began to wait for events of these names, or ended
    a wait for one."""

    committer: Committer
    asking: Asking
    world: World
    metrics: Metrics
    let_go: Callable[[Iterable[int]], None]
    look_again: Callable[[UUID | None], None]
    refill: Callable[[], None]
    due_in: Callable[[float], None]
    requested: Callable[[], None]
    awaits: Callable[[Iterable[str]], None]


class Actor:
    """The coroutine of one active execution."""

    __slots__ = ("_around", "_random", "busy", "in_hand", "last_used", "mailbox", "standing")

    def __init__(self, standing: Standing, around: Surrounds, random: Random) -> None:
        self.standing = standing
        self.mailbox = Mailbox()
        self.last_used = 0.0
        self.busy = False
        self.in_hand: int | None = None  # the message that its turn is about
        self._around = around
        self._random = random

    @property
    def id(self) -> UUID:
        """The execution's id."""
        return self.standing.id

    @property
    def may_passivate(self) -> bool:
        """Whether dropping it loses nothing: it sleeps, and its state is stored."""
        return self.mailbox.awaited and not self.standing.direct

    async def run(self) -> None:
        """Take and run until the execution ends, is lost to another, or the actor is told to stop."""
        mailbox = self.mailbox
        while not (mailbox.closed or self.standing.ended):
            await mailbox.wait()
            self.busy = True
            cue = self._next_cue()
            if cue is not None and not await self._turn(cue):
                break
            self.busy = False

    # ── what comes next ──

    def _next_cue(self) -> Cue | None:
        """Take the next thing that means something to the execution as it stands now."""
        mailbox = self.mailbox
        if mailbox.closed:
            return None
        while mailbox.signals:
            signal = mailbox.signals.popleft()
            told = cue_of_signal(self.standing, signal)
            if told is not None:
                self.in_hand = signal.id
                return told
            mailbox.later.append(signal)
        if mailbox.messages:
            cue = cue_of_message(self.standing, mailbox.messages[0])
            if isinstance(cue, Elapsed):
                return cue
            if cue is not None:
                self.in_hand = mailbox.messages.popleft().id
                return cue
            # It does not hear now; the rows stay, and the turn that makes it hear has them fetched again.
            self._around.let_go([m.id for m in mailbox.messages])
            mailbox.messages.clear()
        due = mailbox.take_due()
        if due is None:
            return None
        if due.revision > self.standing.revision:
            mailbox.close()
            self._around.look_again(self.standing.row.session_id)
            return None
        return cue_of_due(self.standing, due)

    # ── one turn ──

    async def _turn(self, cue: Cue) -> bool:
        """Run a turn and have it committed; False ends the actor."""
        around = self._around
        begun = await self._running(cue).run()
        ran: Ran | None
        if isinstance(begun, Asks):
            ran, outcome = await around.asking.run(begun, lambda: self._running(cue))
        else:
            ran, outcome = begun, await around.committer.commit(begun.turn)
        return await self._conclude(cue, ran, outcome)

    def _running(self, cue: Cue) -> Running:
        return Running(self.standing, cue, self._around.world, self._random)

    async def _conclude(self, cue: Cue, ran: Ran | None, outcome: Outcome) -> bool:
        around = self._around
        match outcome:
            case Committed():
                assert ran is not None
                self._become(cue, ran)
                return True
            case Stale():
                around.metrics.count_error("stale")
                log.debug("turn_stale", execution=str(self.id), revision=self.standing.revision)
                around.look_again(self.standing.row.session_id)
                return False
            case Refused(error=error):
                raise error
            case _:
                assert_never(outcome)

    def _become(self, cue: Cue, ran: Ran) -> None:
        """Take over what the commit made true."""
        around, before, turn = self._around, self.standing, ran.turn
        self.standing = after = ran.after
        around.let_go(turn.consumed)
        if isinstance(cue, Signalled | Overtaken):
            around.let_go((cue.signal.id,))
        if turn.extras is not None and turn.extras.requests:
            around.requested()
        if turn.extras is not None and (turn.extras.waits or turn.extras.events or turn.extras.unheard):
            around.awaits(name for _, name in turn.extras.waits)
        self.in_hand = None
        if self.mailbox.later:
            self.mailbox.signals.extend(self.mailbox.later)
            self.mailbox.later.clear()
        around.metrics.turn_seconds.observe((perf_counter_ns() - ran.started_ns) / 1e9)
        if isinstance(cue, Heard):
            message = cue.message
            waited = (message.now - message.created_at).total_seconds()
            around.metrics.wakeup_seconds.observe(waited + (perf_counter_ns() - ran.started_ns) / 1e9)
        if after.ended or (after.hears and not before.hears):
            around.look_again(before.row.session_id)
        if turn.wake_at is not None:
            around.due_in((turn.wake_at - now_of(cue)).total_seconds())
        if self.mailbox.overflowed and not self.mailbox.messages:
            self.mailbox.overflowed = False
            around.refill()
        for line in ran.logs:
            log.log(LEVELS.get(line.level, 20), "script_says", execution=str(self.id), line=line.text)
        if turn.session_id is None:  # there is no conversation, and nobody to take what TALK says
            for reply in turn.replies:
                log.info("script_says", execution=str(self.id), line=reply.content)
        if ran.failure is not None:
            around.metrics.count_error("script")
            # Its sentence may quote what a user said: the database has it, and a log only at debug level.
            place = f"{ran.failure.script}:{ran.failure.line}"
            log.warning(
                "execution_failed", execution=str(self.id), place=place, step=ran.failure.step, kind=ran.failure.kind
            )
            log.debug("execution_failed", execution=str(self.id), problem=turn.problem)


LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
