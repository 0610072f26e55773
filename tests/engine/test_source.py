"""Logical lines: what continues, what is a comment, what is a string, and where each stands in the file."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.literals import FAILURES_PER_LINE_MAX
from engine.source import MASK, Interpolation, Literal, LogicalLine, Scan, Source, scan
from tests.scale import examples


def lines_of(text: str) -> list[str]:
    """Return the statements with their masks shown as dots."""
    found = scan(Source("t.bas", text))
    assert not found.problems, found.problems
    return [" ".join(line.text.replace(MASK, ".").split()) for line in found.lines]


def parts_of(text: str) -> tuple[str | Interpolation, ...]:
    """Return the parts of the only literal of a text."""
    found = scan(Source("t.bas", text))
    assert not found.problems, found.problems
    (literal,) = found.lines[0].literals.values()
    return literal.parts


def spelled(text: str) -> list[str]:
    """Return the parts of the only literal, each expression in «»."""
    return [part if isinstance(part, str) else f"«{part.text.replace(MASK, '.')}»" for part in parts_of(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("TALK 1 ' rest\nTALK 2", ["TALK 1", "TALK 2"]),
        ("REM a\nrem b\nREM\nREMEMBER k, v\nremark = 1", ["REMEMBER k, v", "remark = 1"]),
        ("// a\nx = 1 // b", ["x = 1"]),
        ("x = 1\n# a\n#\n## b\ny = 2", ["x = 1", "y = 2"]),
        ("x = user's", ["x = user"]),
        ("NEXT ' it's the user's", ["NEXT"]),
        ("IF a THEN ' the user's 'own' one\nEND IF", ["IF a THEN", "END IF"]),
        ("TALK ' nothing to say", ["TALK"]),
        ("x = GET https://example.com/a", ["x = GET https://example.com/a"]),
        ("DESCRIPTION It's the user's (own\nx = 1", ["DESCRIPTION It's the user's (own", "x = 1"]),
        ("description = 'a'", ['description = "."']),
    ],
)
def test_comments(text: str, expected: list[str]) -> None:
    assert lines_of(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "x = 'a'",
        "TALK 'a'",
        "TALK x + 'a'",
        "f('a', 'b')",
        "IF x = 'a' THEN",
        "USE KB 'manuals'",
        "RETURN 'a' ' and a comment",
        "x = [\n 'a',\n 'b'\n]",
        "CASE 'a', 'b'",
        "TALK ‘a’",
        "TALK “a”",
        "TALK ”a“",
        'TALK “a"',
    ],
)
def test_single_and_curly_quotes_open_a_string_where_an_operand_is_due(text: str) -> None:
    found = scan(Source("t.bas", text))
    assert not found.problems
    values = [literal.parts for line in found.lines for literal in line.literals.values()]
    assert values[0] in (("a",), ("manuals",))
    assert values[1:] in ([], [("b",)])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x = f(1,\n  2)\ny = 1", ["x = f(1, 2)", "y = 1"]),
        ("x = [\n1,\n\n' note\n# note\nREM note\n2\n]\ny = 1", ["x = [ 1, 2 ]", "y = 1"]),
        ("TALK a,\n\n  ' note\n  b\nTALK c", ["TALK a, b", "TALK c"]),
        ("x = a +\n b AND\n c OR\n d &\n e", ["x = a + b AND c OR d & e"]),
        ("x = a _\n + b", ["x = a + b"]),
        ("x = foo_\ny = 1", ["x = foo_", "y = 1"]),
        ("IF a\nAND b\nOR c THEN", ["IF a AND b OR c THEN"]),
        (
            'FIND "t"\nWHERE a = 1\nORDER BY b\nLIMIT 5\nTALK x',
            ['FIND "." WHERE a = 1 ORDER BY b LIMIT 5', "TALK x"],
        ),
        (
            "UPDATE t\nSET a = 1,\n b = 2\nWHERE c = 3\nSET d = 1",
            ["UPDATE t SET a = 1, b = 2 WHERE c = 3", "SET d = 1"],
        ),
        ("x = SELECT *\nFROM t\nWHERE a = 1", ["x = SELECT * FROM t WHERE a = 1"]),
        ("INSERT INTO t\nVALUES 1, 2", ["INSERT INTO t VALUES 1, 2"]),
        ("FIND t WHERE\n a = 1", ["FIND t WHERE a = 1"]),
        ("SAVE t WITH\n a AS 1", ["SAVE t WITH a AS 1"]),
        ('x = FIND "t"\nSET y = 1\nfrom = 2', ['x = FIND "."', "SET y = 1", "from = 2"]),
        ("FIND t\nWITH obj\n.a = 1", ["FIND t", "WITH obj", ".a = 1"]),
        ("SELECT CASE x\nFROM = 1", ["SELECT CASE x", "FROM = 1"]),
        ("TALK to + from\nTALK b", ["TALK to + from", "TALK b"]),
        ("SET SCHEDULE 0 9 * * *\nTALK a", ["SET SCHEDULE 0 9 * * *", "TALK a"]),
        ('HEAR x AS "a", *\nTALK a', ['HEAR x AS ".", *', "TALK a"]),
        ("a = 1\r\nb = 2\rc = 3\n", ["a = 1", "b = 2", "c = 3"]),
        ("o = {\n a: 1,\n b: { c: 2 }\n}\nx = 1", ["o = { a: 1, b: { c: 2 } }", "x = 1"]),
        ("o = #{\n a: 1 }", ["o = #{ a: 1 }"]),
        ("", []),
        ("' only\n\n", []),
    ],
)
def test_a_line_goes_on(text: str, expected: list[str]) -> None:
    assert lines_of(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('x = "a ""b"" c"', ['a "b" c']),
        ('x = """"', ['"']),
        ('x = ""', []),
        (r'x = "a\"b\n\t\\n\d"', ['a"b\n\t\\n\\d']),
        ('x = "one\r\n two\nthree"', ["one\n two\nthree"]),
        ('x = "it’s “so”"', ["it’s “so”"]),
        ('x = "https://a.b // c ' + "' d REM # e" + '"', ["https://a.b // c ' d REM # e"]),
        ('x = "Hi ${name}, #{n}."', ["Hi ", "«name»", ", #", "«n»", "."]),
        ('x = "Hi ${IF(x, "a", "b}")}!"', ["Hi ", '«IF(x, ".", "..")»', "!"]),
        (r'x = "${IF(x, \"a\", \"\")}"', ['«IF(x, "...", "..")»']),
        ('x = "${IF(x, ""a"", """")}"', ['«IF(x, "...", "..")»']),
        ("x = \"${IF(x, 'a', 'b')}\"", ['«IF(x, ".", ".")»']),
        ("x = '${a[\"k\"]}'", ['«a["."]»']),
        ('x = "${o({a: [1, {b: 2}]})}"', ["«o({a: [1, {b: 2}]})»"]),
        ('x = "${a & "${b & "${c}"}"}"', ['«a & "' + "." * 13 + '"»']),
        ('x = "${{x}} $#,##0 {x} {{y}} ${} ${ $ #"', ["${{x}} $#,##0 {x} {{y}} ${} ${ $ #"]),
        ('x = "a ${ is open" + "b}"', ["a ${ is open"]),
        (r'x = "\${a} \#{b}"', ["${a} #{b}"]),
    ],
)
def test_strings(text: str, expected: list[str]) -> None:
    found = scan(Source("t.bas", text))
    assert not found.problems
    literal = next(iter(found.lines[0].literals.values()))
    assert [p if isinstance(p, str) else f"«{p.text.replace(MASK, '.')}»" for p in literal.parts] == expected


