"""Functions of texts. Positions of INSTR and MID count from 1, those of methods from 0, as in their homes."""

from __future__ import annotations

import re

from engine.errors import ScriptError
from engine.functions.signature import Function, function
from engine.members import get_index
from engine.operators import contains as has
from engine.patterns import like
from engine.values import (
    LIST_ITEMS_MAX,
    TEXT_CHARACTERS_MAX,
    Value,
    limit_text,
    list_too_long,
    text_too_long,
    to_text,
)


def length(value: Value) -> int:
    """Return the number of characters, of items of a list or members of an object; NULL has none.

    LEN("abc") = 3
    UBOUND([1, 2]) = 2
    UBOUND(NULL) = 0
    """
    return len(value) if isinstance(value, (list, dict)) else len(to_text(value))


def left(text: str, count: int) -> str:
    """Return the first characters.

    LEFT("abc", 2) = "ab"
    """
    return text[: max(0, count)]


def right(text: str, count: int) -> str:
    """Return the last characters.

    RIGHT("abc", 2) = "bc"
    """
    return text[-count:] if count > 0 else ""


def mid(text: str, start: int, count: int | None = None) -> str:
    """Return characters from a position (the first is 1) on, all or so many.

    MID("abcd", 2, 2) = "bc"
    MID("abcd", 3) = "cd"
    """
    if start < 1:
        raise ScriptError(f"MID expects a position from 1 on, not {start}.", "argument")
    return text[start - 1 :] if count is None else text[start - 1 : start - 1 + max(0, count)]


def lower(text: str) -> str:
    """Return the text in small letters.

    LCASE("ÀB") = "àb"
    """
    return limit_text(text.lower())


def upper(text: str) -> str:
    """Return the text in capitals.

    UCASE("àb") = "ÀB"
    """
    return limit_text(text.upper())


def capitalize(text: str) -> str:
    """Return the text with its first letter as a capital, the rest small.

    CAPITALIZE("hello WORLD") = "Hello world"
    """
    return limit_text(text.capitalize())


def proper(text: str) -> str:
    """Return the text with every word beginning with a capital.

    PROPER("ana de souza") = "Ana De Souza"
    """
    return limit_text(re.sub(r"\w+", lambda m: m[0].capitalize(), text))


def trim(text: str) -> str:
    """Return the text without blanks at both ends.

    TRIM("  a b ") = "a b"
    """
    return text.strip()


def trim_left(text: str) -> str:
    """Return the text without blanks at its beginning.

    LTRIM("  a ") = "a "
    """
    return text.lstrip()


def trim_right(text: str) -> str:
    """Return the text without blanks at its end.

    RTRIM(" a  ") = " a"
    """
    return text.rstrip()


def replace(text: str, old: str, new: str) -> str:
    """Return the text with every occurrence of one text as another; the case counts.

    REPLACE("a-b-c", "-", "+") = "a+b+c"
    """
    if not old:
        return text
    if len(new) > len(old):
        grown = len(text) + text.count(old) * (len(new) - len(old))
        if grown > TEXT_CHARACTERS_MAX:
            raise text_too_long(grown)
    return text.replace(old, new)


def split(text: str, separator: str = ",") -> Value:
    """Return the list of the parts between separators (a comma by default); "" splits into characters.

    SPLIT("a,b", ",") = ["a", "b"]
    """
    if not separator:
        return list(text)
    parts = text.count(separator) + 1
    if parts > LIST_ITEMS_MAX:
        raise list_too_long(parts)
    return list(text.split(separator))


def join(items: list[Value], separator: str = ",") -> str:
    """Return the items of a list as one text, with a separator (a comma by default) between them.

    JOIN([1, "b"], " + ") = "1 + b"
    """
    parts: list[str] = []
    size = -len(separator)
    for item in items:
        text = to_text(item)
        size += len(text) + len(separator)
        if size > TEXT_CHARACTERS_MAX:
            raise text_too_long(size)
        parts.append(text)
    return separator.join(parts)


def instr(*arguments: Value) -> int:
    """Return where a text holds another, counted from 1; 0 where it does not. A start may stand first.

    INSTR("hello", "l") = 3
    INSTR(4, "hello", "l") = 4
    INSTR("hello", "x") = 0
    """
    start = 1
    if len(arguments) > 3:
        raise ScriptError("INSTR takes 2 to 3 arguments.", "argument")
    if len(arguments) == 3:
        first, *arguments_left = arguments
        if isinstance(first, bool) or not isinstance(first, (int, float)) or first < 1:
            raise ScriptError("INSTR with 3 arguments expects a position from 1 on first.", "argument")
        start, (text, part) = int(first), arguments_left
    else:
        text, part = arguments
    return to_text(text).find(to_text(part), start - 1) + 1


def repeat(text: str, count: int) -> str:
    """Return the text so many times.

    REPEAT("ab", 3) = "ababab"
    """
    if len(text) * count > TEXT_CHARACTERS_MAX:
        raise text_too_long(len(text) * count)
    return text * count


def string(count: int, text: str) -> str:
    """Return a character so many times, as older BASIC writes it.

    STRING(3, "x") = "xxx"
    """
    return repeat(text[:1], count)


def space(count: int) -> str:
    """Return so many blanks.

    SPACE(3) = "   "
    """
    return repeat(" ", count)


def pad_left(text: str, width: int, fill: str = " ") -> str:
    """Return the text filled up on its left to a width.

    PADLEFT("7", 3, "0") = "007"
    """
    return _padding(text, width, fill) + text


def pad_right(text: str, width: int, fill: str = " ") -> str:
    """Return the text filled up on its right to a width.

    PADRIGHT("a", 3, ".") = "a.."
    """
    return text + _padding(text, width, fill)


