"""The commands: each prints its progress, a summary with the seed, and ends with 1 if a promise was broken."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from random import SystemRandom
from statistics import median
from time import monotonic

from tests.faults.arena import make_run, own_server
from tests.faults.daemons import run_daemons
from tests.faults.every_step import every_stop, run_every_step
from tests.faults.flood import run_floods
from tests.faults.kill import run_kills
from tests.faults.requests import run_requests
from tests.faults.restarts import run_restarts


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def kill(given: argparse.Namespace) -> int:
    """Kill the daemon."""
    with own_server(given.postgres_bin) as (postgres, folder):
        say(f"{given.conversations} conversations, {given.kills} kills, seed {given.seed}, "
            f"PostgreSQL {postgres.version}")  # fmt: skip
        started = monotonic()
        run = make_run(postgres.dsn, folder, given.conversations, given.seed, say=say)
        result = asyncio.run(run_kills(run, given.kills))
        say(f"{result.kills} kills ({result.while_starting} of them while it started) in "
            f"{monotonic() - started:.0f} s; {run.bots.said} messages, {run.bots.replies} replies; "
            f"from a start to the first reply: median {median(result.silences or [0.0]):.1f} s, "
            f"longest {max(result.silences, default=0.0):.1f} s")  # fmt: skip
        return _conclude(result.violations, given.seed, run.service.count_events())


def restart_postgres(given: argparse.Namespace) -> int:
    """Kill and restart the database."""
    with own_server(given.postgres_bin) as (postgres, folder):
        say(f"{given.conversations} conversations, {given.restarts} faults of the database, seed {given.seed}, "
            f"PostgreSQL {postgres.version}")  # fmt: skip
        started = monotonic()
        run = make_run(postgres.dsn, folder, given.conversations, given.seed, say=say)
        result = asyncio.run(run_restarts(run, postgres, given.restarts))
        say(f"killed {result.kills} times, restarted {result.restarts} times, {result.backends} backends ended in {monotonic() - started:.0f} s; "
            f"{run.bots.said} messages, {run.bots.replies} replies; "
            f"longest silence after a start {result.longest_silence:.1f} s; "
            f"{result.rate_before:.0f} messages a second before, {result.rate_after:.0f} after"
            f"{f', {result.rate_fresh:.0f} of a new daemon' if result.rate_fresh else ''}: {result.ratio:.2f}"
        )  # fmt: skip
        return _conclude(result.violations, given.seed, run.service.count_events())


def requests(given: argparse.Namespace) -> int:
    """Kill the daemon while scripts ask things of the world outside."""
    with own_server(given.postgres_bin) as (postgres, folder):
        say(f"{given.conversations} conversations, {given.kills} kills, seed {given.seed}, "
            f"PostgreSQL {postgres.version}")  # fmt: skip
        started = monotonic()
        result = asyncio.run(
            run_requests(postgres.dsn, folder, given.conversations, given.kills, given.seed, park=given.park, say=say)
        )
        say(f"{result.kills} kills in {monotonic() - started:.0f} s; {result.repeated} effects arrived more than "
            f"once, each under its one key; {result.in_doubt} were in doubt and listed")  # fmt: skip
        for violation in result.violations:
            say(violation)
        if result.violations:
            say(f"BROKEN: {len(result.violations)} violations. Again: --seed {given.seed}")
            return 1
        say("Every effect arrived under one key, every ticket is there once, nothing is stuck or left over.")
        return 0


def flood(given: argparse.Namespace) -> int:
    """Flood, and see how long somebody else waits."""
    with own_server(given.postgres_bin) as (postgres, folder):
        say(f"{given.messages} messages a flood, seed {given.seed}, PostgreSQL {postgres.version}")
        asyncio.run(run_floods(postgres.dsn, folder, given.messages, given.seconds, given.seed, say))
        return 0


def daemons(given: argparse.Namespace) -> int:
    """Add, stop, kill and pause daemons."""
    with own_server(given.postgres_bin) as (postgres, folder):
        say(f"{given.conversations} conversations, {given.daemons} daemons, {given.events} events, "
            f"seed {given.seed}, PostgreSQL {postgres.version}")  # fmt: skip
        started = monotonic()
        run = make_run(postgres.dsn, folder, given.conversations, given.seed, say=say)
        result = asyncio.run(run_daemons(run, folder, given.daemons, given.events, daemon={}))
        say(f"{', '.join(f'{what} {count}' for what, count in sorted(result.events.items()))} in "
            f"{monotonic() - started:.0f} s; {run.bots.said} messages, {run.bots.replies} replies")  # fmt: skip
        for what, seconds in result.after.items():
            say(f"from a {what} until all partitions are owned by others: median {median(seconds or [0.0]):.2f} s, "
                f"longest {max(seconds, default=0.0):.2f} s of {len(seconds)}")  # fmt: skip
        return _conclude(tuple(result.violations), given.seed, result.logged)


def every_step(given: argparse.Namespace) -> int:
    """Kill inside every turn, at every place, each in every way."""
    broken = 0
    for stop in every_stop():
        with own_server(given.postgres_bin) as (postgres, folder):
            run = make_run(postgres.dsn, folder, 1, given.seed, plain=given.plain)
            result = asyncio.run(run_every_step(run, [stop]))
            say(f"{stop.place}, {stop.way.value}: {sum(result.kills.values())} turns killed, "
                f"{len(result.violations)} violations")  # fmt: skip
            for violation in result.violations:
                say(violation)
            broken += len(result.violations)
    say(
        f"BROKEN: {broken} violations" if broken else "The same transcript and rows as without, wherever it was killed."
    )
    return 1 if broken else 0


def _conclude(violations: tuple[str, ...], seed: str, events: dict[str, int]) -> int:
    say("logged: " + ", ".join(f"{name} {count}" for name, count in sorted(events.items())))
    for violation in violations:
        say(violation)
    if violations:
        say(f"BROKEN: {len(violations)} violations. Again: --seed {seed}")
        return 1
    say("Every transcript is that of the bare engine, every ticket is there once, nothing is left over.")
    return 0


def main() -> int:
    """Run one command and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--conversations", type=int, default=200, help="held at once (200)")
    common.add_argument("--seed", default=str(SystemRandom().randrange(10**9)), help="repeats a run's choices")
    common.add_argument("--postgres-bin", type=Path, help="a folder of PostgreSQL programs; default: the embedded")
    killing = commands.add_parser("kill", parents=[common], help="kill the daemon with SIGKILL, again and again")
    killing.add_argument("--kills", type=int, default=100, help="how often (100)")
    killing.set_defaults(run=kill)
    restarting = commands.add_parser(
        "restart-postgres", parents=[common], help="kill and restart PostgreSQL under a daemon that is not"
    )
    restarting.add_argument("--restarts", type=int, default=10, help="how often (10)")
    restarting.set_defaults(run=restart_postgres)
    asking = commands.add_parser(
        "requests", parents=[common], help="kill the daemon while scripts mail, call HTTP and run children"
    )
    asking.add_argument("--kills", type=int, default=100, help="how often (100)")
    asking.add_argument("--park", action="store_true", help="what is in doubt waits for the operator")
    asking.set_defaults(run=requests, conversations=300)
    flooding = commands.add_parser("flood", help="how long somebody waits while a session, a bot or a script floods")
    flooding.add_argument("--messages", type=int, default=50_000, help="of each flood (50000)")
    flooding.add_argument(
        "--seconds", type=float, default=8.0, help="that the quiet one talks before and meanwhile (8)"
    )
    flooding.add_argument("--seed", default="1", help="repeats a run's choices")
    flooding.add_argument("--postgres-bin", type=Path, help="a folder of PostgreSQL programs; default: the embedded")
    flooding.set_defaults(run=flood)

    sharing = commands.add_parser(
        "daemons", parents=[common], help="add, stop, kill and pause daemons that share the conversations"
    )
    sharing.add_argument("--daemons", type=int, default=2, help="how many there are, but for events (2)")
    sharing.add_argument("--events", type=int, default=40, help="how many daemons are added, stopped, … (40)")
    sharing.set_defaults(run=daemons)
    stepping = commands.add_parser("every-step", help="kill inside every turn of a conversation, at every place")
    stepping.add_argument("--seed", default="1", help="chooses the conversation")
    stepping.add_argument("--plain", action="store_true", help="a conversation as short as can be")
    stepping.add_argument("--postgres-bin", type=Path, help="a folder of PostgreSQL programs; default: the embedded")
    stepping.set_defaults(run=every_step)
    given = parser.parse_args()
    status: int = given.run(given)
    return status


if __name__ == "__main__":
    sys.exit(main())
