"""Every setting: its type, its limits, its default. What each is for stands in config/stepwell.toml.

Numbers carry their unit in the key's name. A test holds this module and that file together.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from daemon.settings_tools import SqlName, Tool
from daemon.settings_types import Count, Days, Seconds, Section
from daemon.settings_world import Approvals, Data, Llm, Mail, Mcp, Requests, Schedules, Web
from engine.policy import CALL_DEPTH_MAX, HEAR_TRIES, STATE_BYTES_MAX, STEPS_PER_TURN_MAX

ReservedAnswer: TypeAlias = Literal["cancel", "restart", "repeat", "help"]

INJECTED_NAMES = (
    "admin",
    "bot",
    "channel",
    "email",
    "from",
    "host",
    "id",
    "limit",
    "locale",
    "mobile",
    "name",
    "now",
    "session",
    "today",
    "user",
    "user_id",
    "username",
)


class Database(Section, frozen=True):
    """[database]"""

    url: str = ""
    schema: SqlName = "public"
    pool_min: Count = 1
    pool_max: Count = 8
    connect_seconds_max: Seconds = 10.0
    statement_seconds_max: Seconds = 60.0


class Scripts(Section, frozen=True):
    """[scripts]"""

    directory: str = "."
    default_mode: Literal["workflow", "direct"] = "workflow"
    language: Annotated[str, Meta(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$")] = "en"
    time_zone: str = "UTC"
    injected_names: tuple[str, ...] = INJECTED_NAMES


class Hear(Section, frozen=True):
    """[hear]"""

    tries: Count = HEAR_TRIES
    busy: Literal["queue"] = "queue"
    reserved: Mapping[ReservedAnswer, tuple[str, ...]] = {}
    sentences: Mapping[str, Mapping[str, str]] = {}


class Limits(Section, frozen=True):
    """[limits]"""

    actors_max: Count = 20_000
    idle_seconds_max: Seconds = 300.0
    plans_max: Count = 500
    steps_per_turn_max: Count = STEPS_PER_TURN_MAX
    call_depth_max: Count = CALL_DEPTH_MAX
    state_bytes_max: Count = STATE_BYTES_MAX
    commit_turns_max: Count = 256
    message_batch_max: Count = 2_000
    messages_held_max: Count = 5_000
    bot_messages_held_max: Count = 500
    turns_pending_max: Count = 2_000
    due_batch_max: Count = 1_000


class Daemon(Section, frozen=True):
    """[daemon]"""

    sweep_seconds: Seconds = 5.0
    heartbeat_seconds: Seconds = 3.0
    lease_seconds: Seconds = 10.0
    stop_seconds_max: Seconds = 20.0


class Http(Section, frozen=True):
    """[http]"""

    listen: str = "127.0.0.1:9464"


class Log(Section, frozen=True):
    """[log]"""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "console"] = "auto"


class Embedded(Section, frozen=True):
    """[embedded]"""

    directory: str = ""


class Retention(Section, frozen=True):
    """[retention]"""

    ended_days: Days = 0
    history_days: Days = 0
    live_history_days: Days = 0
    unheard_days: Days = 0
    events_days: Days = 30
    message_ids_days: Days = 30
    plans_days: Days = 30


class Sections(Section, frozen=True):
    """The whole configuration, table by table."""

    database: Database = Database()
    scripts: Scripts = Scripts()
    hear: Hear = Hear()
    limits: Limits = Limits()
    daemon: Daemon = Daemon()
    http: Http = Http()
    log: Log = Log()
    embedded: Embedded = Embedded()
    retention: Retention = Retention()
    requests: Requests = Requests()
    web: Web = Web()
    llm: Llm = Llm()
    mail: Mail = Mail()
    schedules: Schedules = Schedules()
    data: Data = Data()
    approvals: Approvals = Approvals()
    mcp: Mcp = Mcp()
    tools: Mapping[str, Tool] = {}


# Tables whose keys are the author's own; everything else is a setting of a fixed name.
OPEN_TABLES = frozenset({"hear.reserved", "hear.sentences", "llm.models", "mail.accounts", "mcp.servers", "tools"})
PATHS = frozenset({"scripts.directory", "embedded.directory", "mail.attachments_directory", "mail.templates_directory"})
SECRETS = frozenset({"database.url"})  # addresses with a password in them
PASSWORDS = frozenset({"llm.key", "mail.password", "approvals.secret"})  # shown to nobody
# Words of the design that a later version brings: refused with a sentence of their own.
LATER = {
    "hear.busy": frozenset({"latest", "merge", "reject", "interrupt"}),
}


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What the environment says of where we run; no setting, and nobody sets it by hand."""

    debug: bool = False
    under_systemd: bool = False
    notify_socket: str = ""
    watchdog_seconds: float | None = None
    no_color: bool = False
    state_directory: Path = Path("/var/lib/stepwell")
