"""The operators and the internal calls of the dialect, as the parser hands them in."""

from __future__ import annotations

import ast

import pytest

from engine.errors import ScriptError
from engine.expressions import Expression, evaluate, is_pure_function, names_of
from engine.nodes import call_node, decode_node, encode_node, name_node
from engine.values import Value
from tests.engine.trees import a_moment, run, run_node, tree


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2", 3), ("'1' + 2", "12"), ("1 + '2'", "12"), ("NULL + 1", 1), ("NULL + 'a'", "a"),
        ("TRUE + 'x'", "truex"),
        ("'5' - 2", 3), ("'5' * '2'", 10), ("6 / 3", 2), ("7 / 2", 3.5), ("7 // 2", 3), ("-7 // 2", -3),
        ("7.5 // 2", 3),
        ("-7 % 3", -1), ("7 % -3", 1), ("7.5 % 2", 1.5), ("2 ** 10", 1024), ("2 ** -1", 0.5), ("1 & 2", "12"),
        ("(-1) ** (10 ** 30)", 1), ("4 ** 0.5", 2.0), ("[1] + [2]", [1, 2]), ("[1] + 'x'", "[1]x"),
        ("-'3'", -3),
        ("not ''", True), ("not 'a'", False), ("0 or '' or 'x'", "x"), ("0 or ''", ""), ("1 and 'x'", "x"),
        ("0 and 1", 0), ("1 and '' and 2", ""), ("1 == '1'", True), ("1 != '1'", False), ("NULL < 1", False),
        ("NULL >= NULL", False), ("'b' > 'a'", True), ("2 in [1, '2']", True), ("'b' in 'abc'", True),
        ("'k' in {'k': 1}", True), ("3 not in [1, 2]", True), ("1 in NULL", False), ("'' in [NULL]", True),
        ("1 if 0 else 2", 2), ("IF(1, 'a', 'b')", "a"), ("IIF(0, 1)", None), ("{'a': 1}.a", 1),
        ("{'a': 1}['A']", 1),
        ("[1, 2][1]", 2), ("[1, 2].length", 2), ("[{'x': 5}].x", 5), ("missing.a.b", None), ("'abc'[0]", "a"),
        ("int_coalesce(NULL, 2)", 2), ("int_coalesce('', 2)", ""),
        ("int_text('a', 1.0, NULL, TRUE)", "a1true"),
        ("int_object('a', 1, 'b', [2])", {"a": 1, "b": [2]}), ("int_is_null(NULL)", True),
        ("int_is_null([])", True),
        ("int_is_null('')", False), ("int_like('Ana Lima', 'Ana%')", True), ("int_like('Ana', 'ana')", False),
        ("int_ilike('Ana', '_NA')", True), ("int_like('a.c', 'a?c')", True),
        ("int_like('100%', '100\\\\%')", True),
        ("int_like('ab', 'a%ab')", False), ("int_like('', '%')", True), ("int_like('x' * 0, '')", None),
        ("int_contains('abc', 'b')", True), ("int_starts('abc', 'a')", True), ("int_ends('abc', 'a')", False),
        ("dot_trim(' a ')", "a"), ("dot_push([1], 2, 3)", [1, 2, 3]), ("dot_splice([1, 2, 3], 0, 1)", [2, 3]),
        ("dot_join(['a', 'b'], '-')", "a-b"), ("dot_toUpperCase('a')", "A"), ("dot_includes([1], '1')", True),
    ],
)  # fmt: skip
def test_what_expressions_give(text: str, value: Value) -> None:
    if value is None and "* 0" in text:
        with pytest.raises(ScriptError, match="number is needed"):
            run(text)
        return
    result = run(text)
    assert result == value
    assert type(result) is type(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("'2026-01-31' + 'P1M'", "2026-02-28"), ("'2026-01-31' - DAYS(1)", "2026-01-30"),
        ("'2026-01-31T10:00:00' + HOURS(20)", "2026-02-01T06:00:00"),
        ("'2026-01-31T10:00:00' + 90", "2026-01-31T10:01:30"),
        ("'2026-02-01' - '2026-01-31'", 86_400), ("'2026-01-31' + 86400", "2026-02-01"),
        ("DAYS(1) + '2026-01-31'", "2026-02-01"),
        ("DAYS(1) + HOURS(2)", "P1DT2H"), ("-DAYS(1)", "-P1D"),
        ("'2026-01-31' + ' is the day'", "2026-01-31 is the day"),
        ("'2026-01-31T10:00:00-03:00' - '2026-01-31T10:00:00Z'", 10_800),
        ("NOW() + MINUTES(5)", "2026-11-22T10:10:16-03:00"),
        ("NOW() > TODAY()", True), ("TODAY() == '22/11/2026'", True),
        ("NOW() + ''", "2026-11-22T10:05:16-03:00"),
    ],
)  # fmt: skip
def test_arithmetic_of_dates(text: str, value: Value) -> None:
    assert run(text) == value


