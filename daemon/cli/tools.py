"""`stepwell tools`: what scripts and language models may call, with the JSON schemas of the arguments."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter
from rich.table import Table

from daemon.cli.database import settings_beside
from daemon.cli.exits import OK, WRONG
from daemon.cli.options import NO_OPTIONS, Options
from daemon.cli.output import open_console, plural, write_json
from daemon.cli.server_tools import server_tools
from daemon.cli.sources import find_scripts, read_script
from daemon.settings import Settings
from engine.errors import CompileError
from engine.parameters import Parameter as ToolParameter
from engine.parameters import schema_of
from engine.tools import Tool, tool_of
from engine.values import Value

Shape = Literal["list", "json", "openai", "mcp"]


def tools(
    *files: Path,
    shape: Annotated[
        Shape, Parameter(name="--as", help="A list for people, or JSON in the shape a program takes.")
    ] = "list",
    servers: Annotated[
        bool, Parameter(name="--servers", negative="", help="Ask the MCP servers for all of theirs, too.")
    ] = False,
    options: Options = NO_OPTIONS,
) -> int:
    """List the tools: those of the configuration, and scripts with PARAM or DESCRIPTION.

    `--as openai` prints what the chat completions protocol takes as `tools`, `--as mcp` what an MCP server lists.
    `--servers` lists what the MCP servers of the configuration have: what [tools.NAME] may declare.

    Parameters
    ----------
    files
        Scripts (.bas), or folders of them; the folder of the configuration if you give none.
    """
    settings = options.settings()
    found = configured_tools(settings)
    theirs, silent = server_tools(settings.mcp.servers) if servers else ([], [])
    found += theirs
    broken = 0
    for path in _paths(files, settings):
        beside = settings_beside(options, path.parent)
        try:
            tool = tool_of(read_script(path).compile(beside))
        except CompileError:
            broken += 1
            continue
        if tool is not None:
            found.append((str(path), tool))
    if shape == "list":
        _print(found)
    else:
        write_json([shaped(tool, shape, origin) for origin, tool in found])
    for sentence in silent:
        open_console(sys.stderr).print(sentence, style="yellow", markup=False)
    if broken:
        said = "does" if broken == 1 else "do"
        open_console(sys.stderr).print(
            f"{plural(broken, 'script')} {said} not compile; see stepwell check.", style="yellow"
        )
    return WRONG if broken or silent else OK


def configured_tools(settings: Settings) -> list[tuple[str, Tool]]:
    """Return the tools of the configuration: where each is from, and what it takes."""
    return [
        (
            f"[tools.{name}] {tool.kind}",
            Tool(name, tool.description, schema_of([ToolParameter(p, "") for p in getattr(tool, "parameters", ())])),
        )
        for name, tool in settings.tools.items()
    ]


def shaped(tool: Tool, shape: Shape, origin: str = "") -> dict[str, Any]:
    """Return a tool as a program takes it: ours, or as chat completions or MCP have it."""
    schema: dict[str, Value] = tool.schema
    match shape:
        case "openai":
            function = {"name": tool.name, "description": tool.description, "parameters": schema}
            return {"type": "function", "function": function}
        case "mcp":
            return {"name": tool.name, "description": tool.description, "inputSchema": schema}
        case _:
            return {"name": tool.name, "from": origin, "description": tool.description, "parameters": schema}


def _paths(files: tuple[Path, ...], settings: Settings) -> list[Path]:
    if files:
        return list(find_scripts(files))
    return sorted(p for p in settings.scripts_dir.glob("*.bas") if p.is_file())


def _print(found: list[tuple[str, Tool]]) -> None:
    console = open_console()
    if not found:
        console.print("There are no tools: a script becomes one by PARAM and DESCRIPTION, or [tools.NAME] declares it.")
        return
    table = Table("Tool", "What it does", "Takes", "From", box=None, header_style="bold", padding=(0, 2, 0, 0))
    for origin, tool in found:
        table.add_row(tool.name, tool.description, _takes(tool.schema), origin)
    console.print(table)


def _takes(schema: dict[str, Value]) -> str:
    properties = schema.get("properties")
    required = schema.get("required")
    if not isinstance(properties, dict) or not isinstance(required, list):
        return ""
    return ", ".join(name if name in required else f"[{name}]" for name in properties)
