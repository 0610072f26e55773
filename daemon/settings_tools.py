"""[tools.NAME]: what scripts may call by name, one struct for each kind of tool."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Annotated, ClassVar, Literal, TypeAlias, get_type_hints
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from daemon.settings_types import CountOrZero, SecondsOrZero, Section
from daemon.settings_words import expected, shown
from daemon.settings_world import McpServer

# What may be written unquoted in SQL: a name, or a schema and a name.
SqlName: TypeAlias = Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_$]{0,62}$")]
SqlFunction: TypeAlias = Annotated[
    str, Meta(pattern=r"^([A-Za-z_][A-Za-z0-9_$]{0,62}\.)?[A-Za-z_][A-Za-z0-9_$]{0,62}$")
]

TOOL_NAME = re.compile(r"^[^\W\d]\w*$")
PLACEHOLDER = re.compile(r"\{(\w*)\}")
HEADER_NAME = re.compile(r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")
HEADER_VALUE = re.compile(r"^[^\x00-\x08\x0a-\x1f\x7f]*$")


class SqlTool(Section, frozen=True, tag_field="kind", tag="sql"):
    """A PostgreSQL function: it runs inside the turn's transaction, exactly once."""

    kind: ClassVar[str] = "sql"

    function: SqlFunction
    parameters: tuple[SqlName, ...] = ()
    description: str = ""


class HttpTool(Section, frozen=True, tag_field="kind", tag="http"):
    """An endpoint of the web: a request under a stable key, performed after the turn's commit.

    `{name}` in `url` takes a parameter, percent-encoded; the others go into the query of a GET or DELETE, else into
    a JSON body. `attempts_max` 0, `in_doubt` "" and `timeout_seconds` 0 leave it to [requests] and [web].
    """

    kind: ClassVar[str] = "http"

    url: str
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    headers: Mapping[str, str] = {}
    parameters: tuple[str, ...] = ()
    description: str = ""
    attempts_max: CountOrZero = 0
    in_doubt: Literal["", "repeat", "park"] = ""
    timeout_seconds: SecondsOrZero = 0.0


class McpTool(Section, frozen=True, tag_field="kind", tag="mcp"):
    """A tool of an MCP server of [mcp.servers]; `tool` "" is one of the same name.

    `parameters` are the names in the order in which scripts give arguments; empty: that of the server's schema.
    """

    kind: ClassVar[str] = "mcp"

    server: str
    tool: str = ""
    parameters: tuple[str, ...] = ()
    description: str = ""


class ScriptTool(Section, frozen=True, tag_field="kind", tag="script"):
    """A script of the bot under another name: part of the plan that calls it. What it takes, its PARAMs say."""

    kind: ClassVar[str] = "script"

    script: Annotated[str, Meta(pattern=r"^[^\x00-\x1f]+$")]
    description: str = ""


Tool: TypeAlias = SqlTool | HttpTool | McpTool | ScriptTool
KindOfTool: TypeAlias = type[SqlTool] | type[HttpTool] | type[McpTool] | type[ScriptTool]

KINDS: dict[str, KindOfTool] = {"sql": SqlTool, "http": HttpTool, "mcp": McpTool, "script": ScriptTool}
# Values of these fields are shown to nobody: headers and a program's environment carry keys.
SECRET_FIELDS = frozenset({"headers", "env"})


def kinds_of(tools: Mapping[str, Tool]) -> dict[str, str]:
    """Return what the compiler must know of tools: sql, http, mcp, or `script:` and the script's path, by name."""
    return {n: f"script:{t.script}" if isinstance(t, ScriptTool) else t.kind for n, t in tools.items()}


def convert_tool(key: str, value: object) -> object:
    """Return a tool's table, checked. `key` is its dotted name. Raises ValueError with a sentence."""
    name = key.removeprefix("tools.")
    if not TOOL_NAME.match(name):
        raise ValueError(f"a tool cannot be called {shown(name)}; its name is a word, as a script calls it")
    if not isinstance(value, dict):
        raise ValueError(f"{key} must be a table: [tools.{name}]")
    kind = _kind_of(key, value)
    _check_fields(key, value, kind, "a tool has kind")
    if kind is HttpTool:
        _check_http(key, msgspec.convert(value, HttpTool))
    return value


