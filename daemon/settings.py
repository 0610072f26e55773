"""The configuration: read once, merged as plain dictionaries, then one frozen Settings.

default < file < credential < environment < flag. The only module that reads the environment.
"""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_type_hints
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from daemon.addresses import read_allowed
from daemon.settings_accounts import convert_account, masked_account
from daemon.settings_model import (
    LATER,
    OPEN_TABLES,
    PASSWORDS,
    PATHS,
    SECRETS,
    Sections,
    Surroundings,
)
from daemon.settings_sources import (
    Given,
    SettingsError,
    read_credentials,
    read_environment,
    read_file,
    read_flags,
)
from daemon.settings_tools import HttpTool, McpTool, SqlTool, Tool, convert_server, convert_tool, show_tool
from daemon.settings_words import expected, shown
from daemon.settings_world import MailAccount, McpServer

__all__ = [
    "HttpTool",
    "McpTool",
    "Settings",
    "SettingsError",
    "SqlTool",
    "Surroundings",
    "Tool",
    "load_settings",
    "mask_url",
    "read_surroundings",
]

SYSTEM_FILE = Path("/etc/stepwell/stepwell.toml")
LOCAL_FILE = "stepwell.toml"
URL_SCHEMES = ("postgresql", "postgres")


class Settings(Sections, frozen=True, forbid_unknown_fields=True):
    """Every setting, immutable. `origins` says where each value came from, by dotted key."""

    origins: Mapping[str, str] = {}
    file: Path | None = None

    def origin(self, key: str) -> str:
        """Return where the value of a dotted key came from: `default`, a file, a variable, a flag."""
        return self.origins.get(key, "default")

    def values(self) -> dict[str, object]:
        """Return every setting by its dotted key, secrets masked, for people and programs to read."""
        values: dict[str, object] = {}
        for key in sorted(_types()):
            section, name = key.split(".")
            values[key] = msgspec.to_builtins(getattr(getattr(self, section), name))
            if key in SECRETS:
                values[key] = mask_url(str(values[key]))
            elif key in PASSWORDS and values[key]:
                values[key] = "***"
            elif key == "mail.accounts":
                values[key] = {name: masked_account(account) for name, account in self.mail.accounts.items()}
        for name, tool in self.tools.items():
            values[f"tools.{name}"] = show_tool(tool)
        del values["mcp.servers"]
        for name, server in self.mcp.servers.items():
            values[f"mcp.servers.{name}"] = show_tool(server)
        return values

    @property
    def state_dir(self) -> Path:
        """The directory of the embedded PostgreSQL, absolute."""
        return Path(self.embedded.directory)

    @property
    def scripts_dir(self) -> Path:
        """The directory that scripts are named in, absolute."""
        return Path(self.scripts.directory)

    @property
    def listen(self) -> tuple[str, int] | None:
        """Host and port of metrics and health, or None when they are switched off."""
        return split_address(self.http.listen)


def load_settings(
    config: Path | None = None,
    flags: Mapping[str, object] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    directory: Path | None = None,
) -> Settings:
    """Merge all sources and return the settings.

    `flags` maps dotted keys to values, None meaning not given. `environ` and `directory` (where
    stepwell.toml is looked for) are the process's own unless given.
    Raises SettingsError with a line for every mistake.
    """
    environ = os.environ if environ is None else environ
    directory = directory or Path.cwd()
    file = _find_file(config, environ, directory)
    given = read_file(file) if file else {}
    given |= read_credentials(environ)
    given |= read_environment(environ, frozenset(_types()))
    given |= read_flags(flags or {})
    given = _with_directories(given, file, directory, environ)
    return _build(given, file)


def read_surroundings(environ: Mapping[str, str] | None = None) -> Surroundings:
    """Return what systemd and the terminal say of this process."""
    environ = os.environ if environ is None else environ
    microseconds = environ.get("WATCHDOG_USEC", "")
    # WATCHDOG_PID names whom the watchdog is meant for; a child inherits the variables but not the duty.
    ours = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    watchdog = int(microseconds) / 1_000_000 if microseconds.isdigit() and ours else 0.0
    return Surroundings(
        debug=environ.get("STEPWELL_DEBUG", "") not in ("", "0"),
        under_systemd=bool(environ.get("INVOCATION_ID") or environ.get("JOURNAL_STREAM")),
        notify_socket=environ.get("NOTIFY_SOCKET", ""),
        watchdog_seconds=watchdog or None,
        no_color=bool(environ.get("NO_COLOR")) or environ.get("TERM") == "dumb",
        state_directory=default_state_dir(environ),
    )


