"""What a plan declares: the schedules, webhooks, forms and the tool that deploying its script registers.

One list, computed from the plan's steps: a statement declares by `Step.declares`; what takes a whole script to say
(a tool's schema is all of its PARAMs) is a function of the plan in `OF_THE_WHOLE`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from engine.event_starts import event_starts
from engine.plan import Plan
from engine.steps import Declaration

OF_THE_WHOLE: tuple[Callable[[Plan], Iterable[Declaration]], ...] = (event_starts,)


def declarations(plan: Plan) -> tuple[Declaration, ...]:
    """Return what the plan's own script declares, in reading order, each (kind, name) once.

    Scripts that it calls declare for themselves. Of two declarations with one name the first counts.
    """
    found: dict[tuple[str, str], Declaration] = {}
    steps = [s for _, s in sorted(plan.steps.items()) if s.place.script == plan.script]
    for declared in (
        *(d for step in steps for d in step.declares()),
        *(d for whole in OF_THE_WHOLE for d in whole(plan)),
    ):
        found.setdefault((declared.kind, declared.name), declared)
    return tuple(found.values())
