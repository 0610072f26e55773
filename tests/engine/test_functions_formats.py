"""FORMAT by its patterns, and the spellings of dates and durations that the functions read."""

from __future__ import annotations

import pytest

from engine.dates import parse_date
from engine.durations import parse_duration, unit_named
from engine.errors import ScriptError
from engine.values import Value
from tests.engine.trees import run

_WHEN = "2026-03-05T18:07:09.250"


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("yyyy-MM-dd HH:mm", "2026-03-05 18:07"), ("YYYY-MM-DD", "2026-03-05"), ("dd/mm/yyyy", "05/03/2026"),
        ("yyyyMMddHHmmss", "20260305180709"), ("YYYYMMDD", "20260305"), ("HH:MM", "18:07"),
        ("mm:ss", "07:09"),
        ("MM/yyyy HH:mm", "03/2026 18:07"), ("d/m/yy h:m", "5/3/26 18:7"), ("hh:mm AM/PM", "06:07 PM"),
        ("h:mm tt", "6:07 PM"), ("dddd, dd MMMM yyyy", "Thursday, 05 March 2026"), ("ddd d mmm", "Thu 5 Mar"),
        ("dddd[pt]", "quinta-feira"), ("dd 'de' MMMM 'de' yyyy[pt-BR]", "05 de março de 2026"),
        ("dd de MMMM de yyyy[pt]", "05 de março de 2026"), ("yyyy-MM-ddTHH:mm:ss", "2026-03-05T18:07:09"),
        ("ss.fff", "09.250"), ("HH'h'mm", "18h07"), ("MM", "03"), ("mm", "03"), ("HHmm", "1807"),
        ("dd.MM. HH", "05.03. 18"),
    ],
)  # fmt: skip
def test_date_patterns(pattern: str, text: str) -> None:
    assert run("FORMAT(d, p)", d=_WHEN, p=pattern) == text


@pytest.mark.parametrize(
    ("number", "pattern", "text"),
    [
        (7, "0000", "0007"), (-7, "0000", "-0007"), (1234.5, "#,##0.00", "1,234.50"),
        (0.5, "#,##0.00", "0.50"),
        (1234567, "#,##0", "1,234,567"), (1234.5, "R$ #,##0.00", "R$ 1,234.50"), (-5, "$#,##0.00", "-$5.00"),
        (1234.567, "N2", "1,234.57"), (1234.567, "N", "1,234.57"), (1234.5, "N0", "1,235"), (2.5, "0", "3"),
        (-2.5, "0", "-3"), (2.675, "0.00", "2.68"), (1.005, "F2", "1.01"), (1234.5, "C2[en]", "$1,234.50"),
        (1234.5, "C2[pt-BR]", "R$ 1.234,50"), (1234.5, "N2[pt-BR]", "1.234,50"), (-1234.5, "C", "-$1,234.50"),
        (0.125, "0%", "13%"), (0.125, "0.0%", "12.5%"), (0.5, "P0", "50%"), (0.5, "#.##", "0.5"),
        (3, "#.##", "3"),
        (0.005, "0.00", "0.01"), (-0.001, "0.00", "0.00"), (5, "D3", "005"), (-5, "D3", "-005"),
        ("12.5", "0.00", "12.50"),
        (3, "0 'items'", "3 items"), (3, "0 items", "3 items"), (-3, "0;(0)", "(3)"), (0, "0;0;none", "none"),
        (2**80, "#,##0", f"{2**80:,}"), (1e20, "0", "1" + "0" * 20), (1234.5, "#,##0.00[pt-BR]", "1.234,50"),
        (12, "#,##0.00 kg", "12.00 kg"), (1.5, "", "1.5"), (0.1, "0.####################", "0.1"),
        ("20260305", "0", "20260305"),
    ],
)  # fmt: skip
def test_number_patterns(number: Value, pattern: str, text: str) -> None:
    assert run("FORMAT(n, p)", n=number, p=pattern) == text


