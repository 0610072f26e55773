"""`stepwell ps --daemons`: which daemons live, what each owns, and what nobody owns."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from daemon.cli.database import Stores, ask
from daemon.cli.exits import OK
from daemon.cli.options import Options
from daemon.cli.output import ago, cut, open_console, plural, write_json
from daemon.store_partitions import ListedDaemon, list_daemons

NAME_CHARACTERS = 8


def show_daemons(options: Options, json: bool) -> int:
    """Print the daemons, the oldest first."""

    async def look(stores: Stores) -> list[ListedDaemon]:
        return await list_daemons(stores.pool)

    found = ask(options, look)
    if json:
        write_json([_document(one) for one in found])
        return OK
    console = open_console()
    living = [one for one in found if one.owner is not None]
    if living:
        table = Table(box=None, pad_edge=False, header_style="dim")
        for heading in ("daemon", "host", "process", "version", "since", "partitions", "in memory", "lease"):
            table.add_column(heading, no_wrap=True)
        for one in living:
            table.add_row(*_cells(one))
        console.print(table)
        console.print()
    for one in found:
        if one.owner is None:
            what = f"Nobody owns {plural(one.partitions, 'partition')} of 256: "
            then = "a daemon claims them within a lease" if living else "no daemon runs; start one with stepwell up"
            console.print(Text(what + then, "red"))
    owned = sum(one.partitions for one in living)
    console.print(f"{plural(len(living), 'daemon')}, {owned} of 256 partitions owned")
    return OK


def _cells(one: ListedDaemon) -> tuple[str | Text, ...]:
    assert one.owner is not None and one.started_at is not None and one.seconds is not None
    lease = Text(f"{one.seconds:.0f} s left") if one.seconds > 0 else Text("ended", "bold red")
    return (
        _name(one.owner),
        cut(one.host or ""),
        str(one.pid),
        cut(one.version or ""),
        ago(one.started_at, one.now),
        f"{one.partitions} (stopping)" if one.leaving else str(one.partitions),
        str(one.executions),
        lease,
    )


def _name(owner: str) -> str:
    """Return what tells daemons apart: the part of an owner's name that is never used again."""
    return cut(owner.rsplit(":", 1)[-1][:NAME_CHARACTERS])


def _document(one: ListedDaemon) -> dict[str, object]:
    return {
        "daemon": None if one.owner is None else _name(one.owner),
        "owner": one.owner,
        "host": one.host,
        "process": one.pid,
        "version": one.version,
        "since": one.started_at,
        "stopping": one.leaving,
        "partitions": one.partitions,
        "executions": one.executions,
        "lease_seconds": one.seconds,
    }
