"""Storing compiled scripts: all of a deployment in one transaction, or nothing of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias
from uuid import UUID

import msgspec

from daemon.migrations import Connection
from daemon.rows import StoredPlan
from daemon.statements import query
from daemon.store import Pool
from engine.errors import Problem
from engine.steps import Declaration

Origin: TypeAlias = Literal["folder", "sql"]


@dataclass(frozen=True, slots=True)
class BotPlans:
    """What a deployment brings to one bot. `withdraw`: scripts that an earlier folder brought and that are not among
    these go. Without `declare`, nothing that stands in the scripts is registered."""

    bot_id: UUID
    plans: tuple[StoredPlan, ...]
    withdraw: bool = False
    declare: bool = True
    origin: Origin = "folder"


@dataclass(frozen=True, slots=True)
class StoredScripts:
    """What a deployment changed: scripts whose new starts take another plan now, and scripts withdrawn."""

    changed: tuple[str, ...]
    withdrawn: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PendingSource:
    """A script that came as a row and is not compiled yet."""

    id: int
    bot_id: UUID
    path: str
    source: str


@dataclass(frozen=True, slots=True)
class RunningSource:
    """A script that a bot can start now: its text, whether it is the bot's own, and all texts its plan holds."""

    path: str
    source: str
    own: bool
    origin: Origin
    sources: dict[str, str]


@dataclass(frozen=True, slots=True)
class SourceOutcome:
    """What came of a script that came as a row."""

    id: int
    status: Literal["deployed", "refused"]
    plan_hash: str | None
    problems: tuple[Problem, ...]


def declared_json(declared: Sequence[Declaration]) -> str:
    """Return declarations as workflow_declare takes them."""
    rows = [{"kind": d.kind, "name": d.name, "data": d.data} for d in declared]
    return msgspec.json.encode(rows).decode()


class DeployStore:
    """The statements of deployments, on a pool of open_pool."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def find_bot(self, name: str) -> UUID | None:
        """Return the bot of that name, or None if the table of bots does not have it."""
        found: UUID | None = await self._pool.fetchval(query("find_bot"), name)
        return found

    async def store(self, deployed: Sequence[BotPlans], outcomes: Sequence[SourceOutcome] = ()) -> StoredScripts:
        """Store plans, let new starts of their scripts take them, and withdraw what is gone; and what came of sources
        that came as rows. Twice is as good as once."""
        changed: list[str] = []
        withdrawn: list[str] = []
        async with self._pool.acquire() as connection, connection.transaction():
            # In the order of their names, so that two deployments at once wait for each other and no more.
            for bot in sorted(deployed, key=lambda b: b.bot_id):
                changed += await _store_plans(connection, bot)
                if bot.withdraw:
                    withdrawn += await _withdraw(connection, bot)
            for outcome in outcomes:
                problems = msgspec.json.encode(outcome.problems).decode()
                row = (outcome.id, outcome.status, outcome.plan_hash, problems)
                await connection.execute(query("settle_source"), *row)
        return StoredScripts(tuple(changed), tuple(withdrawn))

    async def pending(self) -> list[PendingSource]:
        """Return the scripts that came as rows and are not compiled yet, oldest first."""
        return [PendingSource(*row) for row in await self._pool.fetch(query("fetch_sources"))]

    async def running(self, bot_id: UUID) -> list[RunningSource]:
        """Return the scripts that a bot can start now."""
        rows = await self._pool.fetch(query("list_sources"), bot_id)
        return [RunningSource(*row[:4], msgspec.json.decode(row[4], type=dict[str, str])) for row in rows]


async def _store_plans(connection: Connection, bot: BotPlans) -> list[str]:
    changed = []
    for plan in sorted(bot.plans, key=lambda p: p.script):
        sources = msgspec.json.encode(plan.sources).decode()
        row = (plan.hash, plan.script, plan.mode, plan.plan_json, sources, plan.engine_version)
        await connection.execute(query("save_plan"), *row)
        deployed = (bot.bot_id, plan.script, plan.hash, plan.tool_json, bot.origin)
        if await connection.fetchval(query("deploy_script"), *deployed):
            changed.append(plan.script)
        if bot.declare:
            await connection.fetchval(query("declare_script"), bot.bot_id, plan.script, declared_json(plan.declared))
    return changed


async def _withdraw(connection: Connection, bot: BotPlans) -> list[str]:
    gone = await connection.fetch(query("list_folder_scripts"), bot.bot_id, [plan.script for plan in bot.plans])
    for (script,) in gone:
        await connection.fetchval(query("declare_script"), bot.bot_id, script, "[]")
        await connection.fetchval(query("withdraw_script"), bot.bot_id, script)
    return [row[0] for row in gone]
