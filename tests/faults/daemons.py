"""Several daemons on one database, while daemons are added, stopped, killed and paused, and conversations go on.

A turn must not be lost or doubled, whoever had the conversation and whoever has it next; and what a silent daemon
owned is owned again within the lease.
"""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any

import asyncpg

from tests.faults.arena import END_SECONDS_MAX, Run, prepare, wait_for_scripts
from tests.faults.conversation import plan
from tests.faults.service import POLL_SECONDS, Service
from tests.faults.verdict import judge

LEASE_SECONDS = 10.0  # as it is where nobody has configured it
RUNNING_SECONDS = 0.3  # so long after somebody has said something comes the next event, at most
SPEAK_SECONDS_MAX = 90.0  # somebody says something within that, whatever has happened
WATCH_SECONDS = 0.05
ADD = 0.7  # how likely the next event is a new daemon where one is missing

LIVING = "select pid from workflow_daemons where lease_until > now() and not leaving"
# Everything is owned by somebody else than that process.
OWNED = """
select count(*) = 256 from workflow_partitions p join workflow_daemons d on d.owner = p.owner where d.pid <> $1
"""
OWNERS = "select number, epoch, owner from workflow_partitions where owner is not null"
WENT_BACK = """
select count(*) from (
    select epoch < lag(epoch) over (partition by execution_id order by turn) as back from workflow_turns
) t where back
"""


@dataclass(slots=True)
class Shared:
    """What a run came to. Seconds from an event until all partitions were owned by others."""

    events: Counter[str] = field(default_factory=Counter)
    after: dict[str, list[float]] = field(default_factory=lambda: {"kill": [], "pause": [], "stop": []})
    logged: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)


class Fleet:
    """The daemons of a run, those that have ended too."""

    def __init__(self, run: Run, folder: Path, keeper: asyncpg.Connection[Any], daemon: dict[str, object]) -> None:
        self.run = run
        self.keeper = keeper
        self.result = Shared()
        self.lease = float(str(daemon.get("lease_seconds", LEASE_SECONDS)))
        self._folder = folder
        self._daemon = daemon
        self.running: list[Service] = [run.service]
        self.every: list[Service] = [run.service]
        self._owners: dict[tuple[int, int], str] = {}

    # ── what happens to them ──

    async def happen(self, what: str) -> None:
        """Have one event happen, to a daemon chosen at random."""
        self.result.events[what] += 1
        if what == "add":
            added = Service(self._folder, self.run.dsn, name=f"daemon-{len(self.every) + 1}", daemon=self._daemon)
            self.every.append(added)
            self.running.append(added)
            added.start()
            return
        service = self.run.random.choice(self.running)
        pid = service.pid
        others = {row[0] for row in await self.keeper.fetch(LIVING)} - {pid}
        if what == "pause":
            service.signal(signal.SIGSTOP)
            paused = monotonic()
            await self._measure(what, pid, others)
            await asyncio.sleep(max(0.0, self.lease * 1.2 - (monotonic() - paused)))
            service.signal(signal.SIGCONT)
            return
        self.running.remove(service)
        if what == "kill":
            service.kill()
            await self._measure(what, pid, others)
            return
        stopping = asyncio.create_task(service.stop())
        await self._measure(what, pid, others)
        if status := await stopping:
            self.result.violations.append(f"a daemon ended with status {status} when it was told to stop")

    async def _measure(self, what: str, pid: int, others: set[int]) -> None:
        """Wait until all partitions are owned by others, if there are any that live."""
        if not others.intersection(service.pid for service in self.running if service.pid != pid):
            return
        began = monotonic()
        while not await self.keeper.fetchval(OWNED, pid):
            if monotonic() - began > self.lease:
                self.result.violations.append(f"after a {what}, not everything is owned within {self.lease:g} s")
                return
            await asyncio.sleep(POLL_SECONDS)
        self.result.after[what].append(monotonic() - began)

    def choose(self, daemons: int) -> str:
        """Return what happens next."""
        random = self.run.random
        if len(self.running) < 2 or (len(self.running) < daemons and random.random() < ADD):
            return "add"
        return random.choice(("kill", "pause", "stop", *(["add"] if len(self.running) <= daemons else [])))

    # ── what must hold meanwhile and at the end ──

    async def watch(self) -> None:
        """Look again and again who owns what: within an epoch, a partition has one owner."""
        connection = await asyncpg.connect(self.run.dsn)
        try:
            while True:
                for number, epoch, owner in await connection.fetch(OWNERS):
                    if self._owners.setdefault((number, epoch), owner) != owner:
                        self.result.violations.append(f"partition {number} has two owners in its epoch {epoch}")
                await asyncio.sleep(WATCH_SECONDS)
        finally:
            await connection.close()

    def check(self) -> None:
        """Fail, with the end of its log, if a daemon has ended by itself."""
        for service in self.running:
            service.check()

    async def spoken(self, everyone: asyncio.Task[None]) -> None:
        """Return once somebody has said something."""
        self.check()
        try:
            async with asyncio.timeout(SPEAK_SECONDS_MAX):
                await self.run.bots.spoken_since(datetime.now(UTC))  # the database's clock is this machine's
        except TimeoutError:
            if not everyone.done():
                tails = "\n".join(f"{service.log.name}:\n{service.tail()}" for service in self.running)
                raise AssertionError(f"nothing is said for {SPEAK_SECONDS_MAX} s:\n{tails}") from None

    async def conclude(self) -> None:
        """Stop all daemons and judge."""
        violations = self.result.violations
        async with asyncio.timeout(END_SECONDS_MAX):
            for service in self.running:
                if status := await service.stop():
                    violations.append(f"a daemon ended with status {status} when it was told to stop")
        violations += await judge(self.run.dsn, self.run.bots.talks.values())
        if back := await self.keeper.fetchval(WENT_BACK):
            violations.append(f"{back} turns were written by who owned the partition before")
        if left := await self.keeper.fetchval("select count(*) from workflow_partitions where owner is not null"):
            violations.append(f"{left} partitions were not given back")
        for service in self.every:
            violations += [f"the log of {service.log.name}: {line}" for line in service.complaints()]
            self.result.logged += service.count_events()


async def run_daemons(run: Run, folder: Path, daemons: int, events: int, *, daemon: dict[str, object]) -> Shared:
    """Hold the conversations with so many daemons, have events happen to them, and judge."""
    plan()  # takes seconds of CPU, in which nobody here would notice anything
    await prepare(run.dsn)
    keeper = await asyncpg.connect(run.dsn)
    fleet = Fleet(run, folder, keeper, daemon)
    run.service.start()
    try:
        await wait_for_scripts(run.dsn, run.service)
        for _ in range(1, daemons):
            await fleet.happen("add")
        fleet.result.events.clear()
        async with run.bots.holding() as everyone, asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(fleet.watch())
            for number in range(1, events + 1):
                run.bots.pace.give(-(-run.answers // (events + 1)))
                await fleet.spoken(everyone)
                await asyncio.sleep(run.random.random() * RUNNING_SECONDS)
                await fleet.happen(fleet.choose(daemons))
                if number % max(1, events // 10) == 0:
                    run.say(f"{number} events, {run.bots.said} of {run.answers} messages, "
                            f"{run.bots.replies} replies, {len(fleet.running)} daemons")  # fmt: skip
            fleet.result.violations += await run.finish(everyone)
            watching.cancel()
        await fleet.conclude()
    finally:
        await keeper.close()
        for service in fleet.every:
            service.close()
    return fleet.result
