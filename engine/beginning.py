"""How an execution begins: its first state."""

from __future__ import annotations

from collections.abc import Mapping

from engine.errors import ScriptError
from engine.plan import Plan, Procedure
from engine.state import ExecutionState, Frame
from engine.values import Value, check_value


def begin(
    plan: Plan, variables: Mapping[str, Value] | None = None, *, procedure: str = "", block: int = 0
) -> ExecutionState:
    """Return the state in which an execution of `plan` starts, with the variables it is given: at the script's
    beginning, in one of its own procedures, or in the block of a step that runs detached.

    A variable `$arguments` is a list for the parameters of what begins, in their order. Raises ScriptError for a
    value that no variable can hold, and for a procedure or block that the plan does not have.
    """
    given = {name.lower(): check_value(value) for name, value in (variables or {}).items()}
    arguments = given.pop("$arguments", None)
    if block:
        step = plan.steps.get(block)
        if step is None or not step.DETACHED:
            raise ScriptError(f"step {block} of {plan.script} has no block that runs by itself")
        frame = Frame(plan.script, block, given)
        frame.memos[block] = True
        return ExecutionState([frame])
    unit: Procedure | None = plan.main
    if procedure:  # by its own name, or by the full one that a frame has
        unit = plan.procedures.get(procedure) or plan.procedures.get(f"{plan.script}#{procedure.lower()}")
    if unit is None:
        raise ScriptError(f"{plan.script} has no procedure {procedure}")
    if isinstance(arguments, list):
        given.update(zip(unit.parameters, arguments, strict=False))
    return ExecutionState([Frame(unit.name, unit.first, given)])
