"""How a daemon leaves: what it has begun ends within bounds, and everything else goes to the others at once.

States: *handing over* (nothing new is taken; a partition is given back as soon as no turn of it is under way),
*settling* (attempts of requests under way end; they stay ours while we live, whoever owns their partitions by now),
*gone* (the row by which the daemon lived is deleted). What is not committed by then did not happen.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

import structlog

from daemon.committer import Committer
from daemon.partitions import Partitions
from daemon.requests import Requests
from daemon.supervisor import Supervisor

POLL_SECONDS = 0.002
HAND_OVER_SECONDS = 0.05  # longer than most turns: after that, partitions of others do not wait for those that last
RELEASE_SECONDS_MAX = 2.0

log = structlog.get_logger(__name__)


async def stop_requests(requests: Requests, seconds_max: float) -> None:
    """Let attempts under way end, for half of that time, and store their answers."""
    try:
        async with asyncio.timeout(seconds_max):
            await requests.stop(seconds_max / 2)
    except Exception as error:  # whoever owns the partitions next finds what was cut short
        log.warning("requests_not_given_back", error=str(error) or type(error).__name__)


async def hand_over(supervisor: Supervisor, committer: Committer, partitions: Partitions, seconds_max: float) -> None:
    """Return when every turn has ended, or the time has. Until then the partitions of turns under way stay ours."""
    supervisor.stop()
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds_max):
            await _until_ended(supervisor, committer, partitions)
    if supervisor.present_count:
        log.warning("turns_dropped", executions=supervisor.present_count)
    else:
        await _give_back(partitions, partitions.owned)


async def _until_ended(supervisor: Supervisor, committer: Committer, partitions: Partitions) -> None:
    clock = asyncio.get_running_loop().time
    began, given = clock(), False
    while supervisor.present_count or not committer.idle:
        if not given and clock() - began > HAND_OVER_SECONDS:
            given = True
            await _give_back(partitions, partitions.owned - supervisor.partitions)
        await asyncio.sleep(POLL_SECONDS)


async def release(partitions: Partitions) -> None:
    """Give back what is left, and be no daemon any more."""
    try:
        async with asyncio.timeout(RELEASE_SECONDS_MAX):
            await partitions.release()
    except Exception as error:  # the lease ends by itself
        log.warning("partitions_not_released", error=str(error) or type(error).__name__)


async def _give_back(partitions: Partitions, some: frozenset[int]) -> None:
    try:
        async with asyncio.timeout(RELEASE_SECONDS_MAX):
            await partitions.give_back(some)
    except Exception as error:  # the release at the end does it, or the lease
        log.warning("partitions_not_released", error=str(error) or type(error).__name__)
