"""The daemon as a service: signals, health addresses, systemd, and the folder of scripts it deploys.

States: *starting* (not ready: the database is waited for), *serving*, *reloading* (SIGHUP: the folder is deployed
anew, conversations go on), *stopping* (SIGTERM or SIGINT; a second one does not wait for turns under way).
"""

from __future__ import annotations

import asyncio
import gc
import resource
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
COLLECTOR_THRESHOLDS = (20_000, 20, 100)

log = structlog.get_logger(__name__)


async def serve(settings: Settings, surroundings: Surroundings, *, dsn: str | None = None) -> None:
    """Run the daemon until SIGTERM or SIGINT. `dsn` replaces the configured address (the embedded server's).

    Raises SchemaProblem for an older or newer schema and HealthError where the addresses cannot be had; a
    database that is away is waited for. A folder of scripts that does not compile is reported, and the plans
    deployed before stay in force, because the conversations under way need a daemon.
    """
    open_files_allowed()
    systemd = Systemd(surroundings.notify_socket)
    metrics, readiness = create_metrics(), Readiness()
    service = _Service(settings, metrics, readiness, systemd, dsn)
    failure: Exception | None = None
    async with asyncio.TaskGroup() as tasks, serve_health(tasks, settings.listen, metrics, readiness):
        beating = tasks.create_task(systemd.beat(surroundings.watchdog_seconds))
        # A task of its own, so that a signal can end it in every state, also while the database is waited for.
        serving = tasks.create_task(service.run())
        with _signals(service, serving):
            await asyncio.wait((serving,))
        beating.cancel()
        if not serving.cancelled():
            failure = serving.result()
    if failure is not None:
        raise failure


def open_files_allowed() -> int:
    """Raise this process's limit of open files as far as it may, and return it: each request under way is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (ValueError, OSError):  # "unlimited" is more than some kernels allow
        return soft
    return hard


class _Service:
    """One run of the service."""

    def __init__(
        self, settings: Settings, metrics: Metrics, readiness: Readiness, systemd: Systemd, dsn: str | None
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._readiness = readiness
        self._systemd = systemd
        self._dsn = dsn
        self._bell = Bell()
        self.stopping = False
        self.running = False
        self.reloading = True

    def ring(self) -> None:
        """Have the service notice what a signal has set."""
        self._bell.ring()

    async def run(self) -> Exception | None:
        """Run the daemon until told to stop; return what ended it otherwise."""
        self._systemd.status("Waiting for the database")
        try:
            async with run_daemon(
                self._settings, dsn=self._dsn, metrics=self._metrics, readiness=self._readiness, wait=True
            ) as daemon:
                self.running = True
                self._systemd.ready("Starting")
                while not self.stopping:
                    if self.reloading:
                        self.reloading = False
                        await self._deploy(daemon)
                    self._systemd.status(_status(daemon))
                    await self._bell.wait(STATUS_SECONDS)
                self._systemd.stopping()
                log.info("stopping", seconds_max=self._settings.daemon.stop_seconds_max)
        except Exception as error:
            return error
        return None

    async def _deploy(self, daemon: Daemon) -> None:
        """Deploy the folder of scripts; whatever is wrong with it, the conversations go on."""
        directory = self._settings.scripts_dir
        try:
            done = await daemon.deploy(directory, withdraw=True)
        except Exception as error:
            self._metrics.count_error("compile" if isinstance(error, OSError) else "database")
            log.error("scripts_not_deployed", directory=str(directory), reason=str(error))
            return
        for problem in done.problems:
            write = log.error if problem.severity == "error" else log.warning
            write("script_problem", problem=problem.render())
        if done.refused:
            self._metrics.count_error("compile")
            log.error("scripts_not_deployed", directory=str(directory), reason="scripts do not compile")
        else:
            _settle_memory()
            log.info("scripts_deployed", scripts=len(done.plans), changed=done.changed, withdrawn=done.withdrawn)


def _settle_memory() -> None:
    """Take what stays, such as the grammar's tables and the modules, out of the collector's rounds, and have
    those less often: a turn makes a hundred objects and leaves no cycles, so most rounds find nothing."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTOR_THRESHOLDS)


def _status(daemon: Daemon) -> str:
    reasons = daemon.readiness.reasons
    if reasons:
        return reasons[0]
    return f"{len(daemon.supervisor.present)} conversations in memory"


@contextmanager
def _signals(service: _Service, serving: asyncio.Task[Exception | None]) -> Iterator[None]:
    """Handle the signals of a service while the block runs."""
    loop = asyncio.get_running_loop()

    def stop() -> None:
        if service.stopping or not service.running:
            serving.cancel()
        service.stopping = True
        service.ring()

    def reload() -> None:
        service.reloading = True
        service.ring()

    handlers = {signal.SIGTERM: stop, signal.SIGINT: stop, signal.SIGHUP: reload}
    for number, handler in handlers.items():
        loop.add_signal_handler(number, handler)
    try:
        yield
    finally:
        for number in handlers:
            with suppress(ValueError):
                loop.remove_signal_handler(number)
