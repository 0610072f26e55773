"""What every scenario has: the server, pgbench's database on it, the sheet of figures, how long and how large."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg

from bench.cpu import Meter
from bench.processes import Daemon, http_server, prepare_stepwell, wait_for_scripts
from bench.server import Reference, create_database, run_pgbench
from bench.sheet import Sheet
from daemon.embedded import Running

PGBENCH_CLIENTS = (1, 8, 16, 32)


@dataclass(slots=True)
class Bench:
    """One run of the bench."""

    running: Running
    plain: str
    sheet: Sheet
    seconds: float
    rounds: int
    quick: bool
    databases: int = 0

    def reference(self, clients: Sequence[int] = PGBENCH_CLIENTS) -> Reference:
        """Run pgbench, now, and return it."""
        found = Reference({n: run_pgbench(self.running, self.plain, n, self.seconds) for n in clients})
        shown = ", ".join(f"{p.clients} clients {p.rate:,.0f}/s" for p in found.runs.values())
        print(f"  pgbench: {shown}; one transaction {found.alone_ms:.2f} ms", flush=True)
        return found

    def meter(self, *daemons: Daemon) -> Meter:
        """Return a meter of these daemons' CPU, and of the server's."""
        return Meter([d.process.pid for d in daemons], self.running.pid or 0)

    @asynccontextmanager
    async def database(self) -> AsyncIterator[str]:
        """Give a fresh database with Stepwell's schema, which is dropped afterwards."""
        self.databases += 1
        name = f"stepwell_{self.databases}"
        dsn = await create_database(self.running, name)
        await prepare_stepwell(dsn)
        try:
            yield dsn
        finally:
            await self.execute(self.running.dsn, f'drop database "{name}" with (force)', "checkpoint")

    @asynccontextmanager
    async def daemon(
        self, dsn: str, settings: Mapping[str, str] | None = None, sampled: str = ""
    ) -> AsyncIterator[Daemon]:
        """Run a daemon, and the server that its scripts ask, while the block runs."""
        with http_server() as asked:
            daemon = Daemon(dsn, sampled=sampled, settings={**asked.settings, **(settings or {})})
            try:
                await wait_for_scripts(dsn)
                yield daemon
            finally:
                daemon.stop()

    @staticmethod
    async def execute(dsn: str, *statements: str) -> None:
        """Run statements, each in a transaction of its own."""
        connection = await asyncpg.connect(dsn)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()
