"""From a folder of .bas files to stored plans: every error of every file, or all of them stored."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

import msgspec

from daemon.folders import BotFolder, read_folder
from daemon.rows import StoredPlan
from daemon.settings import Settings
from daemon.settings_tools import kinds_of
from daemon.store import EVERY_BOT
from daemon.store_deploy import BotPlans, DeployStore
from daemon.version import stepwell_version
from engine.codec import encode_plan
from engine.compiler import compile_script
from engine.declarations import declarations
from engine.errors import CompileError, Problem
from engine.plan import Plan
from engine.tools import tool_of


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


def compile_sources(sources: Mapping[str, str], settings: Settings, scripts: Iterable[str] | None = None) -> Deployment:
    """Compile every script, or those named; the plan of each holds the scripts that it calls."""
    plans: list[Plan] = []
    problems: dict[Problem, None] = {}  # a script that two others call has its errors once
    injected = frozenset(n.lower() for n in settings.scripts.injected_names)
    for script in sources if scripts is None else scripts:
        try:
            plan = compile_script(
                script,
                sources,
                tools=kinds_of(settings.tools),
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


def stored_plans(plans: Iterable[Plan]) -> tuple[StoredPlan, ...]:
    """Return plans as they are stored."""
    version = stepwell_version()
    return tuple(
        StoredPlan(p.hash, p.script, p.mode, encode_plan(p), dict(p.sources), version, tool_json(p), declarations(p))
        for p in plans
    )


async def deploy(
    store: DeployStore,
    scripts: Path | Mapping[str, str],
    settings: Settings,
    *,
    bot_id: UUID = EVERY_BOT,
    withdraw: bool = False,
    declare: bool = True,
) -> Deployment:
    """Compile a folder of scripts, or sources by path, and store them in one transaction: all of them or none.

    A folder may hold the folders of several bots; the rest is for `bot_id`. With `withdraw`, scripts that an earlier
    folder brought to these bots and that are not among them can no longer be started. Executions under way keep
    their plans. Without `declare`, no schedule or webhook of theirs is registered. Raises what read_folder and the
    database raise.
    """
    try:
        folders = (
            await asyncio.to_thread(read_folder, scripts)
            if isinstance(scripts, Path)
            else (BotFolder("", "", dict(scripts)),)
        )
    except CompileError as error:
        return Deployment((), error.problems)
    plans: list[Plan] = []
    problems: dict[Problem, None] = {}
    deployed: list[BotPlans] = []
    for folder in folders:
        bot = await store.find_bot(folder.name) if folder.name else bot_id
        if bot is None:
            hint = "Make it there, or name the folder as it is named there."
            told = Problem(folder.prefix.rstrip("/"), 0, 0, f"The table bots has no bot “{folder.name}”.", hint)
            problems[told] = None
            continue
        # In a thread: the grammar's tables take a second of CPU, and conversations must not wait for it.
        compiled = await asyncio.to_thread(compile_sources, folder.sources, settings)
        problems.update(dict.fromkeys(replace(p, file=folder.prefix + p.file) for p in compiled.problems))
        plans += compiled.plans
        deployed.append(BotPlans(bot, stored_plans(compiled.plans), withdraw=withdraw, declare=declare))
    if any(p.severity == "error" for p in problems):
        return Deployment((), tuple(problems))
    stored = await store.store(deployed)
    return Deployment(tuple(plans), tuple(problems), stored.changed, stored.withdrawn)
