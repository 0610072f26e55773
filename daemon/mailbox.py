"""An actor's mailbox: a wake-up that cannot be lost.

Its states: *empty* (nothing to do), *awaited* (empty, and the actor sleeps on a future), *filled* (messages,
a due time or the word to stop are there; a sleeping actor has been woken), *closed* (stop was said: it is the
last thing the actor takes). Putting and waiting run on one event loop and hold no await between looking and
sleeping, so nothing can be put unseen.
"""

from __future__ import annotations

import asyncio
from collections import deque

from daemon.rows import DueExecution, PendingMessage, Signal

MAILBOX_MESSAGES_MAX = 100


class Mailbox:
    """What waits for one actor: messages in order, the newest due time, and whether to stop.

    Bounded: above `MAILBOX_MESSAGES_MAX` a message stays in its table, and so does every later one until the
    actor has emptied the box and had them fetched again (`overflowed`), because their order must hold.
    """

    __slots__ = ("_waiter", "closed", "due", "later", "messages", "overflowed", "signals")

    def __init__(self) -> None:
        self.messages: deque[PendingMessage] = deque()
        self.signals: deque[Signal] = deque()
        self.later: deque[Signal] = deque()  # for a wait that goes on when the handler of an event has ended
        self.due: DueExecution | None = None
        self.closed = False
        self.overflowed = False
        self._waiter: asyncio.Future[None] | None = None

    @property
    def empty(self) -> bool:
        """Whether the actor has nothing to take."""
        return not (self.messages or self.signals or self.closed) and self.due is None

    @property
    def awaited(self) -> bool:
        """Whether the actor sleeps here: it has nothing to do and nothing in flight."""
        return self._waiter is not None and self.empty

    def put(self, message: PendingMessage) -> bool:
        """Add a message and wake the actor; False where the mailbox is full or closed."""
        self.overflowed = self.overflowed or len(self.messages) >= MAILBOX_MESSAGES_MAX
        if self.closed or self.overflowed:
            return False
        self.messages.append(message)
        self._wake()
        return True

    def put_signal(self, signal: Signal) -> bool:
        """Add a signal and wake the actor; False where the mailbox is full (of signals) or closed."""
        if self.closed or len(self.signals) >= MAILBOX_MESSAGES_MAX:
            return False
        self.signals.append(signal)
        self._wake()
        return True

    def put_due(self, due: DueExecution) -> None:
        """Say that a time has come; a newer revision replaces an older one."""
        if self.due is None or self.due.revision <= due.revision:
            self.due = due
        self._wake()

    def take_due(self) -> DueExecution | None:
        """Take the due time, if one has come."""
        due, self.due = self.due, None
        return due

    def close(self) -> None:
        """Tell the actor to stop once its turn is over."""
        self.closed = True
        self._wake()

    async def wait(self) -> None:
        """Return as soon as there is something to take."""
        while self.empty:
            assert self._waiter is None, "a mailbox has one actor"
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
