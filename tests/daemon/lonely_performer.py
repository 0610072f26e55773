"""A daemon in a process of its own that never ends what it performs: `python -m tests.daemon.lonely_performer DSN`."""

from __future__ import annotations

import asyncio
import sys

from daemon.app import run_daemon
from daemon.performing import TakenRequest
from engine.values import Value
from tests import run_state
from tests.daemon.conversing import settings_of
from tests.daemon.performing import Told, never


async def begin(request: TakenRequest) -> Value:
    """Say that the attempt has begun, and never end it."""
    print(f"began {request.key}", flush=True)  # noqa: T201
    return await never(request)


async def main(dsn: str) -> None:
    """Run until killed."""
    run_state.use_tables()
    async with run_daemon(settings_of(), dsn=dsn, performers=[Told(begin)]):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
