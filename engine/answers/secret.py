"""CREDITCARD and PASSWORD: answers whose clear text exists only inside these two functions."""

from __future__ import annotations

import base64
import hashlib
import string

from engine.answers.cleaning import only_digits
from engine.answers.outcomes import Accepted, Answer

CARD_DIGITS_MIN = 12
CARD_DIGITS_MAX = 19
"""ISO/IEC 7812-1."""
PASSWORD_CHARS_MIN = 8
PASSWORD_SHOWN = "[PASSWORD SET]"
PASSWORD_ITERATIONS = 20_000
"""About 12 ms of one core: a turn must not hold the others up. A store for log-ins wants many more."""
SALT_CHARS = 22
"""Of 62 letters and digits: 131 bits."""

_SALT_ALPHABET = string.ascii_letters + string.digits


def check_creditcard(answer: Answer) -> Accepted | None:
    """Accept a card number that passes Luhn (ISO/IEC 7812-1, annex B); value and shown have its last four."""
    digits = only_digits(answer.text, " -")
    if digits is None or not CARD_DIGITS_MIN <= len(digits) <= CARD_DIGITS_MAX or len(set(digits)) == 1:
        return None
    total = 0
    for i, digit in enumerate(reversed(digits)):
        doubled = int(digit) * (1 + i % 2)
        total += doubled - 9 if doubled > 9 else doubled
    if total % 10:
        return None
    masked = f"**** **** **** {digits[-4:]}"
    return Accepted(masked, masked)


def check_password(answer: Answer) -> Accepted | None:
    """Accept PASSWORD_CHARS_MIN characters or more; the value is `pbkdf2_sha256$iterations$salt$hash`.

    The form is Django's: the salt's ASCII letters are the salt, the hash is base64 of 32 bytes. The text
    is hashed as it came, trimmed, in UTF-8.
    """
    if len(answer.raw) < PASSWORD_CHARS_MIN:
        return None
    salt = "".join(answer.random.choices(_SALT_ALPHABET, k=SALT_CHARS))
    digest = hashlib.pbkdf2_hmac("sha256", answer.raw.encode(), salt.encode(), PASSWORD_ITERATIONS)
    value = f"pbkdf2_sha256${PASSWORD_ITERATIONS}${salt}${base64.b64encode(digest).decode()}"
    return Accepted(value, PASSWORD_SHOWN)