@pytest.mark.parametrize(
    ("value", "pattern", "text"),
    [
        (None, "0.00", ""), ("", "dd/MM", ""), ({"a": [1.0]}, "JSON", '{"a":[1]}'), ("abc", ">", "ABC"),
        ("20260305", "dd/MM/yyyy", "05/03/2026"), ("05/03/2026", "yyyy-MM-dd", "2026-03-05"),
        ("18:30", "hh:mm AM/PM", "06:30 PM"),
    ],
)  # fmt: skip
def test_other_formats(value: Value, pattern: str, text: str) -> None:
    assert run("FORMAT(v, p)", v=value, p=pattern) == text


@pytest.mark.parametrize(
    ("spelling", "iso"),
    [
        ("2026-01-05", "2026-01-05"), ("2026/1/5", "2026-01-05"), ("5/1/2026", "2026-01-05"),
        ("5.1.2026", "2026-01-05"),
        ("05-01-26", "2026-01-05"), ("01/25/2026", "2026-01-25"), ("20260105", "2026-01-05"),
        ("Jan 5, 2026", "2026-01-05"),
        ("5 January 2026", "2026-01-05"), ("5th of January, 2026", "2026-01-05"),
        ("5 de janeiro de 2026", "2026-01-05"),
        ("2026-01-05 18:30", "2026-01-05T18:30:00"), ("5/1/2026 6:30 pm", "2026-01-05T18:30:00"),
        ("2026-01-05T18:30:00Z", "2026-01-05T18:30:00+00:00"),
        ("2026-01-05T18:30:00.123456789-0300", "2026-01-05T18:30:00.123-03:00"),
        ("31/02/2026", None), ("2026-13-01", None), ("soon", None), ("12345", None), ("5 Foo 2026", None),
        ("1.5", None),
        ("13/13/2026", None), ("2026-01-05T25:00", None), ("5/1/2026 13:30 pm", None),
    ],
)  # fmt: skip
def test_spellings_of_dates(spelling: str, iso: str | None) -> None:
    read = parse_date(spelling)
    assert (read.text() if read else None) == iso


@pytest.mark.parametrize(
    "text", ["P3D", "P2W", "PT2H", "-P1D", "P1Y2M3DT4H5M6S", "PT0.5S", "P1M", "PT0S", "-P1Y", "PT36H"]
)
def test_durations_are_read_as_they_are_written(text: str) -> None:
    duration = parse_duration(text)
    assert duration is not None
    assert duration.text() == text
    assert parse_duration("x" + text) is None


@pytest.mark.parametrize("text", ["P", "PT", "-", "3D", "P3", "P1H", "", "PD"])
def test_what_is_no_duration(text: str) -> None:
    assert parse_duration(text) is None


@pytest.mark.parametrize(
    ("spelling", "unit"),
    [("Days", "day"), ("d", "day"), ("yyyy", "year"), ("n", "minute"), ("m", "month"), ("HOURS", "hour"),
     ("dias", "day"),
     ("ww", "week"), ("quarter", "quarter"), ("fortnight", None)],
)  # fmt: skip
def test_spellings_of_units(spelling: str, unit: str | None) -> None:
    assert unit_named(spelling) == unit


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("DATEADD('month', 1, '2026-01-31')", "2026-02-28"),
        ("DATEADD('2024-02-29', 1, 'year')", "2025-02-28"),
        ("DATEADD('2026-01-01', -1, 'hours')", "2025-12-31T23:00:00"),
        ("DATEADD('2026-01-01', 3)", "2026-01-04"),
        ("DATEADD('2026-01-01', 1.5, 'day')", "2026-01-02T12:00:00"),
        ("DATEADD('2026-01-01', 0.5, 'd')", "2026-01-01T12:00:00"),
        ("DATEDIFF('2026-01-01', '2026-01-31')", -30),
        ("DATEDIFF('2026-01-31T23:00', '2026-02-01T01:00')", -1),
        ("DATEDIFF('2000-05-20', '2026-05-19', 'years')", 25),
        ("DATEDIFF('2026-03-31', '2026-02-28', 'm')", -1),
        ("DATEDIFF('h', '2026-01-01T00:00', '2026-01-01T02:59')", 2),
        ("DATEDIFF('2026-01-31', '2026-02-28', 'month')", 1),
        ("DATEDIFF('2026-01-01T00:00:00Z', '2026-01-01T00:00:00-03:00', 'hour')", 3), ("DAYS(2.5)", "PT60H"),
        ("DAYS(14)", "P2W"), ("HOURS(-2)", "-PT2H"), ("WEEKDAYNAME(7, 'pt')", "sábado"),
        ("DATESERIAL(2026, 3, 0)", "2026-02-28"),
        ("FORMAT(NOW(), 'dd/MM/yyyy HH:mm')", "22/11/2026 10:05"), ("FORMAT_DATE(NULL)", ""),
        ("TIMESTAMP()", 1795352716),
    ],
)  # fmt: skip
def test_functions_of_dates(text: str, value: Value) -> None:
    assert run(text) == value


