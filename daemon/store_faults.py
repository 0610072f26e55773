"""What an error of the database means for work that was under way: repeat it, look first, or blame the work."""

from __future__ import annotations

from enum import Enum

import asyncpg


class Fault(Enum):
    """What to do about an error."""

    LOST = "lost"  # the connection is gone: what was being committed may or may not have been
    AGAIN = "again"  # rolled back for a reason that lies in the moment: a deadlock, a lock or statement time-out
    LATER = "later"  # rolled back because the server can do nothing now: a full disk, read only, no resources
    REFUSED = "refused"  # the database will not have it, however often it is asked


# SQLSTATE classes and codes after which the same work may succeed; the transaction was certainly undone.
_AGAIN_CLASSES = frozenset({"40"})
_AGAIN_CODES = frozenset({"55P03", "57014"})  # lock and statement time-out
_LATER_CLASSES = frozenset({"53", "58"})
_LATER_CODES = frozenset({"25006"})  # read only: a standby, or a server that protects itself
# The server ends the connection with these: shutdown, crash, start-up, idle too long.
_LOST_CODES = frozenset({"57P01", "57P02", "57P03", "57P05", "25P03"})


def fault_of(error: BaseException) -> Fault:
    """Return what an exception out of the store means."""
    if isinstance(error, asyncpg.InvalidCachedStatementError | asyncpg.OutdatedSchemaCacheError):
        return Fault.AGAIN
    if isinstance(error, asyncpg.PostgresError):
        code = error.sqlstate or ""
        if code[:2] == "08" or code in _LOST_CODES:
            return Fault.LOST
        if code[:2] in _AGAIN_CLASSES or code in _AGAIN_CODES:
            return Fault.AGAIN
        if code[:2] in _LATER_CLASSES or code in _LATER_CODES:
            return Fault.LATER
        return Fault.REFUSED
    # InternalClientError: the connection was handed on in the moment between the server's last word and its end.
    if isinstance(error, asyncpg.InterfaceError | asyncpg.InternalClientError | OSError | EOFError):
        return Fault.LOST
    return Fault.REFUSED