def test_days_keep_the_wall_clock_and_hours_the_instant_across_daylight_saving() -> None:
    moment = a_moment("America/New_York")

    def go(text: str) -> Value:
        return evaluate(Expression(text, tree(text), 1, 1), lambda name: None, moment)

    assert go("'2026-10-31T12:00:00-04:00' + DAYS(1)") == "2026-11-01T12:00:00-05:00"
    assert go("'2026-10-31T12:00:00-04:00' + HOURS(24)") == "2026-11-01T11:00:00-05:00"
    assert go("'2026-03-07T02:30:00-05:00' + DAYS(1)") == "2026-03-08T03:30:00-04:00"
    assert go("'2026-10-31T12:00:00+02:00' + DAYS(1)") == "2026-11-01T12:00:00+02:00"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("1 / 0", "Division by zero"), ("1 % 0", "Division by zero"), ("1 // NULL", "Division by zero"),
        ("0 ** -1", "Division by zero"), ("'a' * 2", 'the text "a" is none'),
        ("[1] - 1", "a list of 1 is none"),
        ("(-8) ** 0.5", "no root"), ("[1] < 2", "no order"), ("5 .a", "no member"),
        ("lenn('a')", "Did you mean LEN"),
        ("LEFT('a')", "LEFT takes 2 arguments, not 1"), ("NOW(1)", "NOW takes no arguments, not 1"),
        ("MID('a', 'b')", 'MID expects a whole number as argument 2, not the text "b"'),
        ("dot_trim('a', 'b')", r"\.trim takes no arguments, not 1"),
        ("dot_join(5)", r"\.join expects a list as what stands before the dot, not the number 5"),
        ("YEAR('soon')", 'YEAR expects a date .* not the text "soon"'),
        ("DATEADD('2026-01-01', 1, 'fortnight')", "DATEADD .*second"),
        ("PARSEJSON('[1,')", "no JSON at line 1"),
        ("FORMAT('abc', '0.00')", "no date and no number"), ("FORMAT(1, 'abc')", "a number needs a pattern"),
        ("SUM(['a'])", 'SUM expects numbers, and the text "a" is none'),
        ("SORT([1], 'a', 'b')", "SORT takes"),
        ("IF(1)", "IF takes 2 to 3"), ("CBOOL('maybe')", "yes or no"), ("RANDOM(5, 1)", "not empty"),
    ],
)  # fmt: skip
def test_wrong_expressions_say_what_is_wrong(text: str, sentence: str) -> None:
    with pytest.raises(ScriptError, match=sentence):
        run(text)


def test_short_cuts_do_not_evaluate_the_rest() -> None:
    seen: list[str] = []

    def lookup(name: str) -> Value:
        seen.append(name)
        return {"t": 1, "f": 0, "n": None}.get(name)

    for text in ("t or x", "f and x", "int_coalesce(t, x)", "IIF(t, t, x)", "t if t else x"):
        evaluate(Expression(text, tree(text), 1, 1), lookup, a_moment())
    assert "x" not in seen


def test_an_evaluation_shares_and_never_changes_a_variable() -> None:
    rows: list[Value] = [{"a": 1}]
    assert run("rows", rows=rows) is rows
    assert run("dot_push(rows, 2)", rows=rows) == [{"a": 1}, 2]
    assert run("SORT(rows)", rows=rows) is not rows
    assert rows == [{"a": 1}]


def test_lots_are_drawn_from_the_moment() -> None:
    assert run("GUID() & RND() & RANDOM(1, 1000)") == run("GUID() & RND() & RANDOM(1, 1000)")
    assert all(1 <= n <= 6 for n in (run("RANDOM(6)"),) if isinstance(n, int))
    assert run("SESSION_ID()") == "session-1"


def test_the_stored_form_is_compact_and_stable() -> None:
    node = tree("IIF(x > 1 and not y, [1, 2.0, 'a'][0], a.b + f(NULL))")
    encoded = encode_node(node)
    assert encoded == [
        "f", "iif", ["and", [">", ["n", "x"], 1], ["not", ["n", "y"]]], ["[]", ["l", 1, 2.0, "a"], 0],
        ["+", ["[]", ["n", "a"], "b"], ["f", "f", None]],
    ]  # fmt: skip
    assert ast.dump(decode_node(encoded)) == ast.dump(node)


@pytest.mark.parametrize("wrong", [["n"], ["n", 1], ["?", 1], ["+", 1], [], [1], ["f", 1], {"a": 1}, ["and", 1]])
def test_an_unreadable_form_is_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match="unreadable"):
        decode_node(wrong)  # type: ignore[arg-type]


def test_expressions_are_equal_by_their_trees() -> None:
    assert Expression("1", ast.Constant(1), 1, 1) != Expression("1", ast.Constant(True), 1, 1)
    assert Expression("1", ast.Constant(1), 1, 1) != Expression("1", ast.Constant(1.0), 1, 1)
    assert Expression("a", name_node("a"), 1, 1) == Expression("a", name_node("a"), 1, 1)
    assert len({Expression("a", name_node("a"), 1, 1), Expression("a", name_node("a"), 1, 1)}) == 1


def test_names_and_functions() -> None:
    assert names_of(Expression("", tree("a + LEN(b) + c.d[e] + $t".replace("$t", "t1")), 1, 1)) == {
        "a",
        "b",
        "c",
        "e",
        "t1",
    }
    assert is_pure_function("Left") and is_pure_function("IIF") and is_pure_function(".trim")
    assert not is_pure_function("create") and not is_pure_function("find")


def test_a_foreign_node_is_refused() -> None:
    with pytest.raises(ScriptError, match="cannot hold Attribute"):
        run_node(ast.Attribute(ast.Constant("a"), "upper", ast.Load()))
    with pytest.raises(ScriptError, match="no function"):
        run_node(call_node("__import__", ast.Constant("os")))
    with pytest.raises(ScriptError):
        run_node(ast.BinOp(ast.Constant(1), ast.LShift(), ast.Constant(100)))
