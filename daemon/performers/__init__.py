"""Those who perform requests, one module a kind. Nothing else knows a library of HTTP or of mail."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from daemon.performers.http import HttpPerformer
from daemon.performers.mail import MailPerformer
from daemon.performing import Performer
from daemon.settings import HttpTool, Settings


@asynccontextmanager
async def open_performers(settings: Settings) -> AsyncIterator[tuple[Performer, ...]]:
    """Open the performers that the configuration makes; close them at the end of the block."""
    tools = {name: tool for name, tool in settings.tools.items() if isinstance(tool, HttpTool)}
    performers: list[Performer] = [
        HttpPerformer(settings.web, tools, connections_max=settings.requests.in_flight_max),
        MailPerformer(settings.mail),
    ]
    async with AsyncExitStack() as stack:
        for performer in performers:
            stack.push_async_callback(performer.close)
        yield tuple(performers)
