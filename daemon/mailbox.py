"""An actor's mailbox: what waits for it, in order and bounded.

Its states: *empty* (nothing to do), *filled* (messages, signals or a due time are there), *closed* (stop was said:
nothing more goes in, and it is the last thing the actor takes). It only keeps: who fills it then pokes the actor.
Lists, not deques: an empty deque takes 600 bytes, and there is a mailbox for every conversation in memory.
"""

from __future__ import annotations

from daemon.rows import DueExecution, PendingMessage, Signal

MAILBOX_MESSAGES_MAX = 100


class Mailbox:
    """What waits for one actor: messages in order, signals, the newest due time, and whether to stop.

    Bounded: above `MAILBOX_MESSAGES_MAX` a message stays in its table, and so does every later one until the
    actor has emptied the box and had them fetched again (`overflowed`), because their order must hold.
    """

    __slots__ = ("closed", "due", "later", "messages", "more", "overflowed", "signals")

    def __init__(self) -> None:
        self.messages: list[PendingMessage] = []
        self.signals: list[Signal] = []
        self.later: list[Signal] = []  # for a wait that goes on when the handler of an event has ended
        self.due: DueExecution | None = None
        self.closed = False
        self.overflowed = False
        self.more = False  # more for the session may be in the table, to be looked for when the messages are used up

    @property
    def empty(self) -> bool:
        """Whether the actor has nothing to take."""
        return not (self.messages or self.signals or self.closed) and self.due is None

    def put(self, message: PendingMessage) -> bool:
        """Add a message; False where the mailbox is full or closed."""
        messages = self.messages
        if len(messages) >= MAILBOX_MESSAGES_MAX:
            self.overflowed = True
        if self.overflowed or self.closed:
            return False
        messages.append(message)
        return True

    def put_signal(self, signal: Signal) -> bool:
        """Add a signal; False where the mailbox is full (of signals) or closed."""
        if self.closed or len(self.signals) >= MAILBOX_MESSAGES_MAX:
            return False
        self.signals.append(signal)
        return True

    def put_due(self, due: DueExecution) -> None:
        """Say that a time has come; a newer revision replaces an older one."""
        if self.due is None or self.due.revision <= due.revision:
            self.due = due

    def take_due(self) -> DueExecution | None:
        """Take the due time, if one has come."""
        due, self.due = self.due, None
        return due
