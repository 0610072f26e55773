"""Storing the plans of a folder of scripts: all of them in one transaction, or none."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

import msgspec

from daemon.rows import StoredPlan
from daemon.statements import query
from daemon.store import Pool
from engine.steps import Declaration


@dataclass(frozen=True, slots=True)
class StoredScripts:
    """What a deployment changed: scripts whose new starts take another plan now, and scripts withdrawn."""

    changed: tuple[str, ...]
    withdrawn: tuple[str, ...]


def declared_json(declared: Sequence[Declaration]) -> str:
    """Return declarations as workflow_declare takes them."""
    rows = [{"kind": d.kind, "name": d.name, "data": d.data} for d in declared]
    return msgspec.json.encode(rows).decode()


async def store_scripts(
    pool: Pool, plans: Sequence[StoredPlan], bot_id: UUID, withdraw: Collection[str] = ()
) -> StoredScripts:
    """Store plans, let new starts of their scripts take them, withdraw the named scripts. Twice is as good as once."""
    changed, withdrawn = [], []
    async with pool.acquire() as connection, connection.transaction():
        # In the order of their names, so that two deployments at once wait for each other and no more.
        for plan in sorted(plans, key=lambda p: p.script):
            sources = msgspec.json.encode(plan.sources).decode()
            row = (plan.hash, plan.script, plan.mode, plan.plan_json, sources, plan.engine_version)
            await connection.execute(query("save_plan"), *row)
            if await connection.fetchval(query("deploy_script"), bot_id, plan.script, plan.hash, plan.tool_json):
                changed.append(plan.script)
            await connection.fetchval(query("declare_script"), bot_id, plan.script, declared_json(plan.declared))
        for script in sorted(withdraw):
            if await connection.fetchval(query("withdraw_script"), bot_id, script):
                withdrawn.append(script)
    return StoredScripts(tuple(changed), tuple(withdrawn))
