"""What a variable holds: printing, comparing, limits, and changing a path without changing a value."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import ScriptError
from engine.members import get_index, get_member
from engine.values import (
    Value,
    assign_path,
    check_value,
    compare,
    equal,
    less,
    read_number,
    to_number,
    to_text,
    truthy,
    type_name,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1 + 0.2, "0.3"), (3.0, "3"), (-0.0, "0"), (1e16, "10000000000000000"),
        (1.5e20, "150000000000000000000"),
        (1e300, "1e+300"), (1.25, "1.25"), (1e-7, "0.0000001"),
        (1.7976931348623157e308, "1.7976931348623157e+308"), (2**70, str(2**70)), (True, "true"),
        (None, ""),
        ([1.0, None, {"a": 0.1 + 0.2}], '[1,null,{"a":0.3}]'), ("é", "é"), (["é"], '["é"]'),
    ],
)  # fmt: skip
def test_values_print_as_people_write_them(value: Value, text: str) -> None:
    assert to_text(value) == text


@pytest.mark.parametrize("value", [None, False, 0, 0.0, "", [], {}])
def test_what_is_false(value: Value) -> None:
    assert not truthy(value)


@pytest.mark.parametrize("value", [True, 1, -0.5, " ", "false", "0", [0], {"a": None}])
def test_what_is_true(value: Value) -> None:
    assert truthy(value)


@pytest.mark.parametrize(
    ("text", "number"),
    [("12", 12), (" -1.5 ", -1.5), ("007", 7), (".5", 0.5), ("2e3", 2000.0), ("1_000", None), ("0x10", None),
     ("nan", None), ("inf", None), ("1e999", None), ("", None), ("12 kg", None), ("١٢", None),
     ("9" * 1301, None)],
)  # fmt: skip
def test_which_texts_read_as_numbers(text: str, number: float | None) -> None:
    assert read_number(text) == number


def test_numbers_from_values() -> None:
    assert to_number(None) == 0
    assert to_number(True) == 1
    assert to_number("4") == 4
    wrongs: list[Value] = ["", "abc", [], {}]
    for wrong in wrongs:
        with pytest.raises(ScriptError, match="number is needed"):
            to_number(wrong)


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        (None, None, True), (None, "", True), (None, 0, False), (None, False, False), ("1", 1, True),
        ("1.0", 1, True),
        ("one", 1, False), ("a", "A", False), (True, "true", True), (True, "TRUE", True), (True, 1, True),
        ("2026-01-05", "2026-01-05T00:00:00", True), ("2026-01-05", "05/01/2026", True),
        ("5/1/2026", "05/01/2026", False),
        ("2026-01-05T12:00:00Z", "2026-01-05T09:00:00-03:00", True), ([1, "a"], [1, "a"], True),
        ({"a": 1}, {"a": 2}, False),
    ],
)  # fmt: skip
def test_equality(a: Value, b: Value, same: bool) -> None:
    assert equal(a, b) is same
    assert equal(b, a) is same


@pytest.mark.parametrize(
    ("a", "b", "order"),
    [
        (1, 2, -1), ("10", 9, 1), ("10", "9", -1), ("b", "a", 1), (None, 1, None), (1, None, None),
        ("abc", 5, 1),
        ("2026-01-05", "2025-12-31", 1), ("2026-01-05", "31/12/2025", 1),
        ("2026-01-05T10:00:00Z", "2026-01-05", 1),
        ("2026-01-05T10:00:00+02:00", "2026-01-05T09:00:00Z", -1), (2**4000, 1e308, 1),
    ],
)  # fmt: skip
def test_order(a: Value, b: Value, order: int | None) -> None:
    assert compare(a, b) == order
    assert less(a, b) is (order == -1)


def test_lists_have_no_order() -> None:
    with pytest.raises(ScriptError, match="no order"):
        compare([1], 2)


def test_type_names() -> None:
    every: list[Value] = [None, True, 1, 1.5, "", [], {}]
    assert [type_name(v) for v in every] == ["null", "boolean", "number", "number", "text", "list", "object"]


_cyclic: list[Any] = []
_cyclic.extend([_cyclic, _cyclic])
_deep: list[Any] = []
for _ in range(80):
    _deep = [_deep]


@pytest.mark.parametrize(
    "wrong",
    [float("nan"), float("inf"), "a\0", "\ud83d", b"bytes", (1, 2), {1: 2}, {"a\0": 1}, ["\ud800"],
     [float("-inf")],
     [{"a": object()}], 2**4097, [2**4097], "x" * 100_001, [1] * 100_001,
     ["x" * 100_000] * 11, _cyclic, _deep],
    ids=lambda v: type(v).__name__,
)  # fmt: skip
def test_f46_f47_what_no_variable_can_hold(wrong: object) -> None:
    with pytest.raises(ScriptError):
        check_value(wrong)


def test_what_a_variable_can_hold_comes_back_itself() -> None:
    value: Value = {"a": [1, 2.5, None, True, "é😀"], "b": {"c": []}}
    assert check_value(value) is value


def test_assigning_makes_what_is_missing() -> None:
    assert assign_path(None, ("a", 2, "b"), 1) == {"a": [None, None, {"b": 1}]}
    assert assign_path([1, 2], (2,), 3) == [1, 2, 3]
    assert assign_path([1], (3,), 4) == [1, None, None, 4]
    assert assign_path({"Name": 1}, ("name",), 2) == {"Name": 2}
    assert assign_path({}, (5,), 1) == {"5": 1}
    assert assign_path([1, 2], ("1",), 9) == [1, 9]
    assert assign_path(7, (), 8) == 8


def test_assigning_shares_what_is_beside_the_path() -> None:
    inner: list[Value] = [1]
    before: dict[str, Value] = {"a": {"x": 1}, "b": inner}
    after = assign_path(before, ("a", "x"), 2)
    assert before == {"a": {"x": 1}, "b": [1]}
    assert isinstance(after, dict) and after["b"] is inner


@pytest.mark.parametrize(
    ("container", "path", "sentence"),
    [
        ([1], (-1,), "from 0 on"), ([1], ("x",), "from 0 on"), ([1], (1.5,), "from 0 on"),
        ("text", ("a",), "no members"),
        (5, (0,), "no members"), ([], (100_000,), "too long"), ({}, ([],), "name must be a text"),
        (None, tuple(["a"] * 65), "too deep"),
    ],
)  # fmt: skip
def test_assigning_where_it_makes_no_sense(container: Value, path: tuple[Value, ...], sentence: str) -> None:
    with pytest.raises(ScriptError, match=sentence):
        assign_path(container, path, 1)


def test_filling_a_list_item_by_item_keeps_its_limits() -> None:
    with pytest.raises(ScriptError, match="too big"):
        assign_path(["x" * 100_000] * 9, (9,), "x" * 100_001)
    with pytest.raises(ScriptError, match="too deep"):
        assign_path({}, ("a",), _deep)


def test_members() -> None:
    rows: Value = [{"Name": "Ana", "n": 1}, {"Name": "Bia"}]
    assert get_member(rows, "name") == "Ana"
    assert get_index(rows, 1) == {"Name": "Bia"}
    assert get_index(rows, 5) is None and get_index(rows, -1) is None
    assert get_member(rows, "length") == get_member(rows, "count") == 2
    assert get_member({"a": 1, "A": 2}, "A") == 2
    assert get_member({"count": 7}, "count") == 7
    assert get_member({"a": 1}, "count") == 1
    assert get_member({"a": 1}, "b") is None
    assert get_member(None, "x") is None
    assert get_member([], "name") is None
    assert get_member("abc", "length") == 3 and get_index("abc", 1) == "b"
    assert get_member("it broke", "message") == "it broke"


def test_the_parts_of_a_date_are_members() -> None:
    when = "2026-11-22T18:30:15-03:00"
    parts = ["year", "month", "day", "hour", "minute", "second", "weekday"]
    assert [get_member(when, part) for part in parts] == [2026, 11, 22, 18, 30, 15, 1]
    with pytest.raises(ScriptError, match="no date"):
        get_member("tomorrow", "year")
    with pytest.raises(ScriptError, match="no member"):
        get_member("abc", "id")
    with pytest.raises(ScriptError, match="no member"):
        get_member(5, "id")


def test_an_answer_lends_the_members_of_its_data() -> None:
    answer: Value = {
        "status": 201,
        "statusText": "Created",
        "headers": {},
        "data": {"id": 7, "status": "new"},
    }
    assert get_member(answer, "id") == 7
    assert get_member(answer, "status") == 201
