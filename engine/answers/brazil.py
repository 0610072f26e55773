"""CPF and CNPJ: Brazil's tax numbers, verified by their check digits (modulo 11)."""

from __future__ import annotations

from engine.answers.cleaning import only_digits
from engine.answers.outcomes import Accepted, Answer, as_text

CPF_DIGITS = 11
CNPJ_CHARS = 14
CNPJ_WEIGHTS = (2, 3, 4, 5, 6, 7, 8, 9)


def check_cpf(answer: Answer) -> Accepted | None:
    """Accept a CPF whose check digits fit; the value is 000.000.000-00."""
    digits = only_digits(answer.text, " .-/")
    if digits is None or len(digits) != CPF_DIGITS or len(set(digits)) == 1:
        return None
    for length in (9, 10):
        total = sum(int(d) * weight for d, weight in zip(digits, range(length + 1, 1, -1), strict=False))
        if int(digits[length]) != total * 10 % 11 % 10:
            return None
    return as_text(f"{digits[:3]}.{digits[3:6]}.{digits[6:9]}-{digits[9:]}")


def check_cnpj(answer: Answer) -> Accepted | None:
    """Accept a CNPJ, of digits or alphanumeric; the value is 00.000.000/0000-00.

    The alphanumeric CNPJ (Receita Federal, Instrução Normativa 2.229/2024, issued from July 2026) has
    letters or digits in its first twelve places, each worth its ASCII code less 48, and two check digits.
    """
    text = answer.text.upper()
    code = "".join(c for c in text if c not in " .-/")
    fits = len(code) == CNPJ_CHARS and code.isascii() and code.isalnum() and code[12:].isdigit()
    if not fits or len(set(code)) == 1:
        return None
    for length in (12, 13):
        total = sum((ord(c) - 48) * CNPJ_WEIGHTS[i % len(CNPJ_WEIGHTS)] for i, c in enumerate(reversed(code[:length])))
        remainder = total % 11
        if int(code[length]) != (0 if remainder < 2 else 11 - remainder):
            return None
    return as_text(f"{code[:2]}.{code[2:5]}.{code[5:8]}/{code[8:12]}-{code[12:]}")
