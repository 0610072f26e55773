"""Any text for any type gives an outcome, soon, and a value that a checkpoint can hold."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.answers import SECRET_TYPES, TYPE_ALIASES, Accepted, Rejected, check_answer, type_names
from engine.answers.words import DAYS, HOURS, LANGUAGES, MONTHS, NO, YES
from engine.events import Attachment
from tests.engine.speed import slowness
from tests.scale import examples

NOW = datetime(2026, 11, 22, 13, 5, tzinfo=UTC)
SECONDS_MAX = 1.0
"""For ten million characters; a check that is not linear takes minutes."""


def check(
    type: str,
    content: str,
    language: str = "en",
    choices: tuple[str, ...] = (),
    files: tuple[Attachment, ...] = (),
) -> Accepted | Rejected:
    return check_answer(type, content, files, choices, now=NOW, random=Random(1), language=language, sentences={})


def is_storable(outcome: Accepted | Rejected) -> bool:
    if isinstance(outcome, Rejected):
        return bool(outcome.sentence.strip())
    text = json.dumps(outcome.value, ensure_ascii=False, allow_nan=False) + outcome.shown
    text.encode()
    return "\0" not in text and json.loads(json.dumps(outcome.value)) == outcome.value


# Pieces that the checks look for, so that random texts get further than the first character.
WORDS = sorted({*MONTHS, *DAYS, *HOURS, *YES, *NO, "am", "pm", "R$", "€", "https://", "rgb(", "0x", "e", "E+"})
PIECES = st.one_of(
    st.sampled_from(WORDS),
    st.integers(0, 99999).map(str),
    st.sampled_from(list(" .,:;-/+@#()'\"_\\[]{}<>%&|*º\u200b\u202e\u0301\u00b2\ud800\udc00\0１٣𐩀ßİŉǆ½①")),
    st.characters(),
)
TEXTS = st.one_of(st.text(), st.lists(PIECES, max_size=12).map("".join))
TYPES = st.sampled_from([t for t in type_names() if t not in ("password", "secret")])
TAGS = st.sampled_from([*LANGUAGES, "pt-BR", "en-GB", "es-MX", "de-CH", "ja", "", "-"])


@settings(max_examples=examples(300), deadline=None)
@given(TYPES, TEXTS, TAGS)
def test_any_text_is_accepted_or_asked_again(type: str, content: str, tag: str) -> None:
    assert is_storable(check(type, content, tag))


@settings(max_examples=examples(20), deadline=None)
@given(TEXTS)
def test_any_password_stays_secret(content: str) -> None:
    outcome = check("password", content)
    assert is_storable(outcome)
    if isinstance(outcome, Accepted):
        assert outcome.shown == "[PASSWORD SET]"
        assert content.strip() not in str(outcome.value)


@settings(max_examples=examples(100), deadline=None)
@given(st.text("0123456789 -", min_size=12, max_size=24))
def test_any_card_shows_four_digits_at_most(content: str) -> None:
    outcome = check("creditcard", content)
    said = outcome.sentence if isinstance(outcome, Rejected) else f"{outcome.value}{outcome.shown}"
    digits = "".join(c for c in content if c.isdigit())
    if isinstance(outcome, Accepted):
        assert outcome.value == outcome.shown == f"**** **** **** {digits[-4:]}"
    assert content not in said


# A value in its own form is understood in any language; numbers and menus of the language's own are not text.
AGAIN = sorted(set(TYPE_ALIASES) - SECRET_TYPES - {"integer", "float", "money", "boolean"})


@settings(max_examples=examples(300), deadline=None)
@given(st.sampled_from(AGAIN), TEXTS, TAGS, TAGS)
def test_an_accepted_value_is_accepted_as_it_is(type: str, content: str, tag: str, other: str) -> None:
    outcome = check(type, content, tag)
    if isinstance(outcome, Accepted):
        assert check(type, str(outcome.value), other) == outcome


@settings(max_examples=examples(150), deadline=None)
@given(st.sampled_from(["integer", "float", "money", "boolean"]), TEXTS, TAGS)
def test_an_accepted_number_printed_is_the_same_number(type: str, content: str, tag: str) -> None:
    outcome = check(type, content, tag)
    if isinstance(outcome, Accepted):
        assert check(type, outcome.shown, "en") == outcome


@given(st.integers(-(10**18) + 1, 10**18 - 1))
def test_every_integer_comes_back(number: int) -> None:
    assert check("integer", f"{number:,}") == check("integer", str(number)) == Accepted(number, str(number))
    assert check("integer", f"{number:,}".replace(",", "."), "pt") == Accepted(number, str(number))


@given(st.dates())
def test_every_day_comes_back_in_every_order(day: datetime) -> None:
    iso = day.isoformat()
    year = f"{day.year:04}"
    assert check("date", iso) == Accepted(iso, iso)
    assert check("date", f"{day.day}/{day.month}/{year}", "pt") == Accepted(iso, iso)
    assert check("date", f"{day.month}/{day.day}/{year}", "en") == Accepted(iso, iso)


@given(st.times())
def test_every_minute_comes_back(moment: datetime) -> None:
    clock = f"{moment.hour:02}:{moment.minute:02}"
    half = f"{moment.hour % 12 or 12}:{moment.minute:02} {'am' if moment.hour < 12 else 'pm'}"
    assert check("hour", clock) == check("hour", half) == Accepted(clock, clock)


@settings(max_examples=examples(100), deadline=None)
@given(TEXTS, st.lists(TEXTS, min_size=1, max_size=5).map(tuple))
def test_a_menu_gives_a_choice_or_asks_again(content: str, choices: tuple[str, ...]) -> None:
    outcome = check("text", content, choices=choices)
    if isinstance(outcome, Accepted) and not any(c.strip() == "*" for c in choices):
        assert outcome.value in choices


@settings(max_examples=examples(100), deadline=None)
@given(
    st.sampled_from(["file", "image", "audio", "video", "document", "qrcode"]),
    st.builds(Attachment, TEXTS, st.one_of(TEXTS, st.just("file")), TEXTS, TEXTS),
)
def test_any_attachment_is_accepted_or_asked_again(type: str, attachment: Attachment) -> None:
    assert is_storable(check(type, "", files=(attachment,)))


LONG = 100_000
BOMBS = {
    "blanks": " " * (10 * LONG),
    "letters": "a" * (10 * LONG),
    "digits": "9" * (10 * LONG),
    "blanks inside": "a" + " " * (10 * LONG) + "a",
    "accents": "a" + "\u0301\u0316" * (5 * LONG),
    "marks": "\u200b" * (10 * LONG),
    "surrogates": "\ud800" * LONG,
    "ats": "@" * (10 * LONG),
    "points": "1." * (5 * LONG),
    "ligatures": "\ufdfa" * LONG,
    "padded": " \u200b" * LONG + "yes" + "\u200b " * LONG,
    "short accents": "a" + "\u0301\u0316" * 1000,
    "short ligatures": "\ufdfa" * 2000,
    "short digits": "1," * 1000,
    "short points": "a." * 1000,
    "short ends": "1" + ",- " * 600,
    "short dashes": "a-" * 1000,
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_million_characters_cost_no_time(bomb: str) -> None:
    for type in TYPE_ALIASES:
        began = time.process_time()
        outcome = check(type, BOMBS[bomb])
        assert time.process_time() - began < SECONDS_MAX * slowness(), type
        assert isinstance(outcome, Rejected) or (bomb == "padded" or type in ("text", "qrcode", "password", "name"))
    began = time.process_time()
    check("text", BOMBS[bomb], choices=("a", "b"))
    assert time.process_time() - began < SECONDS_MAX * slowness()


def test_a_longer_answer_than_a_type_takes_is_asked_again() -> None:
    assert isinstance(check("password", "x" * 2048), Accepted)
    assert isinstance(check("password", "x" * 2049), Rejected)
    assert isinstance(check("text", "x" * (10 * LONG)), Accepted)
