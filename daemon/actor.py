"""One execution while it is active: a generator that takes from its mailbox, runs turns and hands them over.

It is a bare generator, no task: whoever has something for it drives it on, by a plain call, until it yields again.
So a message is run in the call that delivers it, and the next one in the call that tells the outcome of the last; a
task would cost each of them a round of the event loop, and each conversation in memory 3 KB.

Its states: *idle* (suspended, its mailbox is empty; dropping it loses nothing), *running* (a turn goes
through the engine), *at length* (a task of the supervisor's runs the rest of a turn that needs more than one slice,
or holds a transaction of its own because it asks the database), *committing* (the turn was handed over; its outcome
is awaited), *gone*. What it knows between turns is its
Standing, replaced only by the outcome Committed. Every other outcome ends the actor: the row is the truth, and
whoever finds it due starts a new one. So an actor may be closed at any await, and nothing is put right then.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Iterable
from dataclasses import dataclass
from random import Random
from time import perf_counter_ns
from typing import Any, TypeAlias, assert_never
from uuid import UUID

import structlog

from daemon.asking import Asking
from daemon.committer import Committed, Committer, Outcome, Refused, Stale
from daemon.cues import (
    Begun,
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
from daemon.fairness import lane_of
from daemon.mailbox import Mailbox
from daemon.metrics import Metrics
from daemon.turns import Asks, Ran, Running, World

Settled: TypeAlias = "tuple[Ran | None, Outcome]"  # a turn as it was run last, and what became of it

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Surrounds:
    """What every actor works with. `let_go` forgets messages that are no longer held in memory; `look_again` has
    messages fetched for a session, because something may be heard now that was not before; `refill` has those
    fetched that found the mailbox full; `due_in` tells the scheduler of a deadline, in seconds from now;
    `requested` says that a commit made requests; `awaits` that one began to wait for events of these names, or ended
    a wait for one. `busy` has the actors that are not idle; `at_length` runs in a task what takes a while, and
    drives the actor on with what came of it; `gone` is told of an actor's end, and of the error that it ended with.
    """

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
    busy: set[Actor]
    at_length: Callable[[Actor, Awaitable[Settled]], None]
    gone: Callable[[Actor, Exception | None], None]
    random: Random


PATIENT = {Elapsed, Begun}  # what comes by itself: its turn lets those of messages go before


class Actor:
    """The generator of one active execution."""

    __slots__ = ("_around", "_dropped", "_lane", "_life", "idle", "in_hand", "last_used", "mailbox", "standing")

    def __init__(self, standing: Standing, around: Surrounds) -> None:
        self.standing = standing
        self.mailbox = Mailbox()
        self.last_used = 0.0
        self.idle = False
        self.in_hand: int | None = None  # the message that its turn is about
        self._around = around
        self._dropped = False
        self._lane = lane_of(standing.row)
        self._life = self._run()

    @property
    def id(self) -> UUID:
        """The execution's id."""
        return self.standing.id

    @property
    def may_passivate(self) -> bool:
        """Whether dropping it loses nothing: it sleeps, and its state is stored."""
        return self.idle and not self.standing.direct

    # ── driving it ──

    def poke(self) -> None:
        """Have it look into its mailbox, unless it will anyway."""
        if self.idle and not self.mailbox.empty:
            self.resume()

    def stop(self) -> None:
        """Have it end once its turn is over."""
        self.mailbox.closed = True
        self.poke()

    def resume(self, told: Outcome | Settled | None = None) -> None:
        """Drive it on until it suspends or ends; `told` is what it waited for."""
        if self._dropped:  # the outcome of a turn that was under way comes all the same
            return
        try:
            self._life.send(told)
        except StopIteration:
            self._around.gone(self, None)
        except Exception as error:
            self._around.gone(self, error)

    def throw(self, error: Exception) -> None:
        """Drive it on with the error of what it waited for."""
        if self._dropped:
            return
        try:
            self._life.throw(error)
        except StopIteration:
            self._around.gone(self, None)
        except Exception as raised:
            self._around.gone(self, raised)

    async def settle(self, rest: Awaitable[Settled]) -> None:
        """Drive it on with what comes of the rest of its turn."""
        try:
            settled = await rest
        except Exception as error:
            self.throw(error)
        else:
            self.resume(settled)

    def drop(self) -> None:
        """End it where it is; what is not committed did not happen."""
        self.idle, self._dropped = False, True
        self._life.close()

    def _run(self) -> Generator[None, Any, None]:
        """Take and run until the execution ends, is lost to another, or the actor is told to stop."""
        mailbox, around = self.mailbox, self._around
        while not (mailbox.closed or self.standing.ended):
            if mailbox.empty:
                around.busy.discard(self)
                self.idle = True
                yield
                self.idle = False
                around.busy.add(self)
            cue = self._next_cue()
            if cue is None:
                continue
            running = self._running(cue)
            ran = running.begin()
            outcome: Outcome
            if ran is not None:
                del running
                around.committer.commit(ran.turn, self.resume, self._lane, patient=type(cue) in PATIENT)
                outcome = yield
            else:
                around.at_length(self, self._finish(running, cue))
                del running
                ran, outcome = yield
            if type(outcome) is not Committed:
                self._end(outcome)
                break
            assert ran is not None
            self._become(cue, ran)
            del cue, ran, outcome  # a conversation that waits keeps nothing of its last turn

    # ── what comes next ──

    def _next_cue(self) -> Cue | None:
        """Take the next thing that means something to the execution as it stands now."""
        mailbox = self.mailbox
        if mailbox.closed:
            return None
        while mailbox.signals:
            signal = mailbox.signals.pop(0)
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
                self.in_hand = mailbox.messages.pop(0).id
                return cue
            # It does not hear now; the rows stay, and the turn that makes it hear has them fetched again.
            self._around.let_go([m.id for m in mailbox.messages])
            mailbox.messages.clear()
        due = mailbox.take_due()
        if due is None:
            return None
        if due.revision > self.standing.revision:
            mailbox.closed = True
            self._around.look_again(self.standing.row.session_id)
            return None
        return cue_of_due(self.standing, due)

    # ── one turn ──

    def _end(self, outcome: Outcome) -> None:
        """Take leave of a turn that was not committed. Raises the error that it was refused with."""
        match outcome:
            case Stale():
                self._around.metrics.count_error("stale")
                log.debug("turn_stale", execution=str(self.id), revision=self.standing.revision)
                self._around.look_again(self.standing.row.session_id)
            case Refused(error=error):
                raise error
            case Committed():
                raise AssertionError("it was committed")
            case _:
                assert_never(outcome)

    def _running(self, cue: Cue) -> Running:
        return Running(self.standing, cue, self._around.world, self._around.random)

    async def _finish(self, running: Running, cue: Cue) -> Settled:
        """Run the rest of a turn that the first slice did not end. Lives in a task."""
        around = self._around
        begun = await running.go_through()
        if isinstance(begun, Asks):
            return await around.asking.run(begun, lambda: self._running(cue))
        return begun, await around.committer.settle(begun.turn, self._lane)

    def _become(self, cue: Cue, ran: Ran) -> None:
        """Take over what the commit made true."""
        around, before, turn = self._around, self.standing, ran.turn
        self.standing = after = ran.after
        around.let_go(turn.consumed)
        self.in_hand = None
        now, metrics = perf_counter_ns(), around.metrics
        took = (now - ran.started_ns) / 1e9
        metrics.turn_seconds.observe(took)
        if type(cue) is Heard:
            message = cue.message
            metrics.wakeup_seconds.observe((message.now - message.created_at).total_seconds() + took)
        elif isinstance(cue, Signalled | Overtaken):
            around.let_go((cue.signal.id,))
        if turn.extras is not None:
            if turn.extras.requests:
                around.requested()
            if turn.extras.waits or turn.extras.events or turn.extras.unheard:
                around.awaits(name for _, name in turn.extras.waits)
        if after.ended or (not before.hears and after.hears):
            around.look_again(before.row.session_id)
        if turn.wake_at is not None:
            around.due_in((turn.wake_at - now_of(cue)).total_seconds())
        mailbox = self.mailbox
        if mailbox.later:
            mailbox.signals.extend(mailbox.later)
            mailbox.later.clear()
        if not mailbox.messages:
            if mailbox.overflowed or mailbox.more:
                mailbox.more = False
                around.look_again(before.row.session_id)
            if mailbox.overflowed:
                mailbox.overflowed = False
                around.refill()
        if ran.logs or turn.session_id is None or ran.failure is not None:
            self._tell(ran)

    def _tell(self, ran: Ran) -> None:
        """Write what a committed turn has for the log."""
        turn = ran.turn
        for line in ran.logs:
            log.log(LEVELS.get(line.level, 20), "script_says", execution=str(self.id), line=line.text)
        if turn.session_id is None:  # there is no conversation, and nobody to take what TALK says
            for reply in turn.replies:
                log.info("script_says", execution=str(self.id), line=reply.content)
        if ran.failure is not None:
            self._around.metrics.count_error("script")
            # Its sentence may quote what a user said: the database has it, and a log only at debug level.
            place = f"{ran.failure.script}:{ran.failure.line}"
            log.warning(
                "execution_failed", execution=str(self.id), place=place, step=ran.failure.step, kind=ran.failure.kind
            )
            log.debug("execution_failed", execution=str(self.id), problem=turn.problem)


LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