def convert_server(key: str, value: object) -> object:
    """Return the table of an MCP server, checked. `key` is its dotted name. Raises ValueError with a sentence."""
    name = key.removeprefix("mcp.servers.")
    if not isinstance(value, dict):
        raise ValueError(f"{key} must be a table: [mcp.servers.{name}]")
    _check_fields(key, value, McpServer, "a server has")
    if bool(value.get("command")) == bool(value.get("url")):
        raise ValueError(f"{key} needs either command, a program to start, or url, an address")
    url = value.get("url")
    if isinstance(url, str) and url and not re.match(r"https?://[^/?#\s]+", url, re.IGNORECASE):
        raise ValueError(f"{key}.url must be https://host/path, not {shown(url)}")
    return value


def _check_fields(key: str, value: Mapping[str, object], kind: type[Section], has: str) -> None:
    """Raise ValueError for a field that is unknown, missing or of another type."""
    types = {n: t for n, t in get_type_hints(kind, include_extras=True).items() if n != "kind"}
    for field in value:
        if field not in types and field != "kind":
            near = get_close_matches(field, types, n=1)
            hint = f"; did you mean {near[0]}?" if near else f"; {has}, {', '.join(types)}"
            raise ValueError(f"there is no setting {key}.{field}{hint}")
    required = {f.name for f in msgspec.structs.fields(kind) if f.required}
    for field, hinted in types.items():
        if field not in value:
            if field in required:
                raise ValueError(f"{key} lacks {field}")
            continue
        try:
            msgspec.convert(value[field], hinted)
        except msgspec.ValidationError:
            given = "***" if field in SECRET_FIELDS else shown(value[field])
            raise ValueError(f"{key}.{field} must be {expected(hinted)}, not {given}") from None


def show_tool(tool: Tool | McpServer) -> object:
    """Return a tool, or an MCP server, as `stepwell config` shows it, secrets masked."""
    shown_fields = msgspec.to_builtins(tool)
    for field in SECRET_FIELDS & set(shown_fields):
        shown_fields[field] = dict.fromkeys(shown_fields[field], "***")
    return shown_fields


def _kind_of(key: str, value: Mapping[str, object]) -> KindOfTool:
    if "kind" not in value:
        raise ValueError(f"{key} lacks kind")
    kind = value["kind"]
    if not isinstance(kind, str) or kind not in KINDS:
        known = " or ".join(f'"{name}"' for name in KINDS)
        raise ValueError(f"{key}.kind must be {known}, not {shown(kind)}")
    return KINDS[kind]


def _check_http(key: str, tool: HttpTool) -> None:
    """Raise ValueError for an endpoint that could never be asked."""
    try:
        parts = urlsplit(tool.url)
        sound = tool.url.startswith("/") or (parts.scheme in ("http", "https") and bool(parts.hostname))
    except ValueError:
        sound = False
    if not sound:
        raise ValueError(f"{key}.url must be https://host/path, or /path below web.base_url, not {shown(tool.url)}")
    if PLACEHOLDER.search(parts.netloc):
        raise ValueError(f"{key}.url may take a parameter in its path and query, not in its host")
    for name in tool.parameters:
        if not TOOL_NAME.match(name):
            raise ValueError(f"{key}.parameters has {shown(name)}; a parameter's name is a word")
    for name in PLACEHOLDER.findall(tool.url):
        if name not in tool.parameters:
            near = get_close_matches(name, tool.parameters, n=1)
            hint = f"; did you mean {{{near[0]}}}?" if near else ""
            raise ValueError(f"{key}.url takes {{{name}}}, which is none of its parameters{hint}")
    for header, text in tool.headers.items():
        if not HEADER_NAME.match(header) or not HEADER_VALUE.match(text):
            raise ValueError(f"{key}.headers has {shown(header)}, which cannot be a header")
