"""FILTER, MAP, SORT, JOIN, GROUP BY, PIVOT and FILL: new lists of rows from lists of rows. Pure: nothing is asked."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Self, cast

from engine.conditions import Rows, asked_rows, rows_of
from engine.errors import ScriptError
from engine.expressions import Expression
from engine.filters import written_name
from engine.rows import fill_rows, group_rows, join_rows, map_rows, pivot_rows, rows_in, select, sort_rows
from engine.steps import Here, Misuse, Move, Parsed, Step, Target, Written
from engine.values import Value, to_text


@dataclass(frozen=True, slots=True)
class Filter(Step):
    """Keep the rows of a list that a condition means: `x = FILTER list WHERE …`, `x = FILTER list, "age > 18"`.

    Without `x =` the variable itself is changed. FILTER(list, "…") may also stand in an expression.

    ```basic
    people = [{"name": "Ada", "age": 36}, {"name": "Grace", "age": 85}]
    limit_age = 40
    old = FILTER people WHERE age > limit_age
    TALK old.name
    TALK LEN(FILTER(people, "name LIKE 'A%'"))
    ```
    ```chat
    bot: Grace
    bot: 1
    ```
    """

    source: Expression
    rows: Rows
    into: Target | None

    HEADS: ClassVar[tuple[str, ...]] = ("FILTER",)
    GRAMMAR: ClassVar[str] = """
        filter: "FILTER"i expression ("," expression)* (data_where | data_order | data_limit)*
    """
    RESULT: ClassVar[bool] = True
    VALUED: ClassVar[bool] = True

    @classmethod
    def build(cls, written: Written) -> Self:
        source, *arguments = written.parsed.expressions()
        rows = rows_of(written.parsed, tuple(arguments))
        return cls(written.place, source, rows, result_of(written, source))

    def run(self, here: Here) -> Move:
        rows = rows_in(here.value(self.source), "FILTER")
        return here.into(self.into, cast(Value, select(rows, asked_rows(self.rows, here))))


@dataclass(frozen=True, slots=True)
class Sort(Step):
    """Put a list in order: `SORT list BY "field" [DESC]`, `x = SORT list`, `SORT list, "field", "DESC"`.

    Without `x =` the variable itself is changed. SORT(list, "field") may also stand in an expression.

    ```basic
    people = [{"name": "Grace", "age": 85}, {"name": "Ada", "age": 36}]
    SORT people BY "age"
    TALK people.name
    oldest = SORT people BY age DESC
    TALK oldest.name
    ```
    ```chat
    bot: Ada
    bot: Grace
    ```
    """

    source: Expression
    arguments: tuple[Expression, ...]
    descending: bool
    into: Target | None

    HEADS: ClassVar[tuple[str, ...]] = ("SORT",)
    GRAMMAR: ClassVar[str] = """
        sort: "SORT"i expression ("," expression)* [data_by] [data_desc | data_asc]
    """
    RESULT: ClassVar[bool] = True
    VALUED: ClassVar[bool] = True

    @classmethod
    def build(cls, written: Written) -> Self:
        source, *arguments = written.parsed.expressions()
        by = written.parsed.find("data_by")
        arguments = [*arguments, *(by.expressions() if by else ())]
        descending = written.parsed.find("data_desc") is not None
        return cls(written.place, source, tuple(arguments), descending, result_of(written, source))

    def run(self, here: Here) -> Move:
        words = [key_of(argument, here) for argument in self.arguments]
        descending = self.descending
        if words and words[-1].lower() in ("desc", "descending", "asc", "ascending"):
            descending = words.pop().lower().startswith("desc")
        rows = list(rows_in(here.value(self.source), "SORT"))
        names: list[str | None] = [*reversed(words)]
        for name in names or [None]:
            rows = sort_rows(rows, name, descending)
        return here.into(self.into, cast(Value, rows))

    def assigns(self) -> Iterator[str]:
        if self.into is not None:
            yield self.into.name
        yield from bare_names(self.arguments)


@dataclass(frozen=True, slots=True)
class MapList(Step):
    """Take a field of every row, or several, or under other names: `x = MAP list, "field"`,
    `x = MAP list, "name -> customer, email"`. MAP(list, "…") may also stand in an expression.

    ```basic
    people = [{"name": "Ada", "age": 36}, {"name": "Grace", "age": 85}]
    names = MAP people, "name"
    TALK JOIN(names, " and ")
    others = MAP people, "name -> who"
    TALK others[1].who
    ```
    ```chat
    bot: Ada and Grace
    bot: Grace
    ```
    """

    source: Expression
    mapping: Expression
    into: Target | None

    HEADS: ClassVar[tuple[str, ...]] = ("MAP",)
    GRAMMAR: ClassVar[str] = """
        map_list: "MAP"i expression "," expression
    """
    RESULT: ClassVar[bool] = True
    VALUED: ClassVar[bool] = True

    @classmethod
    def build(cls, written: Written) -> Self:
        source, mapping = written.parsed.expressions()
        return cls(written.place, source, mapping, result_of(written))

    def run(self, here: Here) -> Move:
        rows = rows_in(here.value(self.source), "MAP")
        return here.into(self.into, cast(Value, map_rows(rows, to_text(here.value(self.mapping)))))


@dataclass(frozen=True, slots=True)
class JoinLists(Step):
    """Put the rows of two lists together where a field is equal: `x = JOIN a, b, "key"`, `x = JOIN a WITH b ON key`,
    `x = JOIN a, b, "key of a", "key of b"`. Where both have a field, that of the first list stays.

    ```basic
    orders = [{"customer": 1, "total": 10}, {"customer": 2, "total": 32}]
    customers = [{"customer": 2, "name": "Ada"}]
    both = JOIN orders, customers, "customer"
    TALK both.name, both.total
    ```
    ```chat
    bot: Ada 32
    ```
    """

    sources: tuple[Expression, ...]
    keys: tuple[Expression, ...]
    into: Target | None

    HEADS: ClassVar[tuple[str, ...]] = ("JOIN",)
    GRAMMAR: ClassVar[str] = """
        join_lists: "JOIN"i expression ("," | "WITH"i) expression ("," expression)* [data_by]
    """
    RESULT: ClassVar[bool] = True
    VALUED: ClassVar[bool] = True

    @classmethod
    def build(cls, written: Written) -> Self:
        first, second, *keys = written.parsed.expressions()
        by = written.parsed.find("data_by") or Parsed("")
        keys = [*keys, *by.expressions()]
        if not 1 <= len(keys) <= 2:
            raise Misuse("JOIN needs the field that both lists have", 'for example: x = JOIN orders, customers, "id"')
        return cls(written.place, (first, second), tuple(keys), result_of(written))

    def run(self, here: Here) -> Move:
        left, right = (rows_in(here.value(source), "JOIN") for source in self.sources)
        keys = [key_of(key, here) for key in self.keys]
        return here.into(self.into, cast(Value, join_rows(left, right, keys[0], keys[-1])))

    def assigns(self) -> Iterator[str]:
        if self.into is not None:
            yield self.into.name
        yield from bare_names(self.keys)


@dataclass(frozen=True, slots=True)
class GroupBy(Step):
    """Group a list by a field: `x = GROUP BY list, "field"`, `x = GROUP list BY field`: an object with, for each
    value of the field, the list of its rows.

    ```basic
    orders = [{"city": "Recife", "total": 1}, {"city": "Natal", "total": 2}, {"city": "Recife", "total": 3}]
    by_city = GROUP BY orders, "city"
    FOR EACH city IN by_city
        TALK city, SUM(by_city[city], "total")
    NEXT
    ```
    ```chat
    bot: Recife 4
    bot: Natal 2
    ```
    """

    source: Expression
    keys: tuple[Expression, ...]
    into: Target | None

    HEADS: ClassVar[tuple[str, ...]] = ("GROUP BY", "GROUP")
    GRAMMAR: ClassVar[str] = """
        group_by: "GROUP"i ["BY"i] expression ("," expression)* [data_by]
    """
    RESULT: ClassVar[bool] = True
    VALUED: ClassVar[bool] = True

    @classmethod
    def build(cls, written: Written) -> Self:
        source, *keys = written.parsed.expressions()
        by = written.parsed.find("data_by") or Parsed("")
        keys = [*keys, *by.expressions()]
        if not keys:
            raise Misuse("GROUP BY needs a field", 'for example: x = GROUP BY orders, "city"')
        return cls(written.place, source, tuple(keys), result_of(written))

    def run(self, here: Here) -> Move:
        rows = rows_in(here.value(self.source), "GROUP BY")
        return here.into(self.into, cast(Value, group_rows(rows, [key_of(key, here) for key in self.keys])))

    def assigns(self) -> Iterator[str]:
        if self.into is not None:
            yield self.into.name
        yield from bare_names(self.keys)


@dataclass(frozen=True, slots=True)
class Pivot(Step):
    """Turn a field's values into columns: `x = PIVOT list, "row", "column", "value"`: one row for each value of the
    first field, one column for each of the second, with the sum of the third.

    ```basic
    sales = [{"month": "May", "city": "Recife", "total": 1}, {"month": "May", "city": "Natal", "total": 2}]
    wide = PIVOT sales, "month", "city", "total"
    TALK wide
    ```
    ```chat
    bot: [{"month":"May","Recife":1,"Natal":2}]
    ```
    """

    source: Expression
    keys: tuple[Expression, ...]
    into: Target | None

    HEADS: ClassVar[tuple[str, ...]] = ("PIVOT",)
    GRAMMAR: ClassVar[str] = """
        pivot: "PIVOT"i expression ("," expression)* [data_by]
    """
    RESULT: ClassVar[bool] = True
    VALUED: ClassVar[bool] = True

    @classmethod
    def build(cls, written: Written) -> Self:
        source, *keys = written.parsed.expressions()
        by = written.parsed.find("data_by") or Parsed("")
        keys = [*keys, *by.expressions()]
        if len(keys) != 3:
            raise Misuse(
                "PIVOT takes a list and three fields", 'for example: x = PIVOT sales, "month", "city", "total"'
            )
        return cls(written.place, source, tuple(keys), result_of(written))

    def run(self, here: Here) -> Move:
        first, second, third = (key_of(key, here) for key in self.keys)
        rows = rows_in(here.value(self.source), "PIVOT")
        return here.into(self.into, cast(Value, pivot_rows(rows, first, second, third)))

    def assigns(self) -> Iterator[str]:
        if self.into is not None:
            yield self.into.name
        yield from bare_names(self.keys)


@dataclass(frozen=True, slots=True)
class Fill(Step):
    """Fill a template with every row: `x = FILL list, template`, where `{{field}}` in its texts is the row's field.

    ```basic
    people = [{"name": "Ada"}, {"name": "Grace"}]
    letters = FILL people, "Dear {{name}}"
    TALK letters[1]
    ```
    ```chat
    bot: Dear Grace
    ```
    """

    source: Expression
    template: Expression
    into: Target | None

    HEADS: ClassVar[tuple[str, ...]] = ("FILL",)
    GRAMMAR: ClassVar[str] = """
        fill: "FILL"i expression ("," | "WITH"i) expression
    """
    RESULT: ClassVar[bool] = True
    VALUED: ClassVar[bool] = True

    @classmethod
    def build(cls, written: Written) -> Self:
        source, template = written.parsed.expressions()
        return cls(written.place, source, template, result_of(written))

    def run(self, here: Here) -> Move:
        rows = rows_in(here.value(self.source), "FILL")
        return here.into(self.into, cast(Value, fill_rows(rows, here.value(self.template))))


def result_of(written: Written, source: Expression | None = None) -> Target | None:
    """Return where the result goes: to `x =`, else to the variable that is the source, else nowhere."""
    if written.into is not None:
        return written.into
    if source is not None and isinstance(source.node, ast.Name) and not source.node.id.startswith("$"):
        return Target(source.node.id)
    return None


def key_of(expression: Expression, here: Here) -> str:
    """Return a field's name: a bare name is one, unless it is a variable that holds a text. Raises ScriptError."""
    name, value = written_name(expression.node), here.value(expression)
    if name is not None and not isinstance(value, str):
        return name
    if not isinstance(value, str):
        raise ScriptError("A field's name must be a text.", "data")
    return value.strip()


def bare_names(expressions: tuple[Expression, ...]) -> Iterator[str]:
    """Yield the names that stand for fields, so that nobody is warned that they have no value."""
    for expression in expressions:
        if isinstance(expression.node, ast.Name):
            yield expression.node.id
