"""Where a command finds its database: the configured one, the embedded one that runs, or one it starts itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from daemon.cli.exits import UNREACHABLE, CommandError
from daemon.cli.options import Options
from daemon.embedded import find_running, start_embedded
from daemon.settings import Settings

LOCAL_FILE = "stepwell.toml"


@dataclass(frozen=True, slots=True)
class Database:
    """A database's address. `ours`: this process has just started its server, so nobody else lives in it."""

    dsn: str
    ours: bool = False


def settings_beside(options: Options, folder: Path) -> Settings:
    """Return the settings; with no file given or found, those of the stepwell.toml beside the scripts.

    Raises SettingsError.
    """
    settings = options.settings()
    beside = folder / LOCAL_FILE
    if settings.file is None and beside.is_file():
        return replace(options, config=beside).settings()
    return settings


@contextmanager
def open_database(settings: Settings, progress: Callable[[str], None] = lambda _: None) -> Iterator[Database]:
    """Yield the database, starting the embedded server where none is configured and none runs.

    Raises EmbeddedError.
    """
    if settings.database.url:
        yield Database(settings.database.url)
        return
    running = find_running(settings.state_dir)
    if running is not None:
        yield Database(running)
        return
    with start_embedded(settings.state_dir, progress=progress) as server:
        yield Database(server.dsn, ours=True)


@contextmanager
def existing_database(settings: Settings) -> Iterator[Database]:
    """Yield the database, for a command that only looks into one that is there already.

    Raises CommandError where no database has been made, EmbeddedError.
    """
    if not settings.database.url and not (settings.state_dir / "data").exists():
        raise CommandError(
            "There is no database yet: none is configured, and the embedded one has not been made. "
            "Run stepwell up, or give an address: --database-url postgresql://…",
            UNREACHABLE,
        )
    with open_database(settings) as database:
        yield database
