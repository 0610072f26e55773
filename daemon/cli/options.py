"""What every command takes: where the configuration is, and the settings most often given by hand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Group, Parameter

from daemon.grammar_tables import TablesInDirectory
from daemon.settings import Settings, load_settings, read_surroundings
from engine.registry import keep_tables

COMMON = Group("Settings", sort_key=100)


@Parameter(name="*", group=COMMON)
@dataclass(frozen=True, slots=True)
class Options:
    """Flags that every command has. They win over the environment, which wins over the file."""

    config: Annotated[Path | None, Parameter(help="The configuration file.")] = None
    database_url: Annotated[
        str | None, Parameter(help="PostgreSQL's address; without one the embedded server is used.")
    ] = None
    database_schema: Annotated[str | None, Parameter(help="The schema of Stepwell's tables.")] = None
    scripts_directory: Annotated[str | None, Parameter(help="The folder of the .bas files.")] = None
    embedded_directory: Annotated[str | None, Parameter(help="The folder of the embedded server.")] = None
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"] | None, Parameter(help="The least serious line to log.")
    ] = None

    def settings(self, **more: object) -> Settings:
        """Return the settings; `more` gives further flags, dots as double underscores: `http__listen`.

        Raises SettingsError.
        """
        flags: dict[str, object] = {
            "database.url": self.database_url,
            "database.schema": self.database_schema,
            "scripts.directory": self.scripts_directory,
            "embedded.directory": self.embedded_directory,
            "log.level": self.log_level,
        }
        flags |= {key.replace("__", "."): value for key, value in more.items()}
        keep_tables(TablesInDirectory(read_surroundings().state_directory))
        return load_settings(self.config, flags)


NO_OPTIONS = Options()
