"""Plans in memory, by their hash: the most recently used ones, decoded once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection

from daemon.store import Store
from daemon.version import is_newer, stepwell_version
from engine.codec import UnreadablePlan, decode_plan
from engine.plan import Plan

# Of all plans held: a decoded plan takes about ten times what its JSON takes.
JSON_CHARACTERS_MAX = 4_000_000


class NewerPlan(UnreadablePlan):
    """A stored plan cannot be read because a newer version of this program has made it."""


class Plans:
    """A bounded cache of plans over the table that has them all: by their number, and by their size."""

    def __init__(self, store: Store, plans_max: int, json_characters_max: int = JSON_CHARACTERS_MAX) -> None:
        self._store = store
        self._plans_max = plans_max
        self._json_characters_max = json_characters_max
        self._plans: OrderedDict[str, tuple[Plan, int]] = OrderedDict()
        self._json_characters = 0

    def __len__(self) -> int:
        return len(self._plans)

    async def load(self, hashes: Collection[str]) -> dict[str, Plan | UnreadablePlan]:
        """Return the plan of every hash, or why there is none. Raises only what the database raises."""
        found: dict[str, Plan | UnreadablePlan] = {}
        for plan_hash in hashes:
            held = self._plans.get(plan_hash)
            if held is None:
                found[plan_hash] = await self._fetch(plan_hash)
            else:
                self._plans.move_to_end(plan_hash)
                found[plan_hash] = held[0]
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
        self._keep(plan_hash, plan, len(stored.plan_json))
        return plan

    def _keep(self, plan_hash: str, plan: Plan, size: int) -> None:
        """Hold a plan, and let the least recently used go that are too many, or too large together."""
        if plan_hash not in self._plans:
            self._json_characters += size
        self._plans[plan_hash] = plan, size
        while len(self._plans) > self._plans_max or (
            self._json_characters > self._json_characters_max and len(self._plans) > 1
        ):
            _, (_, left) = self._plans.popitem(last=False)
            self._json_characters -= left
