"""The daemon that is measured, in a process of its own: `python -m bench.daemon_process DSN FOLDER`.

With --sampled=FILE it samples what it does between SIGUSR1 and SIGUSR2; --set=KEY=VALUE is a setting. The tables of the
grammar are kept between starts, as `stepwell up` keeps them.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from pathlib import Path

import uvloop

from bench.sampler import Sampler
from daemon.grammar_tables import TablesInDirectory
from daemon.log import configure_logging
from daemon.serve import serve
from daemon.settings import load_settings, read_surroundings
from engine.registry import keep_tables

TABLES = Path(tempfile.gettempdir(), "stepwell-bench-tables")


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser()
    parser.add_argument("dsn")
    parser.add_argument("folder")
    parser.add_argument("--sampled", default="")
    parser.add_argument("--set", action="append", default=[])
    given = parser.parse_args()
    flags: dict[str, object] = {"log.level": "warning"}
    flags |= {"database.url": given.dsn, "scripts.directory": given.folder}
    set_to = [text.partition("=") for text in given.set]
    environ = {f"STEPWELL_{key.upper().replace('.', '_')}": value for key, _, value in set_to}
    settings = load_settings(flags=flags, environ=environ)
    configure_logging(settings.log.level, settings.log.format)
    keep_tables(TablesInDirectory(TABLES))
    if given.sampled:
        Sampler(Path(given.sampled)).listen()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(settings, read_surroundings({})))


if __name__ == "__main__":
    main()
