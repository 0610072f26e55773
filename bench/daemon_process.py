"""The daemon that is measured, in a process of its own: `python -m bench.daemon_process DSN FOLDER`.

With a third argument it writes a profile of its busy time there when it is stopped.
"""

from __future__ import annotations

import asyncio
import cProfile
import sys

import uvloop

from daemon.log import configure_logging
from daemon.serve import serve
from daemon.settings import load_settings, read_surroundings

STARTING_SECONDS = 4.0


def main() -> None:
    """Serve until told to stop."""
    dsn, folder, *profile = sys.argv[1:]
    settings = load_settings(
        flags={"database.url": dsn, "scripts.directory": folder, "http.listen": "", "log.level": "warning"}, environ={}
    )
    configure_logging(settings.log.level, settings.log.format)
    profiler = cProfile.Profile() if profile else None

    async def run() -> None:
        if profiler:  # compiling the script at the start is not what is measured
            asyncio.get_running_loop().call_later(STARTING_SECONDS, profiler.enable)
        await serve(settings, read_surroundings({}))

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())
    if profiler:
        profiler.disable()
        profiler.dump_stats(profile[0])


if __name__ == "__main__":
    main()
