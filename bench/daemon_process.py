"""The daemon that is measured, in a process of its own: `python -m bench.daemon_process DSN FOLDER`.

With --profile=FILE it writes a profile of its busy time there when it is stopped; --set=KEY=VALUE is a setting.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile

import uvloop

from daemon.log import configure_logging
from daemon.serve import serve
from daemon.settings import load_settings, read_surroundings

STARTING_SECONDS = 4.0


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser()
    parser.add_argument("dsn")
    parser.add_argument("folder")
    parser.add_argument("--profile", default="")
    parser.add_argument("--set", action="append", default=[])
    given = parser.parse_args()
    flags: dict[str, object] = {"http.listen": "", "log.level": "warning"}
    flags |= {"database.url": given.dsn, "scripts.directory": given.folder}
    set_to = [text.partition("=") for text in given.set]
    environ = {f"STEPWELL_{key.upper().replace('.', '_')}": value for key, _, value in set_to}
    settings = load_settings(flags=flags, environ=environ)
    configure_logging(settings.log.level, settings.log.format)
    profiler = cProfile.Profile() if given.profile else None

    async def run() -> None:
        if profiler:  # compiling the scripts at the start is not what is measured
            asyncio.get_running_loop().call_later(STARTING_SECONDS, profiler.enable)
        await serve(settings, read_surroundings({}))

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())
    if profiler:
        profiler.disable()
        profiler.dump_stats(given.profile)


if __name__ == "__main__":
    main()
