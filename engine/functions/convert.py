"""Functions that turn one type of value into another, and those that ask for the type."""

from __future__ import annotations

import json
import math
import re
from typing import Any, cast

from engine.errors import ScriptError
from engine.functions.numbers import round_half_away
from engine.functions.signature import Function, Moment, function
from engine.values import Value, check_value, read_number, show, to_json, to_number, to_text, type_name

_LEADING_NUMBER = re.compile(r"\s*([+-]?(?:\d{1,400}(?:\.\d{0,400})?|\.\d{1,400})(?:[eE][+-]?\d{1,3})?)", re.ASCII)
_TRUE = frozenset({"true", "yes", "y", "1", "on", "sim", "s", "sí", "si", "verdadeiro", "verdadero"})
_FALSE = frozenset({"false", "no", "n", "0", "off", "não", "nao", "falso", ""})


def value_of(value: Value) -> int | float:
    """Return the number that a text begins with, 0 where it begins with none.

    VAL("12.5 kg") = 12.5
    VAL("abc") = 0
    """
    if isinstance(value, (list, dict)):
        raise ScriptError(f"VAL expects a text, not {show(value)}.", "argument")
    if not isinstance(value, str):
        return to_number(value)
    match = _LEADING_NUMBER.match(value)
    return (read_number(match[1]) or 0) if match else 0


def parse_integer(value: Value) -> int:
    """Return the whole number that a text begins with, what stands behind the point cut off.

    PARSEINT("42 apples") = 42
    """
    return math.trunc(value_of(value))


def text_of(value: Value) -> str:
    """Return the value as text.

    STR(3.0) = "3"
    """
    return to_text(value)


def to_integer(number: int | float) -> int | float:
    """Return the number rounded to a whole one, halves away from zero.

    CINT("2.5") = 3
    """
    return round_half_away(number)


def to_double(number: int | float) -> int | float:
    """Return the number that a text reads as; unlike VAL, an error where it reads as none.

    CDBL("2.5") = 2.5
    """
    return number


def to_boolean(value: Value) -> bool:
    """Return whether a value is true; a text by its word: yes and no in the languages of HEAR AS BOOLEAN.

    CBOOL("yes") = TRUE
    CBOOL("no") = FALSE
    """
    if isinstance(value, str):
        word = value.strip().lower()
        if word in _TRUE or word in _FALSE:
            return word in _TRUE
        raise ScriptError(f"CBOOL expects a word such as yes or no, not {show(value)}.", "argument")
    return bool(value)


def is_empty(value: Value) -> bool:
    """Return whether there is nothing in it: NULL, "" or blanks, a list or object without members.

    ISEMPTY("  ") = TRUE
    ISEMPTY(0) = FALSE
    """
    if isinstance(value, str):
        return not value.strip()
    return value is None or value == [] or value == {}


def is_null(value: Value) -> bool:
    """Return whether the value is NULL, or what a FIND that found nothing gives.

    ISNULL(NULL) = TRUE
    ISNULL("") = FALSE
    """
    return value is None or value == []


def is_number(value: Value) -> bool:
    """Return whether the value is a number or a text that reads as one.

    ISNUMERIC("12") = TRUE
    """
    if isinstance(value, str):
        return read_number(value) is not None
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def first_given(*values: Value) -> Value:
    """Return the first of the values that is not NULL.

    COALESCE(NULL, 2, 3) = 2
    NVL(NULL, "x") = "x"
    """
    return next((value for value in values if value is not None), None)


def type_of(value: Value) -> str:
    """Return the type's name: null, boolean, number, text, list or object.

    TYPEOF([1]) = "list"
    """
    return type_name(value)


def as_json(value: Value) -> str:
    """Return the value as compact JSON.

    TOJSON({"a": [1, NULL]}) = '{"a":[1,null]}'
    """
    return to_json(value)


def parse_json(text: str) -> Value:
    """Return the value that a JSON text writes.

    PARSEJSON("[1, 2]") = [1, 2]
    """

    def refuse(word: str) -> Any:
        raise ValueError(f"{word} is no JSON")

    try:
        value = json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        where = f" at line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        raise ScriptError(f"PARSEJSON cannot read {show(text)}: it is no JSON{where}.", "argument") from None
    return check_value(value)


def json_of(value: Value) -> Value:
    """Return a JSON text read, anything else written as JSON.

    JSON("{\\"a\\": 1}") = {"a": 1}
    JSON([1]) = "[1]"
    """
    return parse_json(value) if isinstance(value, str) else to_json(value)