def default_state_dir(environ: Mapping[str, str]) -> Path:
    """Return where the embedded PostgreSQL lives unless told otherwise.

    systemd's StateDirectory=, /var/lib/stepwell for root, else the XDG state directory.
    """
    if given := environ.get("STATE_DIRECTORY", "").split(":")[0]:
        return Path(given)
    if os.geteuid() == 0:
        return Path("/var/lib/stepwell")
    state = Path(environ.get("XDG_STATE_HOME", ""))
    if not state.is_absolute():
        state = _home(environ) / ".local" / "state"
    return state / "stepwell"


def _home(environ: Mapping[str, str]) -> Path:
    if home := environ.get("HOME"):
        return Path(home)
    try:
        return Path(pwd.getpwuid(os.geteuid()).pw_dir)
    except KeyError:
        return Path("/")


def _find_file(config: Path | None, environ: Mapping[str, str], directory: Path) -> Path | None:
    if config:
        return config
    if named := environ.get("STEPWELL_CONFIG"):
        return Path(named)
    for candidate in (directory / LOCAL_FILE, SYSTEM_FILE):
        if candidate.is_file():
            return candidate
    return None


def _types() -> dict[str, Any]:
    """Return the type of every setting by its dotted key; open tables are one key each."""
    types = {}
    for section, kind in get_type_hints(Sections).items():
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            for name, hint in get_type_hints(kind, include_extras=True).items():
                types[f"{section}.{name}"] = hint
    return types


def _with_directories(
    given: dict[str, Given], file: Path | None, directory: Path, environ: Mapping[str, str]
) -> dict[str, Given]:
    """Make paths absolute: those of the file from the file's folder, all others from where we are."""
    defaults = {"scripts.directory": str(directory), "embedded.directory": str(default_state_dir(environ))}
    for key in PATHS:
        found = given.get(key, Given("", "default", key))
        if not isinstance(found.value, str):
            continue
        base = file.parent if file and found.origin == str(file) else directory
        value = str(directory / base / Path(found.value).expanduser()) if found.value else defaults.get(key, "")
        given[key] = Given(value, found.origin, found.place, found.text)
    return given


def _build(given: Mapping[str, Given], file: Path | None) -> Settings:
    types = _types()
    problems: list[str] = []
    values: dict[str, dict[str, object]] = {}
    for key, source in given.items():
        kind = _type_of(key, types)
        if kind is None:
            problems.append(f"{source.place}: {_unknown(key, types)}")
            continue
        try:
            value = _convert(key, source, kind)
        except ValueError as error:
            problems.append(f"{source.place}: {error}")
            continue
        _put(values, key, value)
    if problems:
        raise SettingsError(*problems)
    merged = msgspec.convert(values, Sections)
    problems = [f"{_place(key, given)}: {said}" for key, said in _contradictions(merged)]
    if problems:
        raise SettingsError(*problems)
    origins = {key: source.origin for key, source in given.items()}
    sections = {name: getattr(merged, name) for name in merged.__struct_fields__}
    return Settings(**sections, origins=origins, file=file)


def _type_of(key: str, types: Mapping[str, Any]) -> Any:
    """Return the type of a dotted key, or None when there is no such setting."""
    table, _, name = key.rpartition(".")
    if key in types and key not in OPEN_TABLES:
        return types[key]
    if table == "tools":
        return Tool
    if table == "mcp.servers":
        return McpServer
    if table == "llm.models":
        return str
    if table == "mail.accounts":
        return MailAccount
    if table == "hear.sentences":
        return Mapping[str, str]
    if table == "hear.reserved" and name in ("cancel", "restart", "repeat", "help"):
        return tuple[str, ...]
    return None


def _put(values: dict[str, dict[str, object]], key: str, value: object) -> None:
    *tables, name = key.split(".")
    here: dict[str, Any] = values
    for table in tables:
        here = here.setdefault(table, {})
    # Names of tools and of mail accounts are the dialect's: case does not count.
    here[name.lower() if tables in (["tools"], ["mail", "accounts"]) else name] = value


