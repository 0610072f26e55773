"""A menu's answer: one of its choices by text, number, or a part that only one of them has."""

from __future__ import annotations

from engine.answers.cleaning import ANSWER_CHARS_MAX, folded
from engine.answers.outcomes import Accepted, as_text

ANYTHING = "*"
MENU_CHOICES_SHOWN_MAX = 50
MENU_NUMBER_DIGITS_MAX = 6


def offered(choices: tuple[str, ...]) -> tuple[str, ...]:
    """Return the choices a user sees, in the order of their numbers: all but `*` and blank ones."""
    return tuple(c for c in choices if c.strip() and c.strip() != ANYTHING)


def check_menu(text: str, choices: tuple[str, ...]) -> Accepted | None:
    """Accept the trimmed text by the first of these that holds: same text, same but for case and accents,
    its number, a part of one choice only; with `*` among the choices, any text that is not blank.
    """
    shown = offered(choices)
    if text in shown:
        return as_text(text)
    if 0 < len(text) <= ANSWER_CHARS_MAX and (found := _find(folded(text), shown)) is not None:
        return as_text(found)
    return as_text(text) if text and any(c.strip() == ANYTHING for c in choices) else None


def _find(wanted: str, shown: tuple[str, ...]) -> str | None:
    names = [folded(choice[:ANSWER_CHARS_MAX]) for choice in shown]
    if wanted and wanted in names:
        return shown[names.index(wanted)]
    number = wanted.strip("#.)( ")
    is_number = number.isascii() and number.isdigit() and len(number) <= MENU_NUMBER_DIGITS_MAX
    if is_number and 1 <= int(number) <= len(shown):
        return shown[int(number) - 1]
    if not any(c.isalnum() for c in wanted):
        return None
    holders = [i for i, name in enumerate(names) if wanted in name]
    return shown[holders[0]] if len(holders) == 1 else None


def listed(choices: tuple[str, ...]) -> str:
    """Return the choices as a numbered list, one a line, at most MENU_CHOICES_SHOWN_MAX of them."""
    shown = offered(choices)
    lines = [f"{n}. {choice}" for n, choice in enumerate(shown[:MENU_CHOICES_SHOWN_MAX], 1)]
    return "\n".join([*lines, "…"] if len(shown) > MENU_CHOICES_SHOWN_MAX else lines)
