"""A menu's answers: text, number, unique part, anything; and the list that a wrong one gets."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random

import pytest

from engine.answers import Accepted, Rejected, check_answer

SIZES = ("Small", "Medium", "Large", "Extra large")
PAY = ("Cartão de crédito", "Boleto", "*")


def pick(choices: tuple[str, ...], content: str, language: str = "en") -> str | None:
    """Return the choice taken, or None where the menu is asked again."""
    outcome = check_answer(
        "text", content, (), choices, now=datetime(2026, 1, 1, tzinfo=UTC), random=Random(1),
        language=language, sentences={},
    )  # fmt: skip
    if isinstance(outcome, Rejected):
        return None
    assert isinstance(outcome.value, str)
    assert outcome.shown == outcome.value
    return outcome.value


@pytest.mark.parametrize(
    ("choices", "content", "taken"),
    [
        (SIZES, "Small", "Small"),
        (SIZES, "  sMALL ", "Small"),
        (SIZES, "1", "Small"),
        (SIZES, "2.", "Medium"),
        (SIZES, "#3", "Large"),
        (SIZES, "4️⃣", "Extra large"),
        (SIZES, "２", "Medium"),
        (SIZES, "٢", "Medium"),
        (SIZES, "large", "Large"),
        (SIZES, "med", "Medium"),
        (SIZES, "extra", "Extra large"),
        (SIZES, "larg", None),
        (SIZES, "0", None),
        (SIZES, "5", None),
        (SIZES, "9" * 5000, None),
        (SIZES, "huge", None),
        (SIZES, "", None),
        (SIZES, " ", None),
        (PAY, "cartao DE credito", "Cartão de crédito"),
        (PAY, "credito", "Cartão de crédito"),
        (PAY, "2", "Boleto"),
        (PAY, "3", "3"),
        (PAY, "in cash", "in cash"),
        (PAY, "x" * 9999, "x" * 9999),
        (PAY, "", None),
        (("10", "20", "2"), "2", "2"),
        (("10", "20", "2"), "3", "2"),
        (("*", "a", "b"), "1", "a"),
        (("yes", "Yes"), "Yes", "Yes"),
        (("yes", "Yes"), "YES", "yes"),
        (("👍", "👎"), "👎", "👎"),
        (("a.b", "c"), ".", None),
        (("*",), "anything", "anything"),
    ],
)
def test_a_menu_takes_text_number_or_a_unique_part(choices: tuple[str, ...], content: str, taken: str | None) -> None:
    assert pick(choices, content) == taken


def test_every_choice_is_taken_by_its_text_and_its_number() -> None:
    for number, choice in enumerate(SIZES, 1):
        assert pick(SIZES, choice) == pick(SIZES, str(number)) == choice


def ask(choices: tuple[str, ...], language: str, sentences: dict[str, str]) -> str:
    outcome = check_answer(
        "integer", "?", (), choices, now=datetime(2026, 1, 1, tzinfo=UTC), random=Random(1),
        language=language, sentences=sentences,
    )  # fmt: skip
    assert isinstance(outcome, Rejected)
    return outcome.sentence


def test_a_rejection_lists_the_choices_with_their_numbers() -> None:
    assert ask(SIZES, "en", {}) == (
        "Please choose one of these, by its text or its number:\n1. Small\n2. Medium\n3. Large\n4. Extra large"
    )
    assert ask(("sim", "não"), "pt-BR", {}).endswith(":\n1. sim\n2. não")
    assert ask(SIZES, "en", {"menu": "One of {choices}!"}).startswith("One of 1. Small\n")


def test_a_long_menu_is_listed_in_part() -> None:
    choices = tuple(f"item {n}" for n in range(1, 1001))
    lines = ask(choices, "en", {}).splitlines()
    assert lines[-2:] == ["50. item 50", "…"]
    assert pick(choices, "item 1000") == pick(choices, "1000") == "item 1000"


def test_braces_in_a_choice_are_text() -> None:
    assert ask(("{example}", "{choices}"), "en", {}).endswith("1. {example}\n2. {choices}")


def test_the_value_is_the_choice_as_the_script_spells_it() -> None:
    outcome = check_answer(
        "text", "CAFE", (), ("Café", "Thé"), now=datetime(2026, 1, 1, tzinfo=UTC), random=Random(1),
        language="fr", sentences={},
    )  # fmt: skip
    assert outcome == Accepted("Café", "Café")
