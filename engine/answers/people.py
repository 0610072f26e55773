"""NAME, EMAIL, MOBILE, LOGIN and ZIPCODE: who somebody is and where they are reached."""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise

from engine.answers.cleaning import only_digits
from engine.answers.outcomes import Accepted, Answer, as_text
from engine.answers.words import NAME_PARTICLES, NAME_PARTICLES_AS_TYPED, word_set

NAME_CHARS_MAX = 200
EMAIL_CHARS_MAX = 254
EMAIL_LOCAL_CHARS_MAX = 64
"""RFC 5321, 4.5.3.1."""
DOMAIN_LABEL_CHARS_MAX = 63
"""RFC 1035, 2.3.4."""
MOBILE_DIGITS_MIN = 8
MOBILE_DIGITS_MAX = 15
"""E.164."""
LOGIN_CHARS_MAX = 128
ZIPCODE_CHARS_MIN = 3
ZIPCODE_CHARS_MAX = 10

_ROMAN = word_set("II III IV VI VII VIII IX XI XII XIII XIV XV XVI")
_LOCAL_MARKS = frozenset("!#$%&'*+-/=?^_`{|}~.")
_LOGIN_MARKS = frozenset("._-+\\")
_ZIPCODE = re.compile(r"[A-Z0-9]+(?:[ -][A-Z0-9]+){0,2}")
_ZIPCODE_UK = re.compile(r"([A-Z]{1,2}[0-9][A-Z0-9]?) ?([0-9][A-Z]{2})")
_ZIPCODE_SPLIT = (
    re.compile(r"([A-Z][0-9][A-Z])[ -]?([0-9][A-Z][0-9])"),
    re.compile(r"([1-9][0-9]{3}) ?([A-Z]{2})"),
)


def check_name(answer: Answer) -> Accepted | None:
    """Accept letters of any script, blanks, apostrophes, hyphens and points; the value is in title case."""
    name = answer.text.strip(" -,")
    if not name or len(name) > NAME_CHARS_MAX or not any(c.isalpha() for c in name):
        return None
    if any(not (c in " '-." or unicodedata.category(c)[0] in "LM") for c in name):
        return None
    words = name.split(" ")
    even = name == name.lower() or _is_shouted([word for word in words if word not in _ROMAN])
    return as_text(" ".join(_name_word(word, i == 0, even) for i, word in enumerate(words)))


def _is_shouted(words: list[str]) -> bool:
    """Tell whether words are in capitals, and not only initials."""
    text = " ".join(words)
    capitals = [c != c.lower() for c in text]
    return text == text.upper() and any(a and b for a, b in pairwise(capitals))


def _name_word(word: str, first: bool, even: bool) -> str:
    """`even`: the whole name is in one case, so the case of a word says nothing."""
    lower = word.lower()
    if not first and lower in NAME_PARTICLES:
        return lower
    if not first and lower in NAME_PARTICLES_AS_TYPED and (even or word == lower):
        return lower
    if word in _ROMAN and not first:
        return word
    # "McDonald" and "DeVito" know better than any rule; "MARIA" and "maria" do not.
    written = _name_part(word)
    if not even and word != lower and written != written.upper():
        return written
    return "".join(_name_part(part) for part in re.split(r"(['.-])", lower))


def _name_part(part: str) -> str:
    capital = part[:1].upper()
    return capital + part[1:] if len(capital) == 1 else part


def check_email(answer: Answer) -> Accepted | None:
    """Accept an address as mail servers take them (RFC 5321 without quoting); the value is in lower case."""
    address = answer.text
    if address.endswith(">") and "<" in address:
        address = address[address.rindex("<") + 1 : -1]
    address = address.lower().removeprefix("mailto:").rstrip(".,;")
    return as_text(address if is_email(address) else None)


def is_email(address: str) -> bool:
    """Tell whether a lower-case text is a mail address with a domain that could exist."""
    local, at, domain = address.rpartition("@")
    if not at or len(address) > EMAIL_CHARS_MAX or not 1 <= len(local) <= EMAIL_LOCAL_CHARS_MAX:
        return False
    if local.startswith(".") or local.endswith(".") or ".." in local:
        return False
    return all(c.isalnum() or c in _LOCAL_MARKS for c in local) and is_domain(domain)


def is_domain(domain: str) -> bool:
    """Tell whether a lower-case text is a domain name of at least two labels, the last one no number."""
    labels = domain.split(".")
    if len(labels) < 2 or len(labels[-1]) < 2 or not labels[-1][0].isalpha():
        return False
    return all(
        1 <= len(label) <= DOMAIN_LABEL_CHARS_MAX
        and label[0] != "-"
        and label[-1] != "-"
        and all(c == "-" or unicodedata.category(c)[0] in "LMN" for c in label)
        for label in labels
    )


def check_mobile(answer: Answer) -> Accepted | None:
    """Accept a telephone number; the value is its digits, without + and without the international 00."""
    number = answer.text.casefold().removeprefix("tel:").strip()
    if number.startswith("+"):
        # "+44 (0)20 …": the bracketed zero is dialled only inside the country.
        number = number[1:].replace("(0)", "", 1)
    digits = only_digits(number, " ()-./")
    if digits is None:
        return None
    digits = re.sub(r"^(?:00)+", "", digits)
    return as_text(digits if MOBILE_DIGITS_MIN <= len(digits) <= MOBILE_DIGITS_MAX else None)


def check_login(answer: Answer) -> Accepted | None:
    """Accept a mail address (lower-cased), or a user name: letters, digits and . _ - + \\, its case kept."""
    login = answer.text.lstrip("@")
    if "@" in login:
        address = login.lower()
        return as_text(address if is_email(address) else None)
    fits = 1 <= len(login) <= LOGIN_CHARS_MAX and any(c.isalnum() for c in login)
    if not fits or any(not (c.isalnum() or c in _LOGIN_MARKS) for c in login):
        return None
    return as_text(login)


def check_zipcode(answer: Answer) -> Accepted | None:
    """Accept a postal code and write it as its country does: US, BR, UK, CA, NL; others as they came.

    Every country's codes have a digit, so a word is none.
    """
    code = answer.text.upper()
    digits = only_digits(code, " .-")
    if digits is not None and len(digits) == 8:
        return as_text(f"{digits[:5]}-{digits[5:]}")
    if digits is not None and len(digits) == 9:
        return as_text(f"{digits[:5]}-{digits[5:]}")
    for pattern in (_ZIPCODE_UK, *_ZIPCODE_SPLIT):
        if match := pattern.fullmatch(code):
            return as_text(f"{match[1]} {match[2]}")
    length = sum(c.isalnum() for c in code)
    fits = _ZIPCODE.fullmatch(code) and ZIPCODE_CHARS_MIN <= length <= ZIPCODE_CHARS_MAX
    return as_text(code if fits and any(c.isdigit() for c in code) else None)
