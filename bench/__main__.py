"""`python -m bench`: every figure of docs/performance.md, beside pgbench on the same server in the same run."""

from __future__ import annotations

import argparse
import asyncio
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

from bench.beside import measure_beside
from bench.cpu import machine_ticks
from bench.daemons import measure_daemons
from bench.facts import facts_of
from bench.floor import measure_floor
from bench.growth import measure_growth
from bench.in_flight import measure_in_flight
from bench.old_transaction import measure_old_transaction
from bench.plain import CONVERSATIONS, SCRIPTS, measure_turns
from bench.processes import raise_file_limit
from bench.profiling import profile
from bench.server import create_database, prepare_pgbench, server
from bench.sheet import Sheet
from bench.surroundings import Bench
from bench.timers import measure_timers
from bench.waiting import measure_waiting
from daemon.embedded import Running


def read_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    add = parser.add_argument
    add("--all", action="store_true", help="every scenario, as docs/performance.md has them")
    add("--quick", action="store_true", help="one short round of small numbers: to see that it runs")
    add("--rounds", type=int, default=0, help="rounds of pgbench and Stepwell in turn (3)")
    add("--seconds", type=float, default=0, help="length of each pgbench run and each load (4)")
    add("--postgres-bin", type=Path, help="binaries of another PostgreSQL")
    add("--scripts", nargs="+", default=SCRIPTS, choices=SCRIPTS, help="only these rows")
    add("--conversations", nargs="+", type=int, default=CONVERSATIONS, help="only so many at once")
    add("--profile", type=int, metavar="CONVERSATIONS", help="profile that many of the first of --scripts instead")
    add("--in-flight", type=int, metavar="REQUESTS", help="so many wait for an answer at once, instead")
    add("--waiting", type=int, metavar="CONVERSATIONS", help="so many conversations wait while 1,000 talk, instead")
    add("--timers", type=int, metavar="TIMERS", help="so many are due at one instant, instead")
    add("--growth", type=int, metavar="ROWS", help="what a turn costs with up to so many rows of each kind, instead")
    add("--daemons", type=int, metavar="DAEMONS", help="up to so many daemons on one database, instead")
    add("--floor", type=int, metavar="CONVERSATIONS", help="the least that a daemon can cost, beside ours, instead")
    add("--old-transaction", type=int, metavar="SECONDS", help="a transaction stays open for so long, instead")
    add("--beside", action="store_true", help="engine, actors and floods, which are commands of their own, instead")
    add("--out", type=Path, metavar="FOLDER", help="write figures.json and figures.md there")
    return parser.parse_args()


async def run(running: Running, arguments: argparse.Namespace) -> None:
    """Run what is asked for, and tell the figures."""
    quick = arguments.quick
    plain = await create_database(running, "plain")
    await prepare_pgbench(plain)
    sheet = Sheet(await facts_of(running))
    bench = Bench(
        running, plain, sheet, arguments.seconds or (1 if quick else 4), arguments.rounds or (1 if quick else 3), quick
    )
    worked, stolen = machine_ticks()
    try:
        await measure(bench, arguments)
    finally:
        now_worked, now_stolen = machine_ticks()
        share = (now_stolen - stolen) / max(1, now_worked - worked + now_stolen - stolen)
        sheet.facts["machine"]["CPU that the host gave to others, of all that was wanted"] = f"{share:.0%}"
        sheet.show()
        if arguments.out:
            sheet.write(arguments.out)


async def measure(bench: Bench, arguments: argparse.Namespace) -> None:
    """Run one scenario, or all of them."""
    quick = bench.quick
    everything = arguments.all
    filling = replace(bench, rounds=1) if everything else bench  # what takes minutes to fill tables
    chosen: list[tuple[bool, Callable[[], Awaitable[None]]]] = []

    def scenario(asked: int | None, usual: int, small: int, measured: Callable[[int], Awaitable[None]]) -> None:
        size = asked or (small if quick else usual)
        chosen.append((bool(asked) or everything, lambda: measured(size)))

    scenario(arguments.profile, 1_000, 100, lambda n: profile(bench, arguments.scripts[0], n))
    scenario(arguments.in_flight, 5_000, 200, lambda n: measure_in_flight(bench, n))
    scenario(arguments.waiting, 1_000_000, 5_000, lambda n: measure_waiting(filling, n))
    scenario(arguments.timers, 100_000, 2_000, lambda n: measure_timers(bench, n))
    scenario(arguments.growth, 1_000_000, 10_000, lambda n: measure_growth(filling, n))
    scenario(arguments.daemons, 4, 2, lambda n: measure_daemons(bench, n))
    scenario(arguments.floor, 1_000, 100, lambda n: measure_floor(bench, n))
    scenario(arguments.old_transaction, 25, 4, lambda n: measure_old_transaction(bench, n))
    chosen.append((arguments.beside or everything, lambda: measure_beside(bench)))
    turns = everything or not any(asked for asked, _ in chosen)
    chosen.insert(0, (turns, lambda: measure_turns(bench, arguments.scripts, arguments.conversations)))
    failed = []
    for asked, measured in chosen:
        try:
            if asked:
                await measured()
        except (Exception, SystemExit) as error:  # the other figures are worth having
            if not everything:
                raise
            failed.append(f"{type(error).__name__}: {error}")
            traceback.print_exc()
    if failed:
        raise SystemExit("not everything was measured: " + "; ".join(failed))


def main() -> None:
    """Start the server and measure."""
    arguments = read_arguments()
    raise_file_limit()
    with server(arguments.postgres_bin) as running:
        print(f"PostgreSQL {running.version}, fsync on, synchronous_commit on", flush=True)
        asyncio.run(run(running, arguments))


if __name__ == "__main__":
    main()
