"""`stepwell steps`: the numbered plan of a script."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.text import Text

from daemon.cli.check import print_problem
from daemon.cli.database import settings_beside
from daemon.cli.exits import OK, WRONG
from daemon.cli.options import NO_OPTIONS, Options
from daemon.cli.output import open_console, write_json
from daemon.cli.sources import read_script
from engine.errors import CompileError
from engine.expressions import Expression, names_of
from engine.keywords.assign import Assign
from engine.keywords.calls import CallProcedure, CallTool
from engine.keywords.conditions import If
from engine.plan import Plan
from engine.registry import sections
from engine.steps import Step, Target

HASH_CHARACTERS = 12
INDENT = "  "


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One line of a plan as people read it. `number` 0 is a line that is no step: ELSE, CASE, CATCH."""

    number: int
    line: int
    depth: int
    keyword: str
    text: str


def steps(
    file: Path,
    *,
    json: Annotated[bool, Parameter(negative=(), help="Print JSON.")] = False,
    options: Options = NO_OPTIONS,
) -> int:
    """Show the numbered plan that a script compiles to.

    The numbers are those of `current_step` in the database. A call inside an expression is a step of its own
    before the statement; its result is called $1, $2, …

    Parameters
    ----------
    file
        A script (.bas).
    """
    script = read_script(file)
    try:
        plan = script.compile(settings_beside(options, file.parent))
    except CompileError as error:
        console = open_console()
        for problem in script.placed(error.problems):
            print_problem(console, problem)
        return WRONG
    if json:
        write_json({"script": plan.script, "mode": plan.mode, "hash": plan.hash, "procedures": list(_documents(plan))})
    else:
        _print(open_console(), plan)
    return OK


def planned(plan: Plan, procedure: str) -> Iterator[PlannedStep]:
    """Yield the lines of one procedure of a plan, in reading order."""
    yield from _block(plan, plan.procedures[procedure].body, 0)


def keyword_of(step: Step, text: str) -> str:
    """Return the words a step begins with, of those its kind goes by; an assignment is a SET."""
    if type(step) is Assign:
        return "SET"
    heads = sorted((head for head in type(step).HEADS if not head.endswith('"')), key=len, reverse=True)
    fitting = [head for head in heads if text.upper().startswith(head)]
    return (fitting or heads[-1:] or ["CALL"])[0]


def described(plan: Plan, step: Step) -> str:
    """Return a step as its author wrote it; one that the compiler made, in the same manner."""
    text = plan.source_line(step)
    match step:
        case CallTool(tool=name, arguments=arguments, into=Target(name=into)) if into.startswith("$"):
            return f"{into} = {name.upper()}({', '.join(map(_written, arguments))})"
        case CallProcedure(procedure=name, arguments=arguments, into=Target(name=into)) if into.startswith("$"):
            return f"{into} = {name.rpartition('#')[2]}({', '.join(map(_written, arguments))})"
        case Assign(target=Target(name=into), value=value) if into.startswith("$"):
            return f"{into} = {_written(value)}"
        case If(conditions=(Expression(text=""), *_)):
            return f"IF {_written(step.conditions[0])}"
    read = sorted({n for e in step.expressions() for n in names_of(e) if n.startswith("$")})
    return f"{text}   ({', '.join(read)})" if read else text


def _block(plan: Plan, block: tuple[Step, ...], depth: int) -> Iterator[PlannedStep]:
    for step in block:
        place = step.place
        text = described(plan, step)
        yield PlannedStep(place.number, place.line, depth, keyword_of(step, text), text)
        for index, inner in enumerate(step.blocks()):
            if index and inner and (opened := _opening(plan, step, inner[0])):
                yield PlannedStep(0, opened[0], depth, "", opened[1])
            yield from _block(plan, inner, depth + 1)


def _opening(plan: Plan, step: Step, first: Step) -> tuple[int, str] | None:
    """Return the line that opens a further section of a block statement: the nearest above its first step."""
    lines = plan.sources[step.place.script].splitlines()
    for number in range(first.place.line - 1, step.place.line, -1):
        text = lines[number - 1].strip()
        if any(text.upper().startswith(words) for words in sections()):
            return number, text
    return None


def _written(expression: Expression) -> str:
    """Return an expression in the dialect; one that the compiler made is spelt out from its tree."""
    return expression.text or _spelt(expression.node)


def _spelt(node: ast.AST) -> str:
    match node:
        case ast.Constant(value=str(value)):
            return '"' + value.replace('"', '""') + '"'
        case ast.Constant(value=bool() | None as value):
            return str(value).upper().replace("NONE", "NULL")
        case ast.Constant(value=value):
            return str(value)
        case ast.Name(id=name):
            return name
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return f"NOT {_spelt(operand)}"
        case ast.Call(func=ast.Name(id="$is_null"), args=[value]):
            return f"{_spelt(value)} IS NULL"
        case ast.Call(func=ast.Name(id="$text"), args=parts):
            return " & ".join(map(_spelt, parts))
        case ast.Call(func=ast.Name(id=name), args=arguments):
            return f"{name.lstrip('$.').upper()}({', '.join(map(_spelt, arguments))})"
        case ast.Subscript(value=value, slice=index):
            return f"{_spelt(value)}[{_spelt(index)}]"
        case _:
            return ast.unparse(node)


def _documents(plan: Plan) -> Iterator[dict[str, object]]:
    for procedure in _in_order(plan):
        yield {
            "name": procedure,
            "script": plan.procedures[procedure].script,
            "parameters": plan.procedures[procedure].parameters,
            "steps": [
                {"number": s.number, "line": s.line, "depth": s.depth, "keyword": s.keyword, "text": s.text}
                for s in planned(plan, procedure)
                if s.number
            ],
        }


def _in_order(plan: Plan) -> list[str]:
    """Return the procedures: the script itself first, then as they are numbered."""
    return sorted(plan.procedures, key=lambda name: (name != plan.script, plan.procedures[name].first))


def _print(console: Console, plan: Plan) -> None:
    console.print(Text.assemble((plan.script, "bold"), f"   {plan.mode}   plan {plan.hash[:HASH_CHARACTERS]}"))
    if not plan.steps:
        console.print("It has no steps: it ends as soon as it starts.")
        return
    console.print(Text("step  line", "dim"))
    for name in _in_order(plan):
        procedure = plan.procedures[name]
        if name != plan.script:
            kind = "" if procedure.whole_script else "procedure "
            console.print(Text(f"\n{kind}{name.rpartition('#')[2]}({', '.join(procedure.parameters)})", "bold"))
        for step in planned(plan, name):
            number = str(step.number) if step.number else ""
            text = Text(f"{number:>4}  {step.line:>4}  ")
            text.append(INDENT * step.depth + step.text, "" if step.number else "dim")
            console.print(text)
