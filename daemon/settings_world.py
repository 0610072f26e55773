"""The settings of the world outside: requests and who performs them, schedules, data. Typed here, explained in
config/stepwell.toml; a test holds the two together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta
from msgspec.structs import replace

from daemon.settings_types import Count, CountOrZero, Seconds, SecondsOrZero, Section
from engine.policy import KEYWORD_SECONDS_MAX, LLM_TOOL_ROUNDS_MAX
from engine.values import Value


class Requests(Section, frozen=True):
    """[requests]"""

    attempts_max: Count = 8
    backoff_seconds_first: Seconds = 1.0
    backoff_seconds_max: Seconds = 300.0
    in_flight_max: Count = 5_000
    in_flight_per_host_max: Count = 100
    in_flight_per_bot_max: Count = 1_000
    rate_per_host_max: CountOrZero = 0
    attempt_seconds_max: Seconds = 900.0
    in_doubt: Literal["repeat", "park"] = "repeat"
    keyword_seconds_max: Seconds = KEYWORD_SECONDS_MAX


class Web(Section, frozen=True):
    """[web]"""

    base_url: str = ""
    timeout_seconds: Seconds = 30.0
    request_bytes_max: Count = 5_000_000
    response_bytes_max: Count = 5_000_000
    redirects_max: CountOrZero = 5
    allow_hosts: tuple[str, ...] = ()


class Llm(Section, frozen=True):
    """[llm]"""

    url: str = ""
    key: str = ""
    model: str = ""
    timeout_seconds: Seconds = 120.0
    answer_tokens_max: CountOrZero = 0
    tool_rounds_max: Count = LLM_TOOL_ROUNDS_MAX
    models: Mapping[str, str] = {}


Port: TypeAlias = Annotated[int, Meta(ge=1, le=65_535)]
MailTls: TypeAlias = Literal["starttls", "tls", "none"]


class MailAccount(Section, frozen=True):
    """[mail.accounts.NAME]: another mail server, or another sender, for `USING "NAME"`."""

    host: str = ""
    port: Port = 587
    user: str = ""
    password: str = ""
    sender: str = ""
    tls: MailTls = "starttls"

    def sent_by(self, sender: str) -> MailAccount:
        """Return the same account with that sender."""
        return replace(self, sender=sender)


class Mail(Section, frozen=True):
    """[mail]"""

    host: str = ""
    port: Port = 587
    user: str = ""
    password: str = ""
    sender: str = ""
    tls: MailTls = "starttls"
    timeout_seconds: Seconds = 60.0
    attachments_directory: str = ""
    attachments_bytes_max: Count = 20_000_000
    templates_directory: str = ""
    accounts: Mapping[str, MailAccount] = {}

    def account(self) -> MailAccount:
        """Return the account of mails that name none."""
        return MailAccount(
            host=self.host, port=self.port, user=self.user, password=self.password, sender=self.sender, tls=self.tls
        )


class Schedules(Section, frozen=True):
    """[schedules]"""

    missed: Literal["skip", "once", "all"] = "once"
    missed_max: Count = 100
    look_seconds_max: Seconds = 30.0


class Data(Section, frozen=True):
    """[data]"""

    schema_prefix: Annotated[str, Meta(pattern=r"^[a-z_][a-z0-9_]{0,20}$")] = "bot_"
    role: Annotated[str, Meta(pattern=r"^([A-Za-z_][A-Za-z0-9_$]{0,62})?$")] = ""
    rows_max: Count = 10_000
    files_directory: str = ""
    file_bytes_max: Count = 20_000_000

    def manner(self, zone: str) -> dict[str, Value]:
        """Return how data keywords run, as the function workflow_data takes it; `zone` is that of their dates."""
        return {"prefix": self.schema_prefix, "role": self.role, "rows_max": self.rows_max, "zone": zone}


class Approvals(Section, frozen=True):
    """[approvals]"""

    url: str = ""
    secret: str = ""
    timeout_seconds: SecondsOrZero = 0.0


class McpServer(Section, frozen=True):
    """[mcp.servers.NAME]: a program that is started and spoken to over its standard input and output, or an address."""

    command: str = ""
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = {}
    directory: str = ""
    url: str = ""
    headers: Mapping[str, str] = {}
    timeout_seconds: Seconds = 60.0


class Mcp(Section, frozen=True):
    """[mcp]"""

    servers: Mapping[str, McpServer] = {}
