"""From a folder of .bas files to stored plans: every error of every file, or all of them stored."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import msgspec

from daemon.rows import StoredPlan
from daemon.settings import Settings
from daemon.store import EVERY_BOT, Pool, Store
from daemon.store_deploy import store_scripts
from daemon.version import stepwell_version
from engine.codec import encode_plan
from engine.compiler import compile_script
from engine.declarations import declarations
from engine.errors import CompileError, Problem
from engine.plan import Plan
from engine.tools import tool_of

SUFFIX = ".bas"
SOURCE_BYTES_MAX = 1_000_000


@dataclass(frozen=True, slots=True)
class Deployment:
    """What became of a deployment. With `problems` of severity error nothing was stored."""

    plans: tuple[Plan, ...]
    problems: tuple[Problem, ...]
    changed: tuple[str, ...] = ()
    withdrawn: tuple[str, ...] = ()

    @property
    def refused(self) -> bool:
        """Whether a script does not compile, so that nothing was stored."""
        return any(p.severity == "error" for p in self.problems)


def read_sources(directory: Path) -> dict[str, str]:
    """Return every script below a folder by its path from there, with forward slashes.

    Raises OSError where the folder cannot be read, CompileError for a file that is not UTF-8 or too long.
    """
    sources, problems = {}, []
    if not directory.is_dir():
        raise NotADirectoryError(f"{directory} is not a folder of scripts")
    for path in sorted(directory.rglob(f"*{SUFFIX}")):
        name = path.relative_to(directory).as_posix()
        if any(part.startswith(".") for part in Path(name).parts) or not path.is_file():
            continue
        raw = path.read_bytes()
        try:
            if len(raw) > SOURCE_BYTES_MAX:
                message = f"The script has {len(raw):,} bytes; at most {SOURCE_BYTES_MAX:,} are accepted."
                problems.append(Problem(name, 1, 1, message))
            sources[name] = raw.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = raw.count(b"\n", 0, error.start) + 1
            problems.append(Problem(name, line, 1, "The file is not UTF-8.", "Save it as UTF-8."))
    if problems:
        raise CompileError(problems)
    return sources


def compile_sources(sources: Mapping[str, str], settings: Settings) -> Deployment:
    """Compile every script; the plan of each holds the scripts that it calls."""
    plans: list[Plan] = []
    problems: dict[Problem, None] = {}  # a script that two others call has its errors once
    injected = frozenset(n.lower() for n in settings.scripts.injected_names)
    for script in sources:
        try:
            plan = compile_script(
                script,
                sources,
                tools={name: tool.kind for name, tool in settings.tools.items()},
                default_mode=settings.scripts.default_mode,
                injected=injected,
            )
        except CompileError as error:
            problems.update(dict.fromkeys(error.problems))
        else:
            plans.append(plan)
            problems.update(dict.fromkeys(plan.warnings))
    return Deployment(tuple(plans), tuple(problems))


def tool_json(plan: Plan) -> str | None:
    """Return what a plan's main script declares of itself as a tool, as JSON, or None."""
    tool = tool_of(plan)
    if tool is None:
        return None
    told = {"name": tool.name, "description": tool.description, "parameters": tool.schema}
    return msgspec.json.encode(told).decode()


async def deploy(
    store: Store,
    pool: Pool,
    scripts: Path | Mapping[str, str],
    settings: Settings,
    *,
    bot_id: UUID = EVERY_BOT,
    withdraw: bool = False,
) -> Deployment:
    """Compile a folder of scripts, or sources by path, and store them in one transaction.

    With `withdraw`, scripts of the bot that are not among them can no longer be started. Executions under way
    keep their plans. Raises what read_sources and the database raise.
    """
    try:
        sources = await asyncio.to_thread(read_sources, scripts) if isinstance(scripts, Path) else scripts
    except CompileError as error:
        return Deployment((), error.problems)
    # In a thread: the grammar's tables take a second of CPU, and conversations must not wait for it.
    compiled = await asyncio.to_thread(compile_sources, sources, settings)
    if compiled.refused:
        return Deployment((), compiled.problems)
    version = stepwell_version()
    rows = [
        StoredPlan(p.hash, p.script, p.mode, encode_plan(p), dict(p.sources), version, tool_json(p), declarations(p))
        for p in compiled.plans
    ]
    gone: set[str] = set()
    if withdraw:
        gone = {s.script for s in await store.list_scripts() if s.bot_id == bot_id} - set(sources)
    stored = await store_scripts(pool, rows, bot_id, gone)
    return Deployment(compiled.plans, compiled.problems, stored.changed, stored.withdrawn)
