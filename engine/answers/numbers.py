"""INTEGER, FLOAT, MONEY and BOOLEAN: numbers as people of six languages write them."""

from __future__ import annotations

import math
import re

from engine.answers.cleaning import folded, words_of
from engine.answers.outcomes import Accepted, Answer
from engine.answers.words import NO, YES, word_set

INTEGER_DIGITS_MAX = 18
"""So that an accepted integer fits PostgreSQL's bigint."""
FLOAT_CHARS_MAX = 40
BOOLEAN_CHARS_MAX = 60
MONEY_DIGITS_MAX = 15
"""So that every cent of an accepted amount is exact in a double."""

_NUMBER = re.compile(r"([+-]?)([0-9][0-9.,' ]*|[.,][0-9]+)(?:[eE]([+-]?[0-9]{1,3}))?")
# CLDR's decimal marks: a point in English, in Switzerland, and in Spanish from Mexico to Peru; else a comma.
_POINT_DECIMALS = word_set("es-mx es-us es-gt es-hn es-ni es-pa es-pr es-do es-sv es-pe es-cu de-ch it-ch de-li")
_CURRENCY_SIGNS = "$€£¥₹₽₩₪₺₫₱฿₦₴₲₡"
_CURRENCY_WORDS = word_set(
    "r us a c usd eur gbp brl jpy chf cny inr mxn ars clp cop pen uyu pyg bob cad aud nzd zar aoa mzn "
    "sek nok dkk pln czk huf ron try ils rs kr zl dollar dollars dolar dolares dollari dollaro euro "
    "euros eur pound pounds libra libras livre livres pfund sterlina sterline quid bucks buck real "
    "reais reales peso pesos franc francs franken franco francos franchi yen yens iene ienes sol "
    "soles rand rupee rupees rupia rupias kwanza kwanzas metical meticais "
)


def check_integer(answer: Answer) -> Accepted | None:
    """Accept a whole number of at most INTEGER_DIGITS_MAX digits; the value is an int."""
    parts = _number(answer.text, answer)
    if parts is None or parts[2] is not None or parts[1].partition(".")[2].strip("0"):
        return None
    digits = parts[1].partition(".")[0].lstrip("0") or "0"
    if len(digits) > INTEGER_DIGITS_MAX:
        return None
    value = int(parts[0] + digits)
    return Accepted(value, str(value))


def check_float(answer: Answer) -> Accepted | None:
    """Accept a number with a comma or a point before its decimals; the value is a finite float."""
    if len(answer.text) > FLOAT_CHARS_MAX:
        return None
    parts = _number(answer.text, answer)
    if parts is None:
        return None
    value = float(parts[0] + parts[1] + (f"e{parts[2]}" if parts[2] else "")) + 0.0
    return Accepted(value, repr(value)) if math.isfinite(value) else None


def check_money(answer: Answer) -> Accepted | None:
    """Accept an amount with or without its currency; the value is a float of at most two decimals.

    `1.234` where the point marks decimals is refused: a reading either way could be wrong a thousandfold.
    """
    amount = "".join(" " if c in _CURRENCY_SIGNS else c for c in answer.text.casefold())
    words = re.findall(r"[^\W\d_]+", folded(amount))
    if len(words) > 2 or any(w not in _CURRENCY_WORDS for w in words):
        return None
    amount = re.sub(r"[^\W\d_]+\.?", " ", amount)
    amount = re.sub(r"^([+-]) +", r"\1", re.sub(r"[.,]-{1,2} *$", "", amount).strip())
    parts = _number(amount, answer)
    if parts is None or parts[2] is not None:
        return None
    whole, _, decimals = parts[1].partition(".")
    if len(whole.lstrip("0")) > MONEY_DIGITS_MAX - 2 or len(decimals) > 2:
        return None
    value = float(parts[0] + parts[1]) + 0.0
    return Accepted(value, f"{value:.2f}")


def check_boolean(answer: Answer) -> Accepted | None:
    """Accept yes and no in the words, letters, digits and thumbs of six languages; the value is a bool."""
    if len(answer.text) > BOOLEAN_CHARS_MAX:
        return None
    text = folded(answer.text)
    spoken = " ".join(words_of(text))
    votes = {c in YES for c in text if not c.isalnum() and (c in YES or c in NO)}
    if spoken.isdigit() and text.rstrip(" .,!?;)") != spoken:
        return None
    phrases = [spoken] if spoken in YES | NO else re.split("[,.!;]", text) if spoken else []
    for phrase in filter(None, (" ".join(words_of(p)) for p in phrases)):
        votes |= {True} if phrase in YES else {False} if phrase in NO else {True, False}
    if len(votes) != 1:
        return None
    value = votes.pop()
    return Accepted(value, "true" if value else "false")


def _number(text: str, answer: Answer) -> tuple[str, str, str | None] | None:
    """Return sign, digits with a point before the decimals, and exponent of a plain text; None: no number."""
    match = _NUMBER.fullmatch(text.strip().rstrip("."))
    if match is None:
        return None
    point = answer.language == "en" or f"{answer.language}-{answer.region}" in _POINT_DECIMALS
    body = _without_grouping(match[2].strip(), point)
    if body is None:
        return None
    return ("-" if match[1] == "-" else ""), body, match[3]


def _without_grouping(body: str, point: bool) -> str | None:
    """Tell grouping marks from the decimal mark. With one kind only, `point` decides."""
    decimal, other = (".", ",") if point else (",", ".")
    if "." in body and "," in body:
        decimal, other = (".", ",") if body.rfind(".") > body.rfind(",") else (",", ".")
    elif body.count(decimal) > 1 or (other in body and not _grouped(body, other)):
        decimal, other = other, decimal
    whole, mark, decimals = body.partition(decimal)
    if mark and not (decimals.isascii() and decimals.isdigit()):
        return None
    marks = {c for c in whole if not c.isdigit()}
    if len(marks) > 1 or any(not _grouped(whole, c) for c in marks):
        return None
    whole = "".join(c for c in whole if c.isdigit()) or "0"
    return f"{whole}.{decimals}" if mark else whole


def _grouped(whole: str, mark: str) -> bool:
    first, *rest = whole.split(mark)
    return (
        1 <= len(first) <= 3
        and first.isdigit()
        and bool(rest)
        and all(len(group) == 3 and group.isdigit() for group in rest)
    )
