"""`python -m tests.faults.serving CONFIG`: the daemon as a service, where the command line has no `up`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from daemon.log import configure_logging
from daemon.serve import serve
from daemon.settings import load_settings, read_surroundings

if __name__ == "__main__":
    settings = load_settings(Path(sys.argv[1]))
    configure_logging(settings.log.level, "json")
    asyncio.run(serve(settings, read_surroundings(), dsn=settings.database.url))