def _unknown(key: str, types: Mapping[str, Any]) -> str:
    near = get_close_matches(key, types, n=1, cutoff=0.6)
    name = key.rpartition(".")[2]
    near = near or [k for k in types if k.rpartition(".")[2] == name][:1]
    table = key.partition(".")[0]
    hint = f"; did you mean {near[0]}?" if near else ""
    if not near and table in {k.partition(".")[0] for k in types}:
        names = ", ".join(sorted(k.partition(".")[2] for k in types if k.startswith(table + ".")))
        hint = f"; [{table}] has {names}"
    return f"there is no setting {key}{hint}"


def _convert(key: str, source: Given, kind: Any) -> object:
    """Return the value as builtins of its type. Raises ValueError with a sentence."""
    value = source.value
    if kind is Tool:
        return convert_tool(key, value)
    if kind is McpServer:
        return convert_server(key, value)
    if kind is MailAccount:
        return convert_account(key, value)
    later = LATER.get(key, frozenset())
    if isinstance(value, str) and value in later:
        raise ValueError(f"this version does not have {key} = {shown(value)} yet; it has {expected(kind)}")
    if source.text and kind == tuple[str, ...]:
        value = [part.strip() for part in str(value).split(",") if part.strip()]
    try:
        return msgspec.to_builtins(msgspec.convert(value, kind, strict=not source.text))
    except msgspec.ValidationError:
        given = mask_url(value) if key in SECRETS and isinstance(value, str) else value
        given = "***" if key in PASSWORDS else given
        raise ValueError(f"{key} must be {expected(kind)}, not {shown(given)}") from None


def _place(key: str, given: Mapping[str, Given]) -> str:
    return given[key].place if key in given else key


def _contradictions(merged: Sections) -> list[tuple[str, str]]:
    """Return what types cannot say: key and sentence."""
    problems = []
    if merged.database.pool_min > merged.database.pool_max:
        problems.append(("database.pool_min", "database.pool_min is greater than database.pool_max"))
    url = merged.database.url
    if url and urlsplit(url).scheme not in URL_SCHEMES:
        problems.append(
            (
                "database.url",
                f"database.url must be postgresql://user@host/database, not {shown(mask_url(url))}",
            )
        )
    if merged.daemon.lease_seconds < 3 * merged.daemon.heartbeat_seconds:
        problems.append(
            (
                "daemon.lease_seconds",
                "daemon.lease_seconds must be at least three times daemon.heartbeat_seconds",
            )
        )
    try:
        ZoneInfo(merged.scripts.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        problems.append(
            (
                "scripts.time_zone",
                f"there is no time zone {shown(merged.scripts.time_zone)}; one is Europe/Lisbon",
            )
        )
    try:
        split_address(merged.http.listen)
    except ValueError as error:
        problems.append(("http.listen", str(error)))
    try:
        read_allowed(merged.web.allow_hosts)
    except ValueError as error:
        problems.append(("web.allow_hosts", f"web.allow_hosts: {error}"))
    for name, tool in merged.tools.items():
        if isinstance(tool, McpTool) and tool.server not in merged.mcp.servers:
            near = get_close_matches(tool.server, merged.mcp.servers, n=1)
            hint = f"did you mean {near[0]}?" if near else f"declare [mcp.servers.{tool.server}]"
            problems.append((f"tools.{name}", f"there is no MCP server {tool.server}; {hint}"))
    base = merged.web.base_url
    if base and not re.match(r"https?://[^/?#\s]+[^?#\s]*$", base, re.IGNORECASE):
        problems.append(("web.base_url", f"web.base_url must be https://host/path, not {shown(base)}"))
    return problems


def split_address(text: str) -> tuple[str, int] | None:
    """Return host and port of `host:port` or `[v6]:port`; None for "". Raises ValueError with a sentence."""
    if not text:
        return None
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or not 0 <= int(port) <= 65_535 or not host:
        raise ValueError(f"http.listen must be host:port, such as 127.0.0.1:9464, not {shown(text)}")
    return host.removeprefix("[").removesuffix("]"), int(port)


def mask_url(url: str) -> str:
    """Return a database's address without its password."""
    masked = re.sub(r"^([a-z]+://[^:/@?]*):.*@", r"\1:***@", url, flags=re.IGNORECASE | re.DOTALL)
    return re.sub(r"(?i)([?&\s]password=)[^&\s]*", r"\1***", masked)
