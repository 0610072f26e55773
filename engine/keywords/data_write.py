"""SAVE, UPSERT and INSERT: writing rows of the bot's tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self, cast

from engine.conditions import ID, asked_table, table_of
from engine.effects import Query
from engine.errors import ScriptError
from engine.events import QueryAnswered
from engine.expressions import Expression
from engine.filters import name_of, written_name
from engine.steps import Ask, Here, Misuse, Move, Parsed, Resumed, Step, Target, Written, constant_of
from engine.values import Value, show, to_text

Pairs = tuple[tuple[str, Expression], ...]


@dataclass(frozen=True, slots=True)
class Save(Step):
    """Write rows: `SAVE t, obj`, `SAVE t, list`, `SAVE t, name, age`, `SAVE t WITH name AS v, age AS w`.

    Values that are names give the columns their names; other values follow the columns of the TABLE. A row whose
    key is there already is changed. `x = SAVE …` gives the id. A table that nobody has declared is made of what is
    saved, with an id of its own, and gets a column for every new name. `UPSERT` is the same word.

    ```basic
    name = "Ada"
    age = 36
    number = SAVE "people", name, age
    SAVE people WITH name AS "Grace", age AS 85
    SAVE "people", {"id": number, "age": 37}
    ada = FIND FIRST people WHERE id = number
    TALK ada.name, ada.age
    ```
    ```chat
    bot: Ada 37
    ```
    """

    table: tuple[Any, ...]
    values: tuple[Expression, ...]
    names: tuple[str | None, ...]
    pairs: Pairs
    into: Target | None

    HEADS: ClassVar[tuple[str, ...]] = ("SAVE", "UPSERT")
    GRAMMAR: ClassVar[str] = """
        save: ("SAVE"i | "UPSERT"i) ["TO"i | "INTO"i] expression ("," expression)* [data_with | data_set]
    """
    RESULT: ClassVar[bool] = True

    @classmethod
    def build(cls, written: Written) -> Self:
        table, *values = written.parsed.expressions()
        pairs = pairs_of(written.parsed)
        if not values and not pairs:
            raise Misuse("SAVE needs what is to be saved", 'for example: SAVE "people", name, age')
        names = tuple(written_name(v.node) for v in values)
        return cls(written.place, table_of(table), tuple(values), names, pairs, written.into)

    def run(self, here: Here) -> Move:
        if isinstance(here.why, Resumed) and isinstance(here.why.event, QueryAnswered):
            return here.into(self.into, here.why.event.value)
        table = asked_table(self.table, here)
        return Ask(Query("data:save", ({"table": table, **asked_values(self.values, self.names, self.pairs, here)},)))


@dataclass(frozen=True, slots=True)
class Insert(Step):
    """Add rows: `INSERT t, obj`, `INSERT t, name, age`, `INSERT INTO t (a, b) VALUES (1, 2), (3, 4)`.

    As SAVE, but a row whose key is there already is an error. `x = INSERT …` gives the id, or the list of ids.

    ```basic
    INSERT INTO people (name, age) VALUES ("Ada", 36), ("Grace", 85)
    INSERT "people", {"name": "Alan"}
    people = FIND people ORDER BY name
    TALK people.length, people.name
    ```
    ```chat
    bot: 3 Ada
    ```
    """

    table: tuple[Any, ...]
    columns: tuple[str, ...]
    lines: tuple[tuple[Expression, ...], ...]
    values: tuple[Expression, ...]
    names: tuple[str | None, ...]
    pairs: Pairs
    into: Target | None

    HEADS: ClassVar[tuple[str, ...]] = ("INSERT", "INSERT INTO")
    GRAMMAR: ClassVar[str] = """
        insert: "INSERT"i ["INTO"i] insert_table [insert_columns] "VALUES"i insert_line ("," insert_line)*
            | "INSERT"i ["INTO"i] insert_table ("," expression)* [data_with | data_set]
        insert_table: NAME | STRING
        insert_columns: "(" (NAME | STRING) ("," (NAME | STRING))* ")"
        insert_line: "(" expression ("," expression)* ")"
    """
    RESULT: ClassVar[bool] = True

    @classmethod
    def build(cls, written: Written) -> Self:
        parsed = written.parsed
        table = parsed.find("insert_table")
        assert table is not None, "the grammar has one"
        columns = tuple(column_name(p) for p in (parsed.find("insert_columns") or Parsed("")).parts)
        lines = tuple(p.expressions() for p in parsed.parts if isinstance(p, Parsed) and p.rule == "insert_line")
        for line in lines:
            if columns and len(line) != len(columns):
                raise Misuse(f"{len(columns)} columns are named and {len(line)} values given", "give each its value")
        values, pairs = parsed.expressions(), pairs_of(parsed)
        if not (values or pairs or lines):
            raise Misuse("INSERT needs what is to be added", "for example: INSERT INTO t (a, b) VALUES (1, 2)")
        names = tuple(written_name(v.node) for v in values)
        return cls(written.place, (column_name(table.parts[0]),), columns, lines, values, names, pairs, written.into)

    def run(self, here: Here) -> Move:
        if isinstance(here.why, Resumed) and isinstance(here.why.event, QueryAnswered):
            return here.into(self.into, here.why.event.value)
        asked: dict[str, Value]
        lines: list[Value] = [[here.value(v) for v in line] for line in self.lines]
        if self.columns:
            rows = [dict(zip(self.columns, cast("list[Value]", line), strict=True)) for line in lines]
            asked = {"rows": cast(Value, rows), "one": len(rows) == 1}
        elif lines:
            asked = {"positional": lines, "one": len(lines) == 1}
        else:
            asked = asked_values(self.values, self.names, self.pairs, here)
        return Ask(Query("data:insert", ({"table": asked_table(self.table, here), **asked},)))


def column_name(part: object) -> str:
    """Return a column's or table's name as it is written, with or without quotes. Raises Misuse."""
    name = constant_of(part) if isinstance(part, Expression) else part
    if not isinstance(name, str) or not name.strip():
        raise Misuse("a name is expected here", "for example: name, or “full name” in quotes")
    return name.strip().lower()


def pairs_of(parsed: Parsed) -> Pairs:
    """Return the columns and values after WITH or SET. Raises Misuse."""
    clause = parsed.find("data_with") or parsed.find("data_set")
    if clause is None:
        return ()
    return tuple((column_name(pair.parts[0]), pair.parts[1]) for pair in clause.parts)


def asked_values(
    values: tuple[Expression, ...], names: tuple[str | None, ...], pairs: Pairs, here: Here
) -> dict[str, Value]:
    """Return what is to be written: `rows` by column, or one `positional` row; `one` where one id is the answer.

    Raises ScriptError.
    """
    if pairs:
        return {"rows": [{name: here.value(value) for name, value in pairs}], "one": True}
    given = [here.value(value) for value in values]
    match given:
        case [dict() as row]:
            return {"rows": [folded(row)], "one": True}
        case [list(rows)] if names[0] is None or all(isinstance(row, dict) for row in rows):
            return {"rows": [folded(row) for row in rows], "one": False}
        case [key, dict() as row] if not isinstance(key, list | dict):
            return {"rows": [{ID: key, **folded(row)}], "one": True}
    if all(name is not None for name in names):
        return {"rows": [{to_text(name): value for name, value in zip(names, given, strict=True)}], "one": True}
    return {"positional": [cast(Value, given)], "one": True}


def folded(row: Value) -> dict[str, Value]:
    """Return an object as a row: its names folded to lower case. Raises ScriptError."""
    if not isinstance(row, dict) or not row:
        raise ScriptError(f"A row is an object with at least one member, and {show(row)} is none.", "data")
    return {name_of(name, "column"): value for name, value in row.items()}
