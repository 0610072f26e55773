"""UPDATE, DELETE and MERGE: changing rows of the bot's tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Self, cast

from engine.conditions import ALL_ROWS, Rows, asked_rows, asked_table, rows_of, table_of
from engine.effects import Query
from engine.errors import ScriptError
from engine.events import QueryAnswered
from engine.expressions import Expression
from engine.filters import Operand, Resolver, name_of, right_operand, written_name
from engine.rows import merge_rows, rows_in
from engine.steps import Ask, Here, Misuse, Move, Parsed, Resumed, Step, Target, Written, constant_of
from engine.values import Value, show


@dataclass(frozen=True, slots=True)
class Update(Step):
    """Change rows: `UPDATE t SET a = 1, b = b + 1 WHERE …`, `UPDATE t WITH a AS 1 WHERE …`, `UPDATE t, filter, obj`,
    `UPDATE t, filter, a, b` (names are the columns), `UPDATE t, id, "column", value`.

    `x = UPDATE …` gives how many rows were changed. Without a condition all are; a condition that turns out empty is
    an error. Right of `=` a name is a variable, else a column.

    ```basic
    SAVE "stock", {"item": "nut", "amount": 5}
    SAVE "stock", {"item": "bolt", "amount": 7}
    taken = 2
    UPDATE stock SET amount = amount - taken WHERE item = "nut"
    changed = UPDATE "stock", "item = bolt", {"amount": 0}
    nut = FIND FIRST stock WHERE item = "nut"
    TALK nut.amount, changed
    ```
    ```chat
    bot: 3 1
    ```
    """

    table: tuple[Any, ...]
    rows: Rows
    pairs: tuple[tuple[str, Operand], ...]
    values: tuple[Expression, ...]
    names: tuple[str | None, ...]
    into: Target | None

    HEADS: ClassVar[tuple[str, ...]] = ("UPDATE",)
    GRAMMAR: ClassVar[str] = """
        update: "UPDATE"i expression ("," expression)* [data_set | data_with] [data_where]
    """
    RESULT: ClassVar[bool] = True

    @classmethod
    def build(cls, written: Written) -> Self:
        parsed = written.parsed
        table, *arguments = parsed.expressions()
        clause = parsed.find("data_set") or parsed.find("data_with")
        pairs = tuple((_column(p.parts[0]), right_operand(p.parts[1].node)) for p in clause.parts) if clause else ()
        if clause is None and parsed.find("data_where") is not None:
            rows, values = rows_of(parsed), tuple(arguments)
        else:
            rows, values = rows_of(parsed, tuple(arguments[:1])), tuple(arguments[1:])
        if not pairs and not values:
            raise Misuse("UPDATE needs what is to change", "for example: UPDATE t SET status = 1 WHERE id = 5")
        names = tuple(written_name(v.node) for v in values)
        return cls(written.place, table_of(table), rows, pairs, values, names, written.into)

    def run(self, here: Here) -> Move:
        if isinstance(here.why, Resumed) and isinstance(here.why.event, QueryAnswered):
            return here.into(self.into, here.why.event.value)
        asked = asked_rows(self.rows, here, all_allowed=False)
        changes = self.changes(here)
        return Ask(Query("data:update", ({"table": asked_table(self.table, here), "set": changes, **asked},)))

    def changes(self, here: Here) -> Value:
        """Return the columns to set and the resolved operands they are set to. Raises ScriptError."""
        resolver = Resolver(here.value, here.lookup)
        if self.pairs:
            return {name: resolver.operand(operand) for name, operand in self.pairs}
        given = [here.value(v) for v in self.values]
        match given:
            case [dict() as row] if row:
                return {name_of(name, "column"): ["value", value] for name, value in row.items()}
        texts = [constant_of(v) for v in self.values[::2]]
        if len(given) % 2 == 0 and all(isinstance(t, str) for t in texts):
            return {name_of(n, "column"): ["value", v] for n, v in zip(texts, given[1::2], strict=True)}
        if all(name is not None for name in self.names):
            return {str(name): ["value", value] for name, value in zip(self.names, given, strict=True)}
        raise ScriptError("UPDATE takes an object, names of variables, or columns with their values.", "data")


def _column(part: object) -> str:
    name = constant_of(part) if isinstance(part, Expression) else part
    if not isinstance(name, str) or not name.strip():
        raise Misuse("a column's name is expected here", "for example: SET status = 1")
    return name.strip().lower()


@dataclass(frozen=True, slots=True)
class Delete(Step):
    """Remove rows: `DELETE FROM t WHERE …`, `DELETE t, filter`, `DELETE t, id`, `DELETE t` (all of them).

    `x = DELETE …` gives how many. A condition that turns out empty is an error.

    ```basic
    SAVE "people", [{"name": "Ada", "age": 36}, {"name": "Grace", "age": 85}]
    gone = DELETE "people", "age > 80"
    rest = FIND people
    TALK gone, rest.name
    ```
    ```chat
    bot: 1 Ada
    ```
    """

    table: tuple[Any, ...]
    rows: Rows
    into: Target | None

    HEADS: ClassVar[tuple[str, ...]] = ("DELETE", "DELETE FROM")
    GRAMMAR: ClassVar[str] = """
        delete: "DELETE"i ["FROM"i] expression ("," expression)* [data_where]
    """
    RESULT: ClassVar[bool] = True

    @classmethod
    def build(cls, written: Written) -> Self:
        table, *arguments = written.parsed.expressions()
        return cls(written.place, table_of(table), rows_of(written.parsed, tuple(arguments)), written.into)

    def run(self, here: Here) -> Move:
        if isinstance(here.why, Resumed) and isinstance(here.why.event, QueryAnswered):
            return here.into(self.into, here.why.event.value)
        asked = asked_rows(self.rows, here, all_allowed=self.rows == ALL_ROWS)
        return Ask(Query("data:delete", ({"table": asked_table(self.table, here), **asked},)))


@dataclass(frozen=True, slots=True)
class Merge(Step):
    """Bring rows into a table by a key: `MERGE t WITH rows BY key`, `MERGE "t", rows, "key"`; or join two lists:
    `x = MERGE a, b[, "key"]`.

    A row whose key is in the table already changes the row there, the others are added. `x = MERGE t …` gives how
    many rows were brought in.

    ```basic
    SAVE "prices", [{"code": "a", "price": 1}, {"code": "b", "price": 2}]
    news = [{"code": "b", "price": 3}, {"code": "c", "price": 4}]
    MERGE prices WITH news BY code
    now_there = FIND prices ORDER BY code
    TALK now_there.length, now_there[1].price
    both = MERGE [1, 2], [3]
    TALK both
    ```
    ```chat
    bot: 3 3
    bot: [1,2,3]
    ```
    """

    first: Expression
    table: tuple[Any, ...]
    rows: Expression
    keys: tuple[Expression, ...]
    into: Target | None

    HEADS: ClassVar[tuple[str, ...]] = ("MERGE",)
    GRAMMAR: ClassVar[str] = """
        merge: "MERGE"i ["INTO"i] expression ("," | "WITH"i) expression ("," expression)* [data_by]
    """
    RESULT: ClassVar[bool] = True

    @classmethod
    def build(cls, written: Written) -> Self:
        first, rows, *keys = written.parsed.expressions()
        by = written.parsed.find("data_by") or Parsed("")
        return cls(written.place, first, table_of(first), rows, (*keys, *by.expressions()), written.into)

    def run(self, here: Here) -> Move:
        if isinstance(here.why, Resumed) and isinstance(here.why.event, QueryAnswered):
            return here.into(self.into, here.why.event.value)
        rows = rows_in(here.value(self.rows), "MERGE")
        keys = [key_of(key, here) for key in self.keys]
        first = here.value(self.first)
        if isinstance(first, list):
            return here.into(self.into, cast(Value, merge_rows(first, rows, keys[0] if keys else None)))
        if not keys:
            raise ScriptError("MERGE into a table needs its key: MERGE t WITH rows BY id.", "data")
        made = []
        for row in rows:
            if not isinstance(row, dict) or not row:
                raise ScriptError(f"MERGE takes rows, and {show(row)} is none.", "data")
            made.append({name_of(name, "column"): value for name, value in row.items()})
        table = asked_table(self.table, here)
        return Ask(Query("data:merge", ({"table": table, "rows": cast(Value, made), "by": cast(Value, keys)},)))

    def assigns(self) -> Iterator[str]:
        if self.into is not None:
            yield self.into.name
        for expression in (self.first, *self.keys):  # they may be names of a table and of columns
            yield from [name for name in [written_name(expression.node)] if name is not None]


def key_of(expression: Expression, here: Here) -> str:
    """Return a column's name: a bare name is one, unless it is a variable that holds a text. Raises ScriptError."""
    name, value = written_name(expression.node), here.value(expression)
    return name if name is not None and not isinstance(value, str) else name_of(value, "column")
