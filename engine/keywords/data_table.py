"""TABLE … END TABLE: declaring a table of the bot."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Self

from engine.columns import Column, WrongColumn, asked_columns, columns_of
from engine.effects import Query
from engine.errors import ScriptError
from engine.expressions import Expression
from engine.filters import name_of
from engine.steps import NEXT, Ask, Here, Misuse, Move, Parsed, Resumed, Step, Written, constant_of


@dataclass(frozen=True, slots=True)
class Table(Step):
    """Declare a table: `TABLE name`, a line for each column, `END TABLE`. It is made when the statement is reached; one
    that is there already gets the columns it lacks and the types that changed, and loses nothing.

    A column is `[FIELD] name [AS] type[(n)] [KEY | PRIMARY KEY] [NOT NULL] [UNIQUE] [DEFAULT v] [REFERENCES t]`, with
    SQL's and the dialect's names of types: string(n), text, integer, number(p, s), double, boolean, date, datetime,
    time, json, guid … A KEY of whole numbers counts by itself. `ON connection` is accepted and means the bot's own.

    ```basic
    TABLE customers
        id integer KEY
        FIELD name AS string(50) NOT NULL   ' shown in lists
        city string DEFAULT "Recife"
        since date
    END TABLE
    number = SAVE "customers", "Ada", "Natal", "2026-01-31"
    SAVE customers WITH name AS "Grace"
    everybody = FIND customers ORDER BY id
    TALK number, everybody[0].since, everybody[1].city
    ```
    ```chat
    bot: 1 2026-01-31 Recife
    ```
    """

    table: str
    columns: tuple[Column, ...]

    HEADS: ClassVar[tuple[str, ...]] = ("TABLE", "BEGIN TABLE")
    GRAMMAR: ClassVar[str] = """
        table: ["BEGIN"i] "TABLE"i table_name [table_on]
        table_name: NAME | STRING
        table_on: ("ON"i | "AS"i) (NAME | STRING)
    """

    @classmethod
    def build(cls, written: Written) -> Self:
        named = written.parsed.find("table_name") or Parsed("")
        first = named.parts[0]
        name = constant_of(first) if isinstance(first, Expression) else first
        if written.lines is None:
            raise Misuse("TABLE needs its columns, a line each, and END TABLE", "for example: id integer KEY")
        try:
            return cls(written.place, name_of(name, "table"), columns_of(text_of(written.lines)))
        except (WrongColumn, ScriptError) as error:
            raise Misuse(str(error), "name string(50) NOT NULL") from None

    def run(self, here: Here) -> Move:
        if isinstance(here.why, Resumed):
            return NEXT
        return Ask(Query("data:table", ({"table": self.table, "columns": asked_columns(self.columns)},)))


def text_of(lines: Expression) -> str:
    """Return the lines of a block that puts nothing in. Raises Misuse."""
    return "".join(_texts(lines.node))


def _texts(node: ast.expr) -> Iterator[str]:
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.Call(func=ast.Name(id="$text"), args=parts):
            for part in parts:
                yield from _texts(part)
        case _:
            raise Misuse("a TABLE holds columns, and no ${…}", "its columns are known when it is compiled")
