"""A script as a tool: its name, what it does, and the JSON schema of what it takes."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass

from engine.keywords.params import Description, Param
from engine.parameters import Parameter, schema_of
from engine.plan import Plan
from engine.values import Value


@dataclass(frozen=True, slots=True)
class Tool:
    """What a language model, or any caller, must know of a script. `schema` is a JSON schema of an object."""

    name: str
    description: str
    schema: dict[str, Value]


def tool_of(plan: Plan) -> Tool | None:
    """Return the tool that a plan's main script is, or None where it declares neither PARAM nor DESCRIPTION.

    A second set of PARAMs behind a RETURN is never reached and does not count.
    """
    parameters: dict[str, Parameter] = {}
    description = ""
    declares = False
    for step in plan.main.body:
        match step:
            case Param():
                declares = True
                if step.variable in plan.main.parameters:
                    parameters.setdefault(step.variable, step.parameter())
            case Description(text=text):
                declares = True
                description = description or text
            case _:
                continue
    if not declares:
        return None
    return Tool(tool_name(plan.script), description, schema_of(tuple(parameters.values())))


def tool_name(script: str) -> str:
    """Return the name that a script is called by as a tool: its file's, without folder and ending, lower case."""
    return posixpath.basename(script).lower().removesuffix(".bas")
