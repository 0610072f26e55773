"""Scripts that an event starts: those that consist of nothing but ON EVENT and declarations."""

from __future__ import annotations

from collections.abc import Iterator

from engine.keywords.events import OnEvent
from engine.keywords.params import Param
from engine.plan import Plan
from engine.steps import Declaration


def event_starts(plan: Plan) -> Iterator[Declaration]:
    """Yield the events that start the plan's script: nothing else stands in it that could run, or wait for them."""
    body = plan.main.body
    if all(isinstance(step, OnEvent | Param) or step.declares() for step in body):
        for step in body:
            if isinstance(step, OnEvent) and (declared := step.starts()) is not None:
                yield declared