def test_nested_literals_stand_where_the_file_has_them() -> None:
    text = 'TALK "é ${IF(x, "yes", "no")}"'
    (part,) = [p for p in parts_of(text) if isinstance(p, Interpolation)]
    assert text[part.start : part.start + 4] == "IF(x"
    assert [text[at : literal.end] for at, literal in part.literals.items()] == ['"yes"', '"no"']
    assert part.text[6:11] == '"' + MASK * 3 + '"'


def test_pragmas_stand_at_the_top() -> None:
    found = scan(Source("t.bas", "\ufeff' note\n\n#Workflow\nREM x\n#rhai\nTALK 1\n#direct\n"))
    assert found.pragmas == {"workflow": 3, "direct": 5}
    assert [(p.line, p.severity) for p in found.problems] == [(7, "warning")]
    near = scan(Source("t.bas", "#worflow\n#anything else\n#note\n"))
    assert not near.pragmas
    assert [(p.line, p.hint) for p in near.problems] == [(1, 'did you mean "#workflow"?')]


def test_verbatim_blocks() -> None:
    text = "BEGIN TALK\n  Don't (say\n\n${a} \\n \\${b}\nEND TALK ' done\nBEGIN MAIL to\nx\nend mail\nTALK 1"
    found = scan(Source("t.bas", text))
    assert not found.problems
    talk, mail, last = found.lines
    assert talk.block and mail.block
    assert [line.parts[:1] for line in talk.block.lines[:2]] == [("  Don't (say",), ()]
    interpolation, rest = talk.block.lines[2].parts
    assert isinstance(interpolation, Interpolation) and interpolation.text == "a"
    assert rest == " \\n ${b}"
    assert text[talk.block.lines[2].start :].startswith("${a}")
    assert mail.text == "BEGIN MAIL to" and mail.block.lines[0].parts == ("x",)
    assert last.text == "TALK 1"
    prompt = scan(Source("t.bas", "BEGIN SYSTEM PROMPT\nbe kind\nEND SYSTEM PROMPT"))
    assert not prompt.problems and len(prompt.lines) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("IF a > 1 {\nTALK 1\n} ELSE {\nTALK 2\n}", ["IF a > 1{", "TALK 1", "}", "ELSE{", "TALK 2", "}"]),
        ("FOR EACH x IN [1, 2] { TALK x }\nTALK 3", ["FOR EACH x IN [1, 2]{", "TALK x", "}", "TALK 3"]),
        ("IF a = {} {\n}", ["IF a = {}{", "}"]),
        ("WHILE f(a)\n{\nx = { a: 1 }\n}", ["WHILE f(a){", "x = { a: 1 }", "}"]),
        ("IF a THEN x = { b: 1 }", ["IF a THEN x = { b: 1 }"]),
        ("FOR EACH x IN {\n a: 1 }", ["FOR EACH x IN { a: 1 }"]),
    ],
)
def test_brace_blocks(text: str, expected: list[str]) -> None:
    found = scan(Source("t.bas", text))
    assert not found.problems
    assert [" ".join(line.text.split()) + "{" * line.opens_brace for line in found.lines] == expected


