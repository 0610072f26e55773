"""`stepwell prune`: deletes what is past its retention, or says what it would delete."""

from __future__ import annotations

import re
from asyncio import sleep
from collections import Counter
from typing import Annotated

from cyclopts import Parameter

from daemon.cli.database import Stores, ask
from daemon.cli.exits import OK, USAGE, CommandError
from daemon.cli.options import NO_OPTIONS, Options
from daemon.cli.output import open_console, plural, write_json
from daemon.retention import aged_by, portions
from daemon.store_retention import RetentionStore

UNITS = {"s": 1, "min": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400}
AGE = re.compile(r"(\d{1,9})\s*(s|min|h|d|w)")
YEARS_MAX = 100


def prune(
    *,
    dry_run: Annotated[bool, Parameter(negative=(), help="Delete nothing; say what would go.")] = False,
    older_than: Annotated[
        str | None, Parameter(help="Conversations that ended so long ago, such as 30d, instead of what is configured.")
    ] = None,
    json: Annotated[bool, Parameter(negative=(), help="Print JSON.")] = False,
    options: Options = NO_OPTIONS,
) -> int:
    """Delete what is past its retention: ended conversations, old history, and what nothing refers to any more.

    The daemon does the same by itself. Conversations that go on lose nothing they need. It may be interrupted, and run
    beside daemons and beside itself.
    """
    retention = options.settings().retention
    seconds = None if older_than is None else read_age(older_than)
    aged = aged_by(retention, seconds)
    deleted: Counter[str] = Counter()

    async def run(stores: Stores) -> None:
        store = RetentionStore(stores.pool, "")
        async for portion in portions(store, aged, really=not dry_run, rest=_go_on):
            deleted.update(portion.deleted)

    ask(options, run)
    rows = {table: count for table, count in sorted(deleted.items()) if count}
    if json:
        write_json({"deleted": not dry_run, "rows": rows})
        return OK
    console = open_console()
    for table, count in rows.items():
        console.print(f"{count:>12,}  {table}")
    done = "would be deleted" if dry_run else "deleted"
    console.print(f"{plural(sum(rows.values()), 'row')} {done}.")
    if not retention.ended_days and seconds is None:
        console.print("Ended conversations are kept: retention.ended_days is 0. See --older-than.")
    return OK


def read_age(text: str) -> float:
    """Return a length of time in seconds. Raises CommandError."""
    found = AGE.fullmatch(text.strip().lower())
    seconds = float(found[1]) * UNITS[found[2]] if found else 0.0
    if not 0 < seconds <= YEARS_MAX * 365 * UNITS["d"]:
        raise CommandError(f"{text!r} is no age: say how many of s, min, h, d or w, such as 30d", USAGE)
    return seconds


async def _go_on(_: float) -> None:
    """An operator waits: no pause, but others of this process may run."""
    await sleep(0)
