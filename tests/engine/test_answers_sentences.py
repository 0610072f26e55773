"""What users read: each type has a sentence in six languages, and its example is an answer that fits."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random

import pytest

from engine.answers import TYPE_ALIASES, Accepted, Rejected, check_answer
from engine.answers.sentences import example_of
from engine.answers.words import LANGUAGES
from engine.events import Attachment

ATTACHED = frozenset({"file", "image", "audio", "video", "document", "qrcode"})


def outcome_of(
    type: str, content: str, language: str, sentences: dict[str, str] | None = None, *files: Attachment
) -> Accepted | Rejected:
    return check_answer(
        type, content, files, (), now=datetime(2026, 11, 22, tzinfo=UTC), random=Random(1), language=language,
        sentences=sentences or {},
    )  # fmt: skip


def sentence(type: str, language: str, sentences: dict[str, str] | None = None) -> str:
    outcome = outcome_of(type, "", language, sentences)
    assert isinstance(outcome, Rejected)
    return outcome.sentence


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("type", TYPE_ALIASES)
def test_the_example_of_a_sentence_is_an_answer_that_fits(type: str, language: str) -> None:
    example = example_of(type, language)
    assert example
    assert sentence(type, language).endswith(example)
    if type in ATTACHED:
        outcome = outcome_of(type, "", language, None, Attachment(f"https://files.example/{example}"))
    else:
        outcome = outcome_of(type, example, language)
    assert isinstance(outcome, Accepted)


def test_no_two_types_and_no_two_languages_say_the_same() -> None:
    said = [sentence(type, language) for type in TYPE_ALIASES for language in LANGUAGES]
    assert len(set(said)) == len(said)
    assert not any("{" in s for s in said)


@pytest.mark.parametrize(
    ("tag", "language"),
    [("pt-BR", "pt"), ("PT_br", "pt"), ("de-AT", "de"), ("xx", "en"), ("", "en"), ("zh-Hant-TW", "en")],
)
def test_a_tag_falls_back_to_its_language_and_an_unknown_one_to_english(tag: str, language: str) -> None:
    assert sentence("email", tag) == sentence("email", language)


def test_the_configurations_own_sentences_come_first() -> None:
    own = {"email.pt-BR": "BR", "email.pt": "PT, {example}", "email": "ANY"}
    assert sentence("email", "pt-BR", own) == "BR"
    assert sentence("email", "pt-PT", own) == "PT, ana@example.com"
    assert sentence("email", "fr", own) == "ANY"
    assert sentence("date", "fr", own) == sentence("date", "fr")


def test_sentences_of_the_configuration_are_no_format_strings() -> None:
    assert sentence("email", "en", {"email": "{0.__class__} {nothing} 100% {"}) == "{0.__class__} {nothing} 100% {"
