"""Loops whose condition calls: an endless DO with an EXIT where the condition stands, so it is asked every round."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from engine.keywords.conditions import If
from engine.keywords.exits import Exit
from engine.keywords.loops import Do
from engine.lifting import placed
from engine.raw import RawParsed, Statement

if TYPE_CHECKING:
    from engine.building import Builder


def loop_with_calls(builder: Builder, statement: Statement) -> None:
    """Build the loop as an endless DO with an EXIT where its condition stands."""
    place = builder.place()
    builder.loops.append(("DO", place.number))
    outer, builder.out = builder.out, []
    exit_test(builder, statement.sections[0].parsed, place.number)
    builder.out.extend(builder.block(statement.sections[0].body))
    if len(statement.sections) > 1:
        exit_test(builder, statement.sections[1].parsed, place.number)
    body, builder.out = tuple(builder.out), outer
    builder.loops.pop()
    builder.out.append(Do(place, None, None, body))


def exit_test(builder: Builder, parsed: RawParsed, loop: int) -> None:
    """Add `IF the loop is over THEN EXIT` for the condition of a loop's line, if it has one."""
    until = any(isinstance(p, RawParsed) and p.rule == "do_until" for p in parsed.parts)
    holders = [parsed, *(p for p in parsed.parts if isinstance(p, RawParsed))]
    conditions = [e for h in holders for e in h.expressions()]
    if not conditions:
        return
    node = builder.lift(conditions[0].node)
    over = node if until else placed(ast.UnaryOp(ast.Not(), node), node)
    place = builder.place()
    leave = Exit(builder.place(), loop)
    builder.out.append(If(place, (builder.made(over, conditions[0].text),), ((leave,),)))
