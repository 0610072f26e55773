"""Gauges: what is asked now and then, of the daemon's parts and of the database, rather than counted as it happens."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from daemon.app import Daemon

METRICS_SECONDS = 15.0

log = structlog.get_logger(__name__)


async def keep_gauges(daemon: Daemon) -> None:
    """Measure for ever; to be started in the daemon's TaskGroup."""
    while True:
        try:
            await _measure(daemon)
        except Exception as error:
            log.debug("gauges_not_read", error=str(error))
        await asyncio.sleep(METRICS_SECONDS)


async def _measure(daemon: Daemon) -> None:
    metrics, operators = daemon.metrics, daemon.operators
    metrics.actors.set(daemon.supervisor.present_count)
    metrics.partitions.set(len(daemon.partitions.owned))
    metrics.requests_in_flight.set(daemon.requests.in_flight)
    pool = daemon.connections.asking
    metrics.set_pool(size=pool.get_size(), idle=pool.get_idle_size(), maximum=pool.get_max_size())
    backlog = await operators.measure_messages()
    metrics.messages_pending.set(backlog.pending)
    metrics.messages_pending_oldest_seconds.set(backlog.oldest_seconds or 0.0)
    metrics.set_standstill(await operators.measure_signals())
    counted = await operators.count_executions()
    metrics.set_executions({status: count.executions for status, count in counted.items()})
    metrics.set_requests(await daemon.requests.count())