@pytest.mark.parametrize(
    ("text", "problems", "good"),
    [
        ('TALK "a\nTALK "b"\nTALK "c"', [(1, 6)], ['TALK "."', 'TALK "."']),
        ('TALK "a\nTALK b', [(1, 6)], ["TALK b"]),
        ('x = "a\ny = "b"', [(1, 5)], ['y = "."']),
        ("x = (1 +\nTALK 2\ny = [1\nTALK 3", [(1, 5), (3, 5)], ["TALK 2", "TALK 3"]),
        ("x = f(1, [2)\ny = 1", [(1, 12)], ["y = 1"]),
        ("x = (1\ny = 2\nz = 3", [(1, 5)], ["y = 2", "z = 3"]),
        ("BEGIN TALK\nx = 1", [(1, 1)], ["x = 1"]),
        ("x = 1\0\ny = 2", [(1, 6)], ["x = 1", "y = 2"]),
    ],
)
def test_every_error_is_found_and_the_rest_is_read(text: str, problems: list[tuple[int, int]], good: list[str]) -> None:
    found = scan(Source("t.bas", text))
    assert [(p.line, p.column) for p in found.problems] == problems
    assert [line.text.replace(MASK, ".") for line in found.lines if not line.broken] == good


def test_places() -> None:
    source = Source("t.bas", "\ufeffab\r\nc\rd\n")
    assert source.text == "ab\r\nc\rd\n"
    assert [source.place(at) for at in (0, 2, 4, 6, 8, 99)] == [
        (1, 1),
        (1, 3),
        (2, 1),
        (3, 1),
        (4, 1),
        (4, 1),
    ]
    assert [source.line_text(n) for n in (0, 1, 2, 3, 4, 5)] == ["", "ab", "c", "d", "", ""]


