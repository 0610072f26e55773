"""PASSWORD and CREDITCARD: the clear text is nowhere in what comes back."""

from __future__ import annotations

import base64
import hashlib
import time
from datetime import UTC, datetime
from random import Random

import pytest

from engine.answers import SECRET_TYPES, Accepted, Rejected, check_answer
from engine.answers.outcomes import Answer
from tests.engine.speed import slowness


def heard(type: str, content: str, random: Random) -> Accepted | Rejected:
    return check_answer(
        type,
        content,
        (),
        (),
        now=datetime(2026, 1, 1, tzinfo=UTC),
        random=random,
        language="en",
        sentences={},
    )


# The card companies' published test numbers.
CARDS = {
    "4111 1111 1111 1111": "**** **** **** 1111",
    "4242-4242-4242-4242": "**** **** **** 4242",
    "5555555555554444": "**** **** **** 4444",
    "3782 822463 10005": "**** **** **** 0005",
    "6011 1111 1111 1117": "**** **** **** 1117",
    "３５３０１１１３３３３０００００": "**** **** **** 0000",
    "4222222222222": "**** **** **** 2222",
}


@pytest.mark.parametrize(("number", "masked"), CARDS.items())
def test_a_card_is_masked_at_once(number: str, masked: str) -> None:
    assert heard("creditcard", number, Random(1)) == Accepted(masked, masked)


@pytest.mark.parametrize("number", CARDS)
def test_one_wrong_digit_is_no_card(number: str) -> None:
    wrong = number[:-1] + str((int(number[-1]) + 1) % 10)
    outcome = heard("creditcard", wrong, Random(1))
    assert isinstance(outcome, Rejected)
    assert wrong not in outcome.sentence


@pytest.mark.parametrize("password", ["correct horse", "p@$$w0rd", "пароль-пароль", "🔒🔒🔒🔒🔒🔒🔒🔒", "x" * 2000])
def test_a_password_is_stored_as_a_salted_hash_that_can_be_verified(password: str) -> None:
    outcome = heard("password", f"  {password}\n", Random(7))
    assert isinstance(outcome, Accepted)
    assert outcome.shown == "[PASSWORD SET]"
    assert isinstance(outcome.value, str)
    assert password not in outcome.value
    method, iterations, salt, digest = outcome.value.split("$")
    assert method == "pbkdf2_sha256"
    again = hashlib.pbkdf2_hmac("sha256", password.encode(), salt.encode(), int(iterations))
    assert base64.b64decode(digest) == again


def test_the_salt_is_new_each_time_and_the_turns_own() -> None:
    random = Random(3)
    first, second = heard("password", "correct horse", random), heard("password", "correct horse", random)
    assert first != second
    assert heard("password", "correct horse", Random(3)) == first


def test_a_short_password_is_not_repeated_in_the_sentence() -> None:
    outcome = heard("password", "hunter2", Random(1))
    assert isinstance(outcome, Rejected)
    assert "hunter2" not in outcome.sentence


def test_a_password_costs_a_turn_little() -> None:
    costs = []
    for _ in range(5):
        began = time.process_time()
        heard("password", "x" * 2000, Random(1))
        costs.append(time.process_time() - began)
    assert min(costs) < 0.040 * slowness(), "twice the 20 ms that a turn may spend, for slower machines"


def test_secret_types_and_an_answer_that_keeps_quiet() -> None:
    assert {"password", "creditcard"} == SECRET_TYPES
    answer = Answer("hunter22", "hunter22", (), datetime(2026, 1, 1, tzinfo=UTC), Random(1), "en", "")
    assert "hunter22" not in repr(answer)
