"""Expressions: precedence, words, calls, and the sentences for what does not parse."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.expression_rules import RESERVED
from engine.grammar import BRACKETS_MAX, NODE_DEPTH_MAX, ExpressionParser, Syntax
from engine.source import Source, scan
from tests.scale import examples

PARSER = ExpressionParser()
LEAD = "x = "


def node_of(text: str) -> ast.expr:
    """Return the node of a right-hand side as the compiler would ask for it."""
    source = Source("t.bas", LEAD + text)
    line = scan(source).lines[0]
    return PARSER.parse_value(line.text[len(LEAD) :], line.start + len(LEAD), line.literals, source)


def shown(text: str) -> str:
    return ast.unparse(node_of(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("-2^2", "-2 ** 2"),
        ("2^3^-2", "2 ** 3 ** (-2)"),
        ("-a * -b", "-a * -b"),
        ("a + b * c - d", "a + b * c - d"),
        ("a - b - c", "a - b - c"),
        ("a MOD b * c", "a % (b * c)"),
        ("a + b MOD c", "a + b % c"),
        ("a \\ b % c", "a // b % c"),
        ("a & b + c", "a & b + c"),
        ("a ?? b & c = d", "$coalesce(a, b & c) == d"),
        ("a < b AND NOT c = d OR e", "a < b and (not c == d) or e"),
        ("a && b || !c", "a and b or not c"),
        ("a AND b AND c", "a and b and c"),
        ("a = b <> c", "(a == b) != c"),
        ("a == b", "a == b"),
        ("a != b", "a != b"),
        ("a <= b", "a <= b"),
        ("a >= b", "a >= b"),
        ("a = NOT b", "a == (not b)"),
        ("c ? a : d ? 1 : 2", "a if c else 1 if d else 2"),
        ("IF(c, a, b)", "a if c else b"),
        ("iif(c, a)", "a if c else None"),
        ("a IS NULL", "$is_null(a)"),
        ("a IS NOT NULL AND b", "not $is_null(a) and b"),
        ("a in [1, 2]", "a in [1, 2]"),
        ("a NOT IN (1, 2)", "a not in [1, 2]"),
        ("a IN (b)", "a in b"),
        ("a LIKE b", "$like(a, b)"),
        ("a NOT LIKE b", "not $like(a, b)"),
        ("a ILIKE b", "$ilike(a, b)"),
        ("a NOT ILIKE b", "not $ilike(a, b)"),
        ("a CONTAINS b", "$contains(a, b)"),
        ("a NOT CONTAINS b", "not $contains(a, b)"),
        ("a STARTS WITH b", "$starts(a, b)"),
        ("a ENDS WITH b", "$ends(a, b)"),
        ("a NOT STARTS WITH b", "not $starts(a, b)"),
        ("a NOT ENDS WITH b", "not $ends(a, b)"),
        ("a BETWEEN 1 AND 2 AND b", "(a >= 1 and a <= 2) and b"),
        ("a NOT BETWEEN 1 AND 2", "not (a >= 1 and a <= 2)"),
        ("(a OR b) AND c", "(a or b) and c"),
    ],
)
def test_operators(text: str, expected: str) -> None:
    assert shown(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", "1"),
        ("1.5", "1.5"),
        (".5", "0.5"),
        ("1e3", "1000.0"),
        ("TRUE", "True"),
        ("false", "False"),
        ("Null", "None"),
        ("[1, [2],]", "[1, [2]]"),
        ("[]", "[]"),
        ("{}", "$object()"),
        ('{ "a": 1, B: 2, or: 3, 4: 5, }', "$object('a', 1, 'B', 2, 'or', 3, '4', 5)"),
        ("#{ a: { b: c ? 1 : 2 } }", "$object('a', $object('b', 1 if c else 2))"),
        ("NEW OBJECT", "$object()"),
        ("new array()", "[]"),
        ('"a ${b} #{c.D}"', "$text('a ', b, ' #', c['D'])"),
        ('"${IF(x, "a", "${y}")}"', "$text('a' if x else $text(y))"),
        ('{ "k${a}": 1 }', "$object($text('k', a), 1)"),
        ("Name.Trim().Length", ".trim(name)['Length']"),
        ('a?.b["k"][0]', "a['b']['k'][0]"),
        ("a.order.not", "a['order']['not']"),
        ("LEFT$(Nome, 2)", "left(nome, 2)"),
        ("f(1, 2,)", "f(1, 2)"),
        ("f ()", "f()"),
        ("ERROR MESSAGE", "error"),
        ("error", "error"),
        ("Ação + e\u0301", "ação + é"),
    ],
)
def test_values(text: str, expected: str) -> None:
    assert shown(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('FORMAT NOW() AS "YYYYMMDD" + "-"', "format(now(), 'YYYYMMDD') + '-'"),
        ('"T" + FORMAT a + b AS "0" + "-"', "'T' + format(a + b, '0') + '-'"),
        ('FORMAT x, "p"', "format(x, 'p')"),
        ("FORMAT x AS JSON", "format(x, 'JSON')"),
        ('FORMAT (a + b) AS "0"', "format(a + b, '0')"),
        ("FORMAT x", "format(x)"),
        ('FORMAT(x, "p")', "format(x, 'p')"),
        ("MAX a, b + 1", "max(a, b + 1)"),
        ("MIN [1, 2]", "min([1, 2])"),
        ("FIRST rows", "first(rows)"),
        ('DATEADD d, 1, "day"', "dateadd(d, 1, 'day')"),
        ("DATEDIFF a, b", "datediff(a, b)"),
        ("max + min", "max + min"),
        ("first", "first"),
        ("format AND max", "format and max"),
        ("max - 1", "max - 1"),
    ],
)
def test_calls_without_brackets(text: str, expected: str) -> None:
    assert shown(text) == expected


WORDS = (
    *(
        "iffy",
        "orders",
        "order",
        "notx",
        "modem",
        "android",
        "inner",
        "liked",
        "isnull",
        "containsx",
        "starts",
    ),
    *(
        "ends",
        "with",
        "between",
        "trueish",
        "nullable",
        "case",
        "value",
        "from",
        "status",
        "type",
        "list",
        "in",
    ),
    *(
        "message",
        "format",
        "first",
        "last",
        "max",
        "min",
        "dateadd",
        "new",
        "object",
        "then",
        "to",
        "step",
        "as",
    ),
)


@pytest.mark.parametrize("word", WORDS)
def test_any_other_word_may_be_a_variable(word: str) -> None:
    assert shown(word.upper()) == word
    assert shown(f"({word} + {word}) AND {word}") == f"{word} + {word} and {word}"
    assert shown(f"{word}.{word}") == f"{word}['{word}']"


@pytest.mark.parametrize("word", [w for w in RESERVED if w not in ("TRUE", "FALSE", "NULL")])
def test_operators_are_no_variables(word: str) -> None:
    with pytest.raises(Syntax):
        node_of(f"{word} + 1" if word != "NOT" else "NOT")


def test_every_node_has_the_place_of_its_first_character() -> None:
    source = Source("t.bas", 'TALK 1\r\nx = alpha + _\n  "a ${beta.g}"')
    line = scan(source).lines[1]
    node = PARSER.parse(line.text[4:], line.start + 4, line.literals, source)
    places = {
        ast.unparse(n): (n.lineno, n.col_offset)
        for n in ast.walk(node)
        if isinstance(n, ast.Name | ast.Subscript | ast.BinOp)
    }
    assert places["alpha"] == (2, 5)
    assert places["beta"] == (3, 8)
    assert places["beta['g']"] == (3, 8)
    assert next(place for text, place in places.items() if "+" in text) == (2, 5)
    assert all(n.lineno and n.col_offset for n in ast.walk(node) if isinstance(n, ast.expr))


def test_a_literal_alone_is_a_node() -> None:
    source = Source("t.bas", "BEGIN TALK\nHi ${name}!\nplain\nEND TALK")
    block = scan(source).lines[0].block
    assert block
    assert [ast.unparse(PARSER.text(line, source)) for line in block.lines] == [
        "$text('Hi ', name, '!')",
        "'plain'",
    ]


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("1 +", 4, 'a value is expected after "+"'),
        ("1 + * 2", 5, 'a value is expected after "+", not "*"'),
        ("1 + AND 2", 5, 'a value is expected after "+", not "AND"'),
        ("a <>", 5, 'a value is expected after "<>"'),
        ("a b", 3, '"b" cannot follow "a": an operator or a comma is missing between them'),
        ('a "x"', 3, 'the text cannot follow "a": an operator or a comma is missing between them'),
        ("a )", 3, '")" cannot stand after "a"'),
        ("a.", 3, 'a name is expected after "."'),
        ("{a 1}", 4, '":" is expected after "a", not "1"'),
        ("{,}", 2, 'a key is expected after "{", not ","'),
        ("c ? a", 6, '":" is missing here'),
        ("f(a b)", 5, '"," or ")" is expected after "a", not "b"'),
        ("12abc", 1, 'a value is expected here, not "12abc"'),
        ("@x", 1, 'a value is expected here, not "@"'),
        ('"ab ${c +} d"', 10, 'a value is expected after "+"'),
        ("f(1)(2)", 1, "only a function or a method can be called"),
        ("1e999", 1, 'the number "1e999" is too big'),
        ("IF(a)", 1, "IF takes a condition and two values"),
        ("f(a) BETWEEN 1 AND 2", 1, "BETWEEN takes no call before it"),
        (
            "(" * (BRACKETS_MAX + 1) + "1" + ")" * (BRACKETS_MAX + 1),
            51,
            "brackets stand more than 50 deep here",
        ),
        ("a" + "+a" * NODE_DEPTH_MAX, 1, "this expression has more than 100 operators inside each other"),
        ("a+" * 5_000 + "a", 1, "this is longer than 10,000 characters"),
    ],
)
def test_what_does_not_parse_says_where_and_why(text: str, column: int, message: str) -> None:
    with pytest.raises(Syntax) as caught:
        node_of(text)
    assert (caught.value.offset - len(LEAD) + 1, caught.value.message) == (column, message)


PIECES = (
    *(
        "a",
        "b.c",
        "f(",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "#{",
        ",",
        ":",
        "?",
        "??",
        "?.",
        ".",
        "+",
        "-",
        "*",
        "/",
    ),
    *(
        "\\",
        "^",
        "&",
        "=",
        "<>",
        "<",
        ">=",
        "!",
        "&&",
        "||",
        "%",
        "1",
        ".5",
        "1e3",
        "AND",
        "OR",
        "NOT",
        "MOD",
    ),
    *(
        "IN",
        "LIKE",
        "IS",
        "NULL",
        "STARTS",
        "ENDS",
        "WITH",
        "CONTAINS",
        "BETWEEN",
        "TRUE",
        "IF(",
        "FORMAT",
        "AS",
    ),
    *(
        "MAX",
        "NEW",
        "OBJECT",
        "ERROR",
        "MESSAGE",
        '"t"',
        '"${a}"',
        '"${a +}"',
        "'q'",
        "'",
        "é",
        "@",
        ";",
        "_",
        '"',
    ),
)
TEXTS = st.one_of(st.text(max_size=60), st.lists(st.sampled_from(PIECES), max_size=40).map(" ".join))


@settings(max_examples=examples(150), deadline=None, derandomize=True)
@given(TEXTS)
def test_any_text_parses_or_is_a_syntax_error(text: str) -> None:
    source = Source("t.bas", "x = " + text)
    for line in scan(source).lines:
        try:
            node = PARSER.parse_value(line.text, line.start, line.literals, source)
        except Syntax as error:
            assert error.message and 0 <= error.offset <= len(source.text)
        else:
            assert all(n.lineno >= 1 and n.col_offset >= 1 for n in ast.walk(node) if isinstance(n, ast.expr))