@pytest.mark.parametrize("text", ["'9999-12-31' + DAYS(1)", "DATEADD('0001-01-01', -1, 'day')", "DAYS(10 ** 12)"])
def test_dates_outside_the_calendar_are_refused(text: str) -> None:
    with pytest.raises(ScriptError, match=r"years 1 to 9999|too long"):
        run(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("MID('àéîõü', 2, 3)", "éîõ"), ("MID('abc', 9)", ""), ("LEFT('abc', -1)", ""),
        ("RIGHT('abc', 9)", "abc"),
        ("INSTR('abc', '')", 1), ("INSTR(NULL, 'a')", 0), ("LEN(123)", 3), ("UBOUND({'a': 1})", 1),
        ("VAL('-1.5e2x')", -150),
        ("SPLIT('', ',')", [""]), ("JOIN(['a', NULL, 2.0], '|')", "a||2"),
        ("REPLACE('aaa', 'aa', 'b')", "ba"),
        ("ROUND(-2.5)", -3), ("ROUND(1.005, 2)", 1.01), ("ROUND(15, -1)", 20), ("INT('7.9')", 7),
        ("CINT(-0.5)", -1),
        ("SUM(['1', 2, NULL, ''])", 3), ("SUM([0.1, 0.2])", 0.3), ("AVG([])", None), ("MAX([])", None),
        ("MAX('9', '10')", 10),
        ("MAX('2026-01-05', '2025-12-31')", "2026-01-05"), ("MIN(['b', 'a'])", "a"),
        ("MAX([{'n': '9'}, {'n': 10}], 'N')", 10),
        ("SORT(['b', 'A', 'c', 10, 9, NULL])", [None, 9, 10, "A", "b", "c"]),
        ("SORT(['10', '9'])", ["9", "10"]),
        ("UNIQUE([1, '1', 1.0, NULL, NULL])", [1, "1", None]), ("FIRST([])", None), ("FIRST('')", ""),
        ("LAST(NULL)", None),
        ("ISNULL([])", True), ("NVL('', 'x')", ""), ("TYPEOF({})", "object"), ("JSON('[1, 2.5]')", [1, 2.5]),
        ("CSV([['a\"b', 1], [2.0]])", '"a""b",1\n2'), ("CSV([])", ""),
        ("EXTRACT_BETWEEN('a[b', '[', ']')", ""),
        ("TOYAML([{'a': 1, 'b': [2]}, 'yes', NULL])", '- a: 1\n  b:\n    - 2\n- "yes"\n- null'),
        ("TOYAML({})", "{}"),
        ("dot_slice([1, 2, 3], -2)", [2, 3]), ("dot_splice([1, 2, 3], -1)", [1, 2]),
        ("RANGE(5, 1, -2)", [5, 3, 1]),
        ("RANGE(1, 0)", []), ("PROPER(\"d'ávila\")", "D'Ávila"), ("COUNT('abc')", 3), ("LEN(UUID())", 36),
    ],
)  # fmt: skip
def test_functions_at_their_edges(text: str, value: Value) -> None:
    result = run(text)
    assert result == pytest.approx(value) if isinstance(value, float) else result == value
