"""A daemon in a process of its own, to be killed: `python -m tests.daemon.lonely_daemon DSN`."""

from __future__ import annotations

import asyncio
import sys

from daemon.app import run_daemon
from daemon.settings import Settings
from tests import run_state
from tests.daemon.conversing import settings_of


def settings() -> Settings:
    """Return the settings of a daemon whose lease ends soon after its death."""
    return settings_of(
        daemon__lease_seconds=0.9,
        daemon__heartbeat_seconds=0.3,
        daemon__sweep_seconds=1.0,
        tools={"create": "create_ticket"},
    )


async def main(dsn: str) -> None:
    """Run until killed."""
    run_state.use_tables()
    async with run_daemon(settings(), dsn=dsn, wait=True):
        print("up", flush=True)  # noqa: T201
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
