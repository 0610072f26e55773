"""FIND and AGGREGATE: reading the bot's tables and its files of rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Self, cast

from engine.conditions import Rows, asked_rows, asked_table, rows_of, table_of
from engine.effects import Query
from engine.errors import ScriptError
from engine.events import QueryAnswered
from engine.expressions import Expression
from engine.file_tables import FILE_ENDINGS, joined_rows, rows_of_file, rows_of_table
from engine.filters import name_of, written_name
from engine.rows import AGGREGATES, aggregate_rows, rows_in, select
from engine.steps import Ask, Here, Move, Resumed, Step, Target, Written, constant_of
from engine.values import Value, show, to_text

_FILE = "file"  # the memo while the file is read; then its rows, while the table of its name is
OTHER_ENDINGS = (".xlsx", ".xls", ".ods", ".pdf", ".txt", ".doc", ".docx", ".bas")


@dataclass(frozen=True, slots=True)
class Find(Step):
    """Read rows of a table, or of a CSV or JSON file of the bot.

    `x = FIND t` gives the list of its rows; `FIND t, "status = open"`, `FIND t, "column", value` and
    `FIND t WHERE … [ORDER BY …] [LIMIT n]` those that a condition means. `.field` of the list is that of its first
    row. `FIND FIRST t …`, `… FIRST` and `LIMIT 1` give the row itself, or NULL. A table that nobody has saved to has
    no rows. Of a file's name, such as "prices.csv", it gives the file's rows, then those of the table that SAVE made
    of that name. In a condition a bare name is a column; right of an operator a variable, else a column, else a text.

    ```basic
    SAVE "people", {"name": "Ada", "age": 36}
    SAVE "people", {"name": "Grace", "age": 85}
    wanted = 80
    found = FIND "people" WHERE age > wanted
    TALK found.name
    all = FIND "people", "age > 1 ORDER BY name DESC"
    TALK all.length, all.name
    nobody = FIND FIRST people WHERE name = "Alan"
    IF nobody IS NULL THEN TALK "no Alan"
    ```
    ```chat
    bot: Grace
    bot: 2 Grace
    bot: no Alan
    ```
    """

    table: tuple[Any, ...]
    rows: Rows
    first: bool
    into: Target | None

    HEADS: ClassVar[tuple[str, ...]] = ("FIND", "FIND ALL", "FIND FIRST")
    GRAMMAR: ClassVar[str] = """
        find: "FIND"i ["ALL"i] ["FROM"i] expression ("," expression)* _find_rows*
            | "FIND"i data_first ["FROM"i] expression ("," expression)* _find_rows*
        _find_rows: data_where | data_order | data_limit | data_first
    """
    RESULT: ClassVar[bool] = True

    @classmethod
    def build(cls, written: Written) -> Self:
        parsed = written.parsed
        table, *arguments = parsed.expressions()
        return cls(
            written.place,
            table_of(table),
            rows_of(parsed, tuple(arguments)),
            parsed.find("data_first") is not None,
            written.into,
        )

    def run(self, here: Here) -> Move:
        table, asked = asked_table(self.table, here), asked_rows(self.rows, here)
        match here.why:
            case Resumed(event=QueryAnswered(value=value)):
                if here.memo == _FILE:
                    return Ask(rows_of_table(table), memo=[value])
                if isinstance(here.memo, list):
                    if value is None and here.memo[0] is None:
                        raise ScriptError(f"The bot has no file {table}.", "data")
                    found = select(joined_rows(here.memo[0], value), asked)
                else:
                    found = rows_in(value, "FIND")
                if self.first or asked["limit"] == 1:
                    return here.into(self.into, found[0] if found else None)
                return here.into(self.into, cast(Value, found))
            case _ if is_file(table):
                return Ask(rows_of_file(self.path(here)), memo=_FILE)
            case _:
                return Ask(Query("data:find", ({"table": table, **asked},)))

    def path(self, here: Here) -> str:
        """Return the file's name as it is written: there, case may count."""
        match self.table:
            case ("", Expression() as expression):
                return to_text(here.value(expression)).strip()
            case _:
                return asked_table(self.table, here)


def is_file(table: str) -> bool:
    """Tell whether a table's name is that of a file of rows. Raises ScriptError for files of other kinds."""
    if table.endswith(OTHER_ENDINGS):
        raise ScriptError(f"FIND reads rows of tables and of CSV and JSON files, and {table} is none.", "data")
    return table.endswith(FILE_ENDINGS)


@dataclass(frozen=True, slots=True)
class Aggregate(Step):
    """Count, add up or average: `x = AGGREGATE "SUM", list, "field"`, `x = AGGREGATE "t", "COUNT", "field"[, filter]`.

    Of a list or of a table; the functions are COUNT, SUM, AVG, MIN and MAX. COUNT of "*" counts every row.

    ```basic
    orders = [{"total": 10}, {"total": 32}]
    all = AGGREGATE "SUM", orders, "total"
    SAVE "orders", orders
    most = AGGREGATE "orders", "MAX", "total", "total < 20"
    TALK all, most
    ```
    ```chat
    bot: 42 10
    ```
    """

    arguments: tuple[Expression, ...]
    rows: Rows
    into: Target | None

    HEADS: ClassVar[tuple[str, ...]] = ("AGGREGATE",)
    GRAMMAR: ClassVar[str] = """
        aggregate: "AGGREGATE"i expression "," expression ("," expression)* [data_where]
    """
    RESULT: ClassVar[bool] = True
    VALUED: ClassVar[bool] = True

    @classmethod
    def build(cls, written: Written) -> Self:
        arguments = written.parsed.expressions()
        return cls(written.place, arguments[:3], rows_of(written.parsed, arguments[3:]), written.into)

    def run(self, here: Here) -> Move:
        if isinstance(here.why, Resumed) and isinstance(here.why.event, QueryAnswered):
            return here.into(self.into, here.why.event.value)
        function, source = self.parts(here)
        name = self.field(here)
        value = self.listed(source, here)
        asked = asked_rows(self.rows, here)
        if isinstance(value, list):
            return here.into(self.into, aggregate_rows(function, select(value, asked), name))
        table = asked_table(table_of(source), here)
        return Ask(Query("data:aggregate", ({"table": table, "function": function, "field": name.lower(), **asked},)))

    def parts(self, here: Here) -> tuple[str, Expression]:
        """Return the function and what it is of, in whichever order they stand. Raises ScriptError."""
        for place in (0, 1):
            word = constant_of(self.arguments[place]) or written_name(self.arguments[place].node)
            word = word if word is not None else here.value(self.arguments[place])
            if isinstance(word, str) and word.strip().upper() in AGGREGATES:
                return word.strip().upper(), self.arguments[1 - place]
        shown = show(constant_of(self.arguments[0]))
        raise ScriptError(f"AGGREGATE takes COUNT, SUM, AVG, MIN or MAX, and {shown} is none.", "data")

    def field(self, here: Here) -> str:
        """Return the field's name, "*" where none is given. Raises ScriptError."""
        if len(self.arguments) < 3:
            return "*"
        name = written_name(self.arguments[2].node)
        value = here.value(self.arguments[2])
        return name if name is not None and not isinstance(value, str) else name_of(value or "*", "column")

    def listed(self, source: Expression, here: Here) -> Value:
        """Return what is given as a list, NULL where a table is meant."""
        value = here.value(source)
        return value if isinstance(value, list) else None

    def assigns(self) -> Iterator[str]:
        if self.into is not None:
            yield self.into.name
        for expression in self.arguments:  # they may be names of a table and of a column
            yield from [name for name in [written_name(expression.node)] if name is not None]