def _padding(text: str, width: int, fill: str) -> str:
    if width > TEXT_CHARACTERS_MAX:
        raise text_too_long(width)
    missing = width - len(text)
    return (fill * (missing // len(fill) + 1))[:missing] if missing > 0 and fill else ""


def reverse(value: Value) -> Value:
    """Return the characters, or the items of a list, in the opposite order.

    REVERSE("abc") = "cba"
    REVERSE([1, 2]) = [2, 1]
    """
    assert isinstance(value, (str, list))
    return value[::-1]


def contains(container: Value, item: Value) -> bool:
    """Return whether a text holds a text, a list an item or an object a key; the case counts.

    CONTAINS("abc", "b") = TRUE
    CONTAINS([1, 2], 3) = FALSE
    """
    return has(container, item)


def starts_with(text: str, start: str) -> bool:
    """Return whether the text begins so.

    STARTSWITH("abc", "ab") = TRUE
    """
    return text.startswith(start)


def ends_with(text: str, end: str) -> bool:
    """Return whether the text ends so.

    ENDSWITH("abc", "bc") = TRUE
    """
    return text.endswith(end)


def extract_before(text: str, mark: str) -> str:
    """Return what stands before a mark; "" where there is none.

    EXTRACT_BEFORE("a@b", "@") = "a"
    """
    head, found, _ = text.partition(mark) if mark else ("", "", "")
    return head if found else ""


def extract_after(text: str, mark: str) -> str:
    """Return what stands behind a mark; "" where there is none.

    EXTRACT_AFTER("a@b", "@") = "b"
    """
    return text.partition(mark)[2] if mark else ""


def extract_between(text: str, start: str, end: str) -> str:
    """Return what stands between two marks; "" where one is missing.

    EXTRACT_BETWEEN("x [7] y", "[", "]") = "7"
    """
    return extract_before(extract_after(text, start), end)


def code_of(text: str) -> int:
    """Return the number of the first character.

    ASC("A") = 65
    """
    if not text:
        raise ScriptError("ASC expects a text with at least one character.", "argument")
    return ord(text[0])


def character(code: int) -> str:
    """Return the character with a number.

    CHR(65) = "A"
    """
    if not 1 <= code <= 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        raise ScriptError(f"CHR expects the number of a character, not {code}.", "argument")
    return chr(code)


def index_of(value: Value, item: Value) -> int:
    """Return where a text holds a text or a list an item, counted from 0; -1 where it does not.

    .indexOf("abc", "c") = 2
    """
    if isinstance(value, list):
        return value.index(item) if item in value else -1
    return to_text(value).find(to_text(item))


def substring(text: str, start: int, end: int | None = None) -> str:
    """Return the characters from one position up to another, counted from 0.

    .substring("abcd", 1, 3) = "bc"
    """
    return text[max(0, start) : None if end is None else max(0, end)]


def character_at(text: str, index: int) -> Value:
    """Return the character at a position, counted from 0.

    .charAt("abc", 1) = "b"
    """
    return get_index(text, index) or ""


def _like(text: str, pattern: str) -> bool:
    return like(text, pattern)


def _ilike(text: str, pattern: str) -> bool:
    return like(text, pattern, ignore_case=True)


_TWO = "text text"
FUNCTIONS: dict[str, Function] = {
    "len": function("any", length, light=1),
    "length": function("any", length, light=1),
    "ubound": function("any", length, light=1),
    ".length": function("any", length, light=1),
    "left": function("text whole", left),
    "right": function("text whole", right),
    "mid": function("text whole whole?", mid),
    "lcase": function("text", lower),
    "lower": function("text", lower),
    ".tolowercase": function("text", lower),
    "ucase": function("text", upper),
    "upper": function("text", upper),
    ".touppercase": function("text", upper),
    "capitalize": function("text", capitalize),
    "proper": function("text", proper, weight=40, cost=15),
    "trim": function("text", trim),
    ".trim": function("text", trim),
    "ltrim": function("text", trim_left),
    "rtrim": function("text", trim_right),
    "replace": function("text text text", replace, weight=3),
    ".replace": function("text text text", replace, weight=3),
    "split": function("text text?", split, weight=10),
    ".split": function("text text?", split, weight=10),
    "join": function("list text?", join, deep=1),
    ".join": function("list text?", join, deep=1),
    "instr": function("any any any*", instr, deep=1),
    "repeat": function("text whole", repeat),
    "string": function("whole text", string),
    "space": function("whole", space),
    "padleft": function("text whole text?", pad_left),
    "padright": function("text whole text?", pad_right),
    "lpad": function("text whole text?", pad_left),
    "rpad": function("text whole text?", pad_right),
    "reverse": function("sequence", reverse),
    "contains": function("any any", contains, weight=20),
    "$contains": function("any any", contains, weight=20),
    ".contains": function("any any", contains, weight=20),
    ".includes": function("any any", contains, weight=20),
    "startswith": function(_TWO, starts_with),
    "$starts": function(_TWO, starts_with),
    ".startswith": function(_TWO, starts_with),
    "endswith": function(_TWO, ends_with),
    "$ends": function(_TWO, ends_with),
    ".endswith": function(_TWO, ends_with),
    "extract_before": function(_TWO, extract_before),
    "extract_after": function(_TWO, extract_after),
    "extract_between": function("text text text", extract_between),
    "asc": function("text", code_of),
    "chr": function("whole", character),
    ".indexof": function("any any", index_of, deep=1),
    ".substring": function("text whole whole?", substring),
    ".charat": function("text whole", character_at),
    "$like": function(_TWO, _like, weight=100),
    "$ilike": function(_TWO, _ilike, weight=100),
}
