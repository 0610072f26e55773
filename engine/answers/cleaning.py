"""What people's keyboards add to an answer, taken away: invisible marks, wide digits, accents, stray bytes.

Everything here is linear in the text; what is not linear on hostile text (Unicode normalisation sorts runs
of combining marks) is only reached by text of at most ANSWER_CHARS_MAX characters.
"""

from __future__ import annotations

import re
import unicodedata

ANSWER_CHARS_MAX = 2_048

INVISIBLE = "\u00ad\u061c\u180e\u200b\u200c\u200d\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e" + (
    "\u2060\u2061\u2062\u2063\u2064\u2066\u2067\u2068\u2069\ufeff\ufe0e\ufe0f"
)
# The emoji's variation selectors are part of what the user wrote: a trim leaves them at the end of a text.
_TRIMMED = " \t\n\r\f\v\0\x1c\x1d\x1e\x1f\x85\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007" + (
    "\u2008\u2009\u200a\u202f\u205f\u3000" + INVISIBLE.replace("\ufe0e", "").replace("\ufe0f", "")
)
_EDGE = frozenset(_TRIMMED)
_EDGE_RUN = re.compile(f"[{re.escape(_TRIMMED)}]*")
_SURROGATE = re.compile("[\ud800-\udfff]")
_NO_INVISIBLE = dict.fromkeys(map(ord, INVISIBLE))
_DASHES = dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d"), "-")
_CONTROLS = dict.fromkeys([*range(32), *range(127, 160)])
_QUOTES = dict.fromkeys(map(ord, "\u2018\u2019\u02bc\u00b4\uff07"), "'")
_KEYBOARD = {**_CONTROLS, **_NO_INVISIBLE, **_DASHES, **_QUOTES}


def storable(text: str) -> str:
    """Return the text as JSON and PostgreSQL can hold it: without NUL, lone surrogates replaced by U+FFFD."""
    if "\0" in text:
        text = text.replace("\0", "")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            text = _SURROGATE.sub("\ufffd", text)
    return text


def trimmed(text: str) -> str:
    """Return the storable text without blanks and invisible marks at its ends; its inside is untouched."""
    text = storable(text).strip()
    if not text or (text[0] not in _EDGE and text[-1] not in _EDGE):
        return text
    # str.strip with fifty characters to strip is ten times slower on ten million of them.
    start, end = _edge(text), len(text) - _edge(text[::-1])
    return text[start:end]


def _edge(text: str) -> int:
    match = _EDGE_RUN.match(text)
    assert match is not None
    return match.end()


def plain(text: str) -> str:
    """Return a short text in the compatibility form: ASCII digits, hyphens, apostrophes, single blanks.

    Digits of every script become ASCII; invisible and control characters disappear. At most
    ANSWER_CHARS_MAX characters may come in; one may become eighteen.
    """
    assert len(text) <= ANSWER_CHARS_MAX
    text = " ".join(text.split()).translate(_KEYBOARD)
    if not text.isascii():
        # Normalisation itself makes quotes and blanks, so what it made is read once more.
        text = unicodedata.normalize("NFKC", text).translate(_KEYBOARD)
        text = "".join(_ascii_digit(c) for c in text)
    return " ".join(text.split())


def _ascii_digit(char: str) -> str:
    digit = unicodedata.decimal(char, None)
    return char if digit is None else str(digit)


def folded(text: str) -> str:
    """Return a short text for comparison: plain, without accents and differences of case."""
    text = unicodedata.normalize("NFKD", plain(text).casefold())
    return "".join(c for c in text if unicodedata.category(c) not in ("Mn", "Me", "Cf"))


def words_of(text: str) -> list[str]:
    """Return the runs of letters and the runs of digits of a folded text, in order."""
    return re.findall(r"[0-9]+|[^\W\d_]+", text)


def only_digits(text: str, separators: str) -> str | None:
    """Return the digits of a plain text, or None where it has anything but digits and these separators."""
    digits = text.translate(dict.fromkeys(map(ord, separators)))
    return digits if digits.isascii() and digits.isdigit() else None
