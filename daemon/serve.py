"""The daemon as a service: signals, health addresses, systemd, and the folder of scripts it deploys.

States: *starting* (not ready: the database is waited for), *serving*, *reloading* (SIGHUP: the folder is deployed
anew, conversations go on), *stopping* (SIGTERM or SIGINT; a second one does not wait for turns under way).
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import structlog

from daemon.app import Daemon, run_daemon
from daemon.bell import Bell
from daemon.health import Readiness, serve_health
from daemon.metrics import Metrics, create_metrics
from daemon.notify_systemd import Systemd
from daemon.settings import Settings, Surroundings

STATUS_SECONDS = 10.0

log = structlog.get_logger(__name__)


async def serve(settings: Settings, surroundings: Surroundings, *, dsn: str | None = None) -> None:
    """Run the daemon until SIGTERM or SIGINT. `dsn` replaces the configured address (the embedded server's).

    Raises SchemaProblem for an older or newer schema and HealthError where the addresses cannot be had; a
    database that is away is waited for. A folder of scripts that does not compile is reported, and the plans
    deployed before stay in force, because the conversations under way need a daemon.
    """
    systemd = Systemd(surroundings.notify_socket)
    metrics, readiness = create_metrics(), Readiness()
    failure: BaseException | None = None
    async with asyncio.TaskGroup() as tasks, serve_health(tasks, settings.listen, metrics, readiness):
        beating = tasks.create_task(systemd.beat(surroundings.watchdog_seconds))
        systemd.status("Waiting for the database")
        # A task of its own, so that a signal can end it in every state, also while the database is waited for.
        serving = tasks.create_task(_serve(settings, metrics, readiness, systemd, dsn))
        try:
            with suppress(asyncio.CancelledError):
                await serving
        except BaseException as error:
            failure = error
        beating.cancel()
    if failure is not None:
        raise failure
