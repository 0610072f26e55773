"""Plans in memory, by their hash: the most recently used ones, decoded once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection

from daemon.store import Store
from daemon.version import is_newer, stepwell_version
from engine.codec import UnreadablePlan, decode_plan
from engine.plan import Plan

PLANS_MAX = 1_000


class NewerPlan(UnreadablePlan):
    """A stored plan cannot be read because a newer version of this program has made it."""


class Plans:
    """A bounded cache of plans over the table that has them all."""

    def __init__(self, store: Store, plans_max: int = PLANS_MAX) -> None:
        self._store = store
        self._plans_max = plans_max
        self._plans: OrderedDict[str, Plan] = OrderedDict()

    async def load(self, hashes: Collection[str]) -> dict[str, Plan | UnreadablePlan]:
        """Return the plan of every hash, or why there is none. Raises only what the database raises."""
        found: dict[str, Plan | UnreadablePlan] = {}
        for plan_hash in hashes:
            plan = self._plans.get(plan_hash)
            found[plan_hash] = await self._fetch(plan_hash) if plan is None else plan
            if plan is not None:
                self._plans.move_to_end(plan_hash)
        return found

    async def _fetch(self, plan_hash: str) -> Plan | UnreadablePlan:
        stored = await self._store.load_plan(plan_hash)
        if stored is None:
            return UnreadablePlan(f"the plan {plan_hash} is not in workflow_plans")
        try:
            plan = decode_plan(stored.plan_json)
        except Exception as error:  # whatever a damaged or newer plan provokes, its executions are put aside
            said = f"the plan {plan_hash} of {stored.script} cannot be read: {error!r}"
            if is_newer(stored.engine_version, stepwell_version()):
                return NewerPlan(f"{said}; Stepwell {stored.engine_version} has made it")
            return UnreadablePlan(said)
        self._plans[plan_hash] = plan
        while len(self._plans) > self._plans_max:
            self._plans.popitem(last=False)
        return plan
