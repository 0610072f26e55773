"""Script errors on their way: which step catches one, and what a failure says where none does."""

from __future__ import annotations

from engine.plan import Plan
from engine.results import Failure


def catcher_of(plan: Plan, number: int) -> int | None:
    """Return the number of the innermost TRY whose guarded block holds the step of that number, or None."""
    while number:
        parent, block = plan.parents[number]
        if parent and plan.steps[parent].DETACHED:
            return None
        if parent and block == 0 and plan.steps[parent].CATCHES:
            return parent
        number = parent
    return None


def failure_at(plan: Plan, number: int, message: str, kind: str) -> Failure:
    """Return an error with the place of the step that made it."""
    step = plan.steps.get(number)
    if step is None:
        return Failure(message, kind, plan.script, 0, number, "")
    place = step.place
    return Failure(message, kind, place.script, place.line, place.number, plan.source_line(step))