_PLAIN = re.compile(r"[^\W\d][\w ./@-]*(?<! )")
_WORDS_OF_YAML = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf"})


def _yaml_scalar(value: Value) -> str:
    if value is None:
        return "null"
    if isinstance(value, str):
        if _PLAIN.fullmatch(value) and value.lower() not in _WORDS_OF_YAML:
            return value
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, (list, dict)):
        return "[]" if isinstance(value, list) else "{}"
    return to_text(value)


def _yaml_lines(value: Value, indent: str) -> list[str]:
    lines: list[str] = []
    pairs: list[tuple[str, Value]]
    if isinstance(value, dict):
        pairs = [(f"{_yaml_scalar(k)}:", v) for k, v in value.items()]
    else:
        pairs = [("-", v) for v in cast("list[Value]", value)]
    for lead, member in pairs:
        if isinstance(member, (list, dict)) and member:
            nested = _yaml_lines(member, indent + "  ")
            if lead == "-":
                lines += [f"{indent}- {nested[0].lstrip()}", *nested[1:]]
            else:
                lines += [f"{indent}{lead}", *nested]
        else:
            lines.append(f"{indent}{lead} {_yaml_scalar(member)}")
    return lines


def as_yaml(value: Value) -> str:
    """Return the value as YAML, a member a line.

    TOYAML({"a": 1, "b": ["x"]}) = "a: 1\\nb:\\n  - x"
    """
    to_json(value)  # The limits of a text that is written down.
    if isinstance(value, (list, dict)) and value:
        return "\n".join(_yaml_lines(value, ""))
    return _yaml_scalar(value)


def _csv_field(value: Value) -> str:
    text = to_text(value)
    if any(c in text for c in ',"\r\n') or text != text.strip():
        return '"' + text.replace('"', '""') + '"'
    return text


def as_csv(rows: list[Value], separator: str = ",") -> str:
    """Return a list of objects or of lists as CSV (RFC 4180), the members' names in its first line.

    CSV([{"a": 1, "b": "x,y"}]) = 'a,b\\n1,"x,y"'
    """
    if len(separator) != 1:
        raise ScriptError("CSV expects one character as separator.", "argument")
    if all(isinstance(row, dict) for row in rows):
        names = list(dict.fromkeys(name for row in rows for name in cast("dict[str, Value]", row)))
        if len(names) * len(rows) > 100_000:
            raise ScriptError("CSV of so many rows with so many columns is too much.", "limit")
        lines: list[list[Value]] = [list(names)] if rows else []
        lines += [[cast("dict[str, Value]", row).get(name) for name in names] for row in rows]
    else:
        lines = [row if isinstance(row, list) else [row] for row in rows]
    return "\n".join(separator.join(_csv_field(field) for field in line) for line in lines)


def session_id(moment: Moment) -> str:
    """Return the id of the session that the conversation belongs to.

    LEN(SESSION_ID()) >= 0
    """
    return moment.session_id


def hexadecimal(number: int) -> str:
    """Return a whole number in base 16.

    HEX(255) = "FF"
    """
    return f"{number:X}"


FUNCTIONS: dict[str, Function] = {
    "val": function("any", value_of),
    "parseint": function("any", parse_integer),
    "parsefloat": function("any", value_of),
    "str": function("any", text_of, deep=1),
    "cstr": function("any", text_of, deep=1),
    "tostring": function("any", text_of, deep=1),
    ".tostring": function("any", text_of, deep=1),
    "cint": function("number", to_integer),
    "clng": function("number", to_integer),
    "cdbl": function("number", to_double),
    "number": function("number", to_double),
    "cbool": function("any", to_boolean),
    "isempty": function("any", is_empty, light=1),
    "isnull": function("any", is_null, light=1),
    "$is_null": function("any", is_null, light=1),
    "isnumeric": function("any", is_number),
    "isnumber": function("any", is_number),
    "nvl": function("any any", first_given),
    "coalesce": function("any any*", first_given),
    "typeof": function("any", type_of, light=1),
    "json": function("any", json_of, weight=40, deep=1),
    "tojson": function("any", as_json, deep=1),
    "stringify": function("any", as_json, deep=1),
    "parsejson": function("text", parse_json, weight=40),
    "toyaml": function("any", as_yaml, deep=4),
    "csv": function("list text?", as_csv, deep=3),
    "session_id": function("", session_id, moment=True),
    "hex": function("whole", hexadecimal),
}
