"""SELECT … FROM: columns, sums and groups of a list or a table."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Self, cast

from engine.conditions import ALL_ROWS, Rows, asked_rows, asked_table, rows_of, table_of
from engine.effects import Query
from engine.errors import ScriptError
from engine.events import QueryAnswered
from engine.expressions import Expression, evaluate, names_of
from engine.filters import part_of, written_name
from engine.rows import AGGREGATES, aggregate_rows, rows_in, select
from engine.steps import Ask, Here, Move, Parsed, Resumed, Step, Target, Written
from engine.values import Value, find_key, to_json, to_text

SELECT_ROWS_MAX = 10_000  # each is evaluated: more would take a conversation's turn for longer than others can wait

ALL = "*"  # an item that stands for every field; the others are (name, expression, function or "")
Item = tuple[str, Expression | None, str]


@dataclass(frozen=True, slots=True)
class SelectRows(Step):
    """Choose from a list or a table: `x = SELECT a, b * 2 AS c FROM list WHERE … GROUP BY a ORDER BY c DESC LIMIT n`.

    `*` is every field; COUNT, SUM, AVG, MIN and MAX are of a group, or of all rows. `SELECT DISTINCT` drops
    repetitions. Names are fields of the rows, else variables.

    ```basic
    orders = [{"city": "Recife", "total": 1}, {"city": "Natal", "total": 2}, {"city": "Recife", "total": 3}]
    cities = SELECT city, SUM(total) AS sum, COUNT(*) AS orders FROM orders GROUP BY city ORDER BY sum DESC
    TALK cities.city, cities.sum, cities.orders
    big = SELECT city, total * 10 AS tenfold FROM orders WHERE total > 2
    TALK big
    ```
    ```chat
    bot: Recife 4 2
    bot: [{"city":"Recife","tenfold":30}]
    ```
    """

    items: tuple[Item, ...]
    distinct: bool
    source: Expression
    table: tuple[Any, ...]
    rows: Rows
    groups: tuple[str, ...]
    into: Target | None

    HEADS: ClassVar[tuple[str, ...]] = ("SELECT",)
    GRAMMAR: ClassVar[str] = """
        select_from: "SELECT"i [select_distinct] select_item ("," select_item)* "FROM"i expression _select_tail*
        select_distinct: "DISTINCT"i
        select_item: select_all | COUNT_ALL ["AS"i NAME] | expression ["AS"i NAME]
        select_all: "*"
        select_group: "GROUP"i "BY"i expression ("," expression)*
        _select_tail: data_where | select_group | data_order | data_limit
        COUNT_ALL.4: /COUNT[ ]*\\([ ]*\\*[ ]*\\)/i
    """
    RESULT: ClassVar[bool] = True
    VALUED: ClassVar[bool] = True

    @classmethod
    def build(cls, written: Written) -> Self:
        parsed = written.parsed
        items = tuple(_item(p) for p in parsed.parts if isinstance(p, Parsed) and p.rule == "select_item")
        group = parsed.find("select_group") or Parsed("")
        names = [written_name(e.node) or str(getattr(e.node, "value", "")) for e in group.expressions()]
        source = parsed.expressions()[0]
        distinct = parsed.find("select_distinct") is not None
        return cls(
            written.place, items, distinct, source, table_of(source), rows_of(parsed), tuple(names), written.into
        )

    def run(self, here: Here) -> Move:
        match here.why:
            case Resumed(event=QueryAnswered(value=value)):
                rows = rows_in(value, "SELECT")
            case _:
                value = here.value(self.source)
                if not isinstance(value, list | dict):
                    asked = {"table": asked_table(self.table, here), **asked_rows(self.rows, here)}
                    return Ask(Query("data:find", ({**asked, "order": [], "limit": None},)))
                where = {**asked_rows(self.rows, here), "order": [], "limit": None}
                rows = select(rows_in(value, "SELECT"), where)
        if len(rows) > SELECT_ROWS_MAX:
            raise ScriptError(
                f"SELECT goes over at most {SELECT_ROWS_MAX:,} rows, and here are {len(rows):,}.", "limit"
            )
        return here.into(self.into, cast(Value, self.chosen(rows, here)))

    def chosen(self, rows: list[Value], here: Here) -> list[Value]:
        """Return the rows of the result, in order. Raises ScriptError."""
        asked = {**asked_rows((None, None, *self.rows[2:]), here)} if self.rows != ALL_ROWS else None
        if self.groups or any(function for _, _, function in self.items):
            made = [self.line(group, here) for group in self.grouped(rows, here)]
        else:
            if asked is not None and all(
                find_key(cast("dict[str, Value]", r), n) for r in rows[:1] for n, _ in self.order()
            ):
                rows, asked = select(rows, {**asked, "limit": None}), {**asked, "order": []}
            made = [self.line([row], here) for row in rows]
        if self.distinct:
            made = list({to_json(row): row for row in made}.values())
        return made if asked is None else select(made, asked)

    def order(self) -> tuple[tuple[str, bool], ...]:
        """Return the keys of ORDER BY."""
        return self.rows[2]

    def grouped(self, rows: list[Value], here: Here) -> list[list[Value]]:
        """Return the groups of the rows; without GROUP BY all are one."""
        if not self.groups:
            return [rows]
        groups: dict[str, list[Value]] = {}
        for row in rows:
            key = to_json([_of_row(row, here)(name) for name in self.groups])
            groups.setdefault(key, []).append(row)
        return list(groups.values())

    def line(self, group: list[Value], here: Here) -> Value:
        """Return one row of the result. Raises ScriptError."""
        first: Value = group[0] if group else None
        line: dict[str, Value] = {}
        for name, expression, function in self.items:
            if expression is None and function:
                line[name] = len(group)
            elif expression is None:
                line.update(first if isinstance(first, dict) else {"value": first})
            elif function:
                values: list[Value] = [{"v": evaluate(expression, _of_row(row, here), here.moment)} for row in group]
                line[name] = aggregate_rows(function, values, "v")
            else:
                line[name] = evaluate(expression, _of_row(first, here), here.moment)
        return line

    def assigns(self) -> Iterator[str]:
        if self.into is not None:
            yield self.into.name
        for expression in [self.source, *(e for _, e, _ in self.items if e is not None)]:
            yield from names_of(expression)  # they may be fields, or the name of a table


def _of_row(row: Value, here: Here) -> Callable[[str], Value]:
    def lookup(name: str) -> Value:
        found = find_key(row, name) if isinstance(row, dict) else None
        return here.lookup(name) if found is None else cast("dict[str, Value]", row)[found]

    return lookup


def _item(parsed: Parsed) -> Item:
    """Return one item between SELECT and FROM."""
    if parsed.find("select_all") is not None:
        return ALL, None, ""
    words = parsed.words()
    if not parsed.expressions():
        return (words[1].lower() if len(words) > 1 else "count"), None, "COUNT"
    expression = parsed.expressions()[0]
    name = words[0].lower() if words else (written_name(expression.node) or to_text(expression.text.strip()).lower())
    match expression.node:
        case ast.Call(func=ast.Name(id=function), args=[argument]) if function.upper() in AGGREGATES:
            return (words[0].lower() if words else function), part_of(argument), function.upper()
        case _:
            return name, expression, ""
