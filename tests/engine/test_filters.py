"""Conditions: what a text says is what the tree says, whatever is written and whoever is asked."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.codec import decode_plan, encode_plan
from engine.compiler import compile_script
from engine.effects import Query
from engine.errors import CompileError, ScriptError
from engine.filter_text import parse_text
from engine.filters import COLUMN_FUNCTIONS
from engine.rows import holds
from engine.values import Value
from tests.engine.player import Player, play

# ── the property: a printed tree is read back ──

WORDS = {*COLUMN_FUNCTIONS, "and", "or", "not", "is", "in", "like", "ilike", "between", "contains", "starts", "ends"}
WORDS |= {"where", "order", "limit", "null", "true", "false", "now", "today"}
names = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True).filter(lambda n: n not in WORDS)
columns = st.builds(lambda n: ("column", n), names)
texts = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Co"], exclude_characters="\\"), max_size=12
)
values = st.one_of(
    st.integers(-(10**9), 10**9).map(lambda n: ("value", n)),
    texts.map(lambda t: ("value", t)),
    st.sampled_from([("value", True), ("value", False), ("value", None)]),
    names.map(lambda n: ("name", n)),
)
lefts = st.one_of(columns, st.builds(lambda f, c: ("call", f, c), st.sampled_from(["lower", "upper", "date"]), columns))
comparisons = st.one_of(
    st.tuples(st.sampled_from(["=", "<>", "<", "<=", ">", ">=", "like", "ilike", "contains"]), lefts, values),
    st.tuples(st.sampled_from(["starts", "ends"]), lefts, values),
    st.builds(lambda c: ("null", c), lefts),
    st.builds(lambda c: ("true", c), columns),
    st.builds(lambda c, items: ("in", c, *items), lefts, st.lists(values, min_size=1, max_size=4)),
)
trees = st.recursive(
    comparisons,
    lambda inner: st.one_of(
        inner.map(lambda t: ("not", t)),
        st.builds(lambda k, ts: (k, *ts), st.sampled_from(["and", "or"]), st.lists(inner, min_size=2, max_size=3)),
    ),
    max_leaves=8,
)
SIGNS = {"starts": "STARTS WITH", "ends": "ENDS WITH"}


def printed(tree: Any) -> str:
    """Return a tree as an author writes it, every part in brackets."""
    match tree:
        case (("and" | "or") as kind, *parts):
            return f" {kind.upper()} ".join(f"({printed(p)})" for p in parts)
        case ("not", part):
            return f"NOT ({printed(part)})"
        case ("null", operand):
            return f"{operand_text(operand)} IS NULL"
        case ("true", operand):
            return operand_text(operand)
        case ("in", left, *items):
            return f"{operand_text(left)} IN ({', '.join(map(operand_text, items))})"
        case (kind, left, right):
            return f"{operand_text(left)} {SIGNS.get(kind, kind.upper())} {operand_text(right)}"
    raise AssertionError(tree)


def operand_text(operand: Any) -> str:
    match operand:
        case ("column" | "name", name):
            return str(name)
        case ("call", name, inner):
            return f"{name.upper()}({operand_text(inner)})"
        case ("value", str(text)):
            return "'" + text.replace("'", "''") + "'"
        case ("value", None):
            return "NULL"
        case ("value", value):
            return str(value)
    raise AssertionError(operand)


@given(trees, st.lists(st.tuples(names, st.booleans()), max_size=2, unique_by=lambda k: k[0]), st.integers(0, 99))
def test_a_printed_condition_is_read_back(tree: Any, order: list[tuple[str, bool]], limit: int) -> None:
    keys = ", ".join(f"{name}{' DESC' if descending else ''}" for name, descending in order)
    text = printed(tree) + (f" ORDER BY {keys}" if keys else "") + f" LIMIT {limit}"
    found = parse_text(text)
    assert (found.tree, found.order, found.limit) == (tree, tuple(order), ("value", limit))


@given(st.text(max_size=60))
def test_any_text_is_a_condition_or_a_sentence(text: str) -> None:
    try:
        parse_text(text)
    except ScriptError as error:
        assert error.message


@pytest.mark.parametrize(
    "text",
    [
        "' OR '1'='1",
        "name = 'x' OR '1' = '1'",
        "name = 'x' OR 1 = 1",
        "id = 1; drop table people",
        "id = 1 UNION SELECT 1",
        "(" * 200 + "a = 1" + ")" * 200,
        "a = 'never closed",
        "pg_sleep(5) = 1",
    ],
)
def test_hostile_texts(text: str) -> None:
    try:
        found = parse_text(text)
    except ScriptError:
        return
    # What is left is the value of a comparison, never an operator of its own.
    assert found.tree is not None and found.tree[0] == "=" and found.tree[2][0] == "value"


def test_long_texts_take_no_time() -> None:
    for text in (
        "a = " + " " * 19_000,
        "a = x" + " " * 19_000 + "y",
        "a=1 and " * 2_000,
        "'" * 19_000,
        "a in (" * 3_000,
    ):
        try:
            parse_text(text)
        except ScriptError as error:
            assert len(error.message) < 400


# ── what a script asks ──


def asked(source: str, name: str = "find") -> dict[str, Any]:
    """Return what the last data statement of a script asks for."""
    found: list[Query] = []

    def answer(query: Query) -> Value:
        found.append(query)
        return []

    plan = compile_script("a.bas", {"a.bas": source})
    again = decode_plan(encode_plan(plan))
    assert again == plan
    verbs = ("find", "save", "insert", "update", "delete", "merge", "table", "aggregate")
    player = Player(again, queries={f"data:{verb}": answer for verb in verbs})
    player.run()
    assert found and found[-1].name == f"data:{name}", player.transcript
    spec = found[-1].arguments[0]
    assert isinstance(spec, dict)
    return spec


COLUMN, EMAIL = ["column", "email"], "x' OR email LIKE '%"


@pytest.mark.parametrize(
    "statement",
    [
        "f = FIND people WHERE email = mail",
        'f = FIND people, "email = \'" + mail + "\'"',
        'f = FIND "people", "email=\'${mail}\'"',
        'f = FIND people, "email = ${mail}"',
        'f = FIND people, "email = mail"',
        'f = FIND people, "email", mail',
        "f = FIND people, {email: mail}",
    ],
)
def test_what_is_put_into_a_condition_stays_a_value(statement: str) -> None:
    spec = asked(f'mail = "{EMAIL}"\n{statement}')
    assert spec == {"table": "people", "where": ["=", COLUMN, ["value", EMAIL]], "order": [], "limit": None}


def test_a_name_is_a_column_left_a_variable_right_else_a_column_or_a_text() -> None:
    spec = asked("age = 5\nf = FIND t WHERE age > age AND status = open AND price < 2026-01-31")
    left = [["column", "age"], ["value", 5]]
    assert spec["where"] == [
        "and",
        [">", *left],
        ["=", ["column", "status"], ["name", "open"]],
        ["<", ["column", "price"], ["value", "2026-01-31"]],
    ]


@pytest.mark.parametrize(
    ("written", "where"),
    [
        ("WHERE LOWER(name) LIKE 'a%'", ["like", ["call", "lower", ["column", "name"]], ["value", "a%"]]),
        ("WHERE id IN ids", ["in", ["column", "id"], ["value", 1], ["value", 2]]),
        (', "id IN (${ids})"', ["in", ["column", "id"], ["value", 1], ["value", 2]]),
        ("WHERE id NOT IN (1, 2)", ["not", ["in", ["column", "id"], ["value", 1], ["value", 2]]]),
        ("WHERE x IS NOT NULL", ["not", ["null", ["column", "x"]]]),
        ("WHERE price * amount > 2 + 3", [">", ["arith", "*", ["column", "price"], ["column", "amount"]], ["value", 5]]),
        ("WHERE a BETWEEN 1 AND 2", ["and", [">=", ["column", "a"], ["value", 1]], ["<=", ["column", "a"], ["value", 2]]]),
        (", 7", ["=", ["column", "id"], ["value", 7]]),
        (', "abc-1"', ["=", ["column", "id"], ["value", "abc-1"]]),
        (', ""', None),
        ("", None),
    ],
)  # fmt: skip
def test_conditions_of_statements(written: str, where: Any) -> None:
    assert asked(f"ids = [1, 2]\nf = FIND t {written}".replace(" ,", ","))["where"] == where


def test_order_limit_and_first() -> None:
    spec = asked("n = 3\nf = FIND t WHERE a = 1 ORDER BY b DESC, c LIMIT n * 2")
    assert (spec["order"], spec["limit"]) == ([["b", True], ["c", False]], 6)
    assert asked('f = FIND FIRST t, "a = 1 ORDER BY b"')["order"] == [["b", False]]


@pytest.mark.parametrize(
    ("statement", "verb", "part"),
    [
        ("name = \"Ada\"\nage = 36\nSAVE t, name, age", "save", {"rows": [{"name": "Ada", "age": 36}], "one": True}),
        ("SAVE t, 1, NULL, \"x\"", "save", {"positional": [[1, None, "x"]], "one": True}),
        ("SAVE t WITH a AS 1, b = 2", "save", {"rows": [{"a": 1, "b": 2}], "one": True}),
        ('SAVE t, 9, {"Name": "Ada"}', "save", {"rows": [{"id": 9, "name": "Ada"}], "one": True}),
        ('SAVE t, [{"a": 1}, {"a": 2}]', "save", {"rows": [{"a": 1}, {"a": 2}], "one": False}),
        ("INSERT INTO t (a, b) VALUES (1, 2), (3, 4)", "insert", {"rows": [{"a": 1, "b": 2}, {"a": 3, "b": 4}]}),
        ("INSERT INTO t VALUES (1, 2)", "insert", {"positional": [[1, 2]]}),
        ("UPDATE t\nSET a = 1,\n b = b + 1\nWHERE id = 5", "update",
         {"set": {"a": ["value", 1], "b": ["arith", "+", ["name", "b"], ["value", 1]]}}),
        ('UPDATE t, "id = 5", {"A": 1}', "update", {"set": {"a": ["value", 1]}}),
        ('a = 1\nb = 2\nUPDATE t, "id = 5", a, b', "update", {"set": {"a": ["value", 1], "b": ["value", 2]}}),
        ('UPDATE t, 5, "a", 1', "update", {"set": {"a": ["value", 1]}, "where": ["=", ["column", "id"], ["value", 5]]}),
        ("UPDATE t WITH a AS 1 WHERE id = 5", "update", {"where": ["=", ["column", "id"], ["value", 5]]}),
        ("DELETE FROM t WHERE a = 1", "delete", {"where": ["=", ["column", "a"], ["value", 1]]}),
        ("DELETE t", "delete", {"where": None}),
        ('rows = [{"k": 1}]\nMERGE t WITH rows BY k', "merge", {"rows": [{"k": 1}], "by": ["k"]}),
        ('x = AGGREGATE "t", "SUM", "n", "a = 1"', "aggregate", {"function": "SUM", "field": "n"}),
    ],
)  # fmt: skip
def test_forms_of_writing(statement: str, verb: str, part: dict[str, Any]) -> None:
    spec = asked(statement, verb)
    assert {key: spec[key] for key in part} == part and spec["table"] == "t"


def test_a_condition_that_turns_out_empty_changes_nothing() -> None:
    assert "says nothing of which rows" in play('which = ""\nDELETE t, which')[0]
    assert "says nothing of which rows" in play("UPDATE t, which, {a: 1}")[0]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ('x = FIND t, "a = "', "a value is expected"),
        ("SAVE t", "needs what is to be saved"),
        ("UPDATE t WHERE a = 1", "needs what is to change"),
        ("x = PIVOT l, a", "three fields"),
        ("TABLE t\n a string\n", 'has no "END TABLE"'),
        ("TABLE t\n a strng\nEND TABLE", "no type of a column"),
        ("TABLE t\n a string SOMETHING\nEND TABLE", "cannot stand behind the type"),
        ("INSERT INTO t (a) VALUES (1, 2)", "1 columns are named and 2 values given"),
    ],
)  # fmt: skip
def test_mistakes_are_told_when_it_is_compiled(source: str, said: str) -> None:
    with pytest.raises(CompileError) as caught:
        compile_script("a.bas", {"a.bas": source})
    assert said in str(caught.value)


def test_names_of_tables_and_columns_raise_no_warning() -> None:
    source = (
        "x = FIND people WHERE age > 1 ORDER BY name\nMERGE t WITH x BY code\nSORT x BY age\n"
        "y = SELECT name, SUM(age) AS s FROM x GROUP BY name\nz = AGGREGATE people, COUNT, age"
    )
    assert not compile_script("a.bas", {"a.bas": source}).warnings


def test_words_of_data_keywords_are_variables_too() -> None:
    source = 'map = []\nmap.push(3)\nfilter = "a"\nfilter = filter + "b"\nx = map[0]\ntable = 1\nTALK x, filter, table'
    assert play(source) == ["bot: 3 ab 1"]


@given(
    st.lists(st.fixed_dictionaries({"n": st.integers(0, 5), "t": st.sampled_from(["a", "B", "", None])}), max_size=6)
)
def test_a_list_is_filtered_as_its_rows_say(rows: list[dict[str, Value]]) -> None:
    tree = ["or", [">", ["column", "n"], ["value", 3]], ["not", ["=", ["column", "t"], ["value", ""]]]]
    for row in rows:
        n = row["n"]
        assert isinstance(n, int)
        assert holds(row, tree) == (n > 3 or row["t"] not in ("", None))


@pytest.mark.parametrize("line", ['MAP l, "a"', 'FILL "report.xlsx", l', "SELECT a FROM l", 'AGGREGATE "SUM", l, "a"'])
def test_a_result_that_goes_nowhere_is_a_warning(line: str) -> None:
    plan = compile_script("a.bas", {"a.bas": f"l = []\n{line}\n"})
    assert ["the result goes nowhere" in p.message for p in plan.warnings] == [True]