PIECES = (
    *(
        '"',
        "'",
        "“",
        "”",
        "‘",
        "\\",
        '\\"',
        '""',
        "${",
        "#{",
        "${{",
        "}",
        "{",
        "(",
        ")",
        "[",
        "]",
        ",",
        "\n",
        "\r\n",
    ),
    *(
        "\r",
        " ",
        "\t",
        "_",
        "+",
        "*",
        "=",
        "//",
        "#",
        "x",
        "a b",
        "1",
        "TALK ",
        "IF ",
        "FIND t",
        "\nWHERE ",
        "REM ",
    ),
    *(
        "BEGIN TALK\n",
        "\nEND TALK\n",
        "#workflow\n",
        "é",
        "\0",
        "\ue000",
        "\ud800",
        "\ufeff",
        "\u2028",
        "e\u0301",
    ),
    *("DESCRIPTION it's (", "SELECT CASE ", "THEN ", "AND "),
)
TEXTS = st.one_of(st.text(max_size=80), st.lists(st.sampled_from(PIECES), max_size=60).map("".join))


def check_offsets(source: Source, text: str, start: int, literals: dict[int, Literal]) -> None:
    """Assert that every character that is not masked or blanked is the file's own at its offset."""
    at = 0
    while at < len(text):
        literal = literals.get(start + at)
        if literal:
            assert text[at : literal.end - start] == '"' + MASK * (literal.end - start - at - 2) + '"'
            at = literal.end - start
            for part in literal.parts:
                if isinstance(part, Interpolation):
                    check_offsets(source, part.text, part.start, dict(part.literals))
            continue
        assert text[at] in (source.text[start + at], " "), (text, at)
        at += 1


def check(found: Scan, source: Source) -> None:
    """Assert what holds of every scan."""
    end = 0
    for line in found.lines:
        assert isinstance(line, LogicalLine)
        assert line.start >= end and line.text == line.text.strip(" ")
        end = line.block.end if line.block else line.start + len(line.text)
        if not line.broken:
            check_offsets(source, line.text, line.start, dict(line.literals))
    for problem in found.problems:
        assert problem.render()


@settings(max_examples=examples(150), deadline=None, derandomize=True)
@given(TEXTS)
@example('TALK "')
@example("'")
@example("x = (_")
def test_any_text_scans_and_its_offsets_are_those_of_the_file(text: str) -> None:
    source = Source("t.bas", text)
    check(scan(source), source)


@pytest.mark.parametrize(
    "text",
    [
        'x = "' + '${"' * 8_000 + '}"\n',
        'x = "' + "${" * 12_000 + '}"\n',
        "BEGIN TALK\n" * 5_000,
        "x = (1\n" * 5_000,
        'x = f("a\n' * 5_000,
        "(" * 40_000,
        "a,\n" * 20_000,
    ],
    ids=["quotes in ${", "${", "blocks", "brackets", "strings", "deep", "commas"],
)
@pytest.mark.timeout(20)
def test_reading_a_hostile_text_takes_linear_time(text: str) -> None:
    source = Source("t.bas", text)
    check(scan(source), source)


def test_a_line_with_too_many_lost_interpolations_is_text() -> None:
    lost = "${" * FAILURES_PER_LINE_MAX
    assert spelled(f'x = "{lost} ${{a}}\n${{b}}"') == [f"{lost} ${{a}}\n", "«b»"]
