"""Storing and reloading after any step changes nothing, over generated programs."""

from __future__ import annotations

import random
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.chat_entries import Publishes
from engine.codec import decode_plan, encode_plan
from engine.compiler import compile_script
from engine.errors import CompileError
from engine.plan import Plan
from engine.policy import Policy
from engine.state import encode_state
from engine.waits import question_of
from tests.engine.player import Player
from tests.engine.programs import programs
from tests.scale import examples

ANSWERS = ("yes", "no", "3", "x", "", "Green", "11")
TURNS_MAX = 25


def conversation(plan: Plan, seed: int, *, stored: bool) -> tuple[list[str], object]:
    """Play a plan against seeded answers; with `stored` every single step goes through the checkpoint."""
    policy = Policy(steps_per_slice_max=1 if stored else 1_000, steps_per_turn_max=3_000)
    player = Player(plan, policy, store_every_slice=stored)
    chance = random.Random(seed)
    player.run()
    for _ in range(TURNS_MAX):
        if player.done is not None:
            break
        if chance.random() < 0.1:
            player.publish(Publishes("tock", 3))
        elif question_of(player.state.wait) is not None and chance.random() < 0.8:
            player.hear(chance.choice(ANSWERS))
        else:
            player.after(timedelta(minutes=3))
    return player.transcript, encode_state(player.state)


@given(programs(), st.integers(0, 10_000))
@settings(max_examples=examples(40), deadline=None)
def test_storing_after_every_step_changes_nothing(source: str, seed: int) -> None:
    plan = compile_script("p.bas", {"p.bas": source})
    assert conversation(plan, seed, stored=True) == conversation(plan, seed, stored=False)


@given(programs(), st.integers(0, 10_000))
@settings(max_examples=examples(40), deadline=None)
def test_shortcuts_change_nothing(source: str, seed: int) -> None:
    plan, plain = (compile_script("p.bas", {"p.bas": source}) for _ in range(2))
    object.__setattr__(plain, "shortcuts", {})
    object.__setattr__(plain, "questions", {})
    for stored in (False, True):
        assert conversation(plan, seed, stored=stored) == conversation(plain, seed, stored=stored)


def test_a_plain_turn_takes_shortcuts_alone() -> None:
    source = """
        n = 0
        DO
            HEAR said
            SET n = n + 1
            IF said = "yes" THEN
                TALK "good"
            END IF
            TALK "That was ${n}"
        LOOP
    """
    plan = compile_script("p.bas", {"p.bas": source})
    object.__setattr__(plan, "runs", {})  # so that whatever goes the long way fails
    player = Player(plan, Policy(), store_every_slice=False)
    player.run()
    player.hear("yes")
    player.hear("no")
    assert player.transcript == ["user: yes", "bot: good", "bot: That was 1", "user: no", "bot: That was 2"]


def test_questions_with_a_prompt_a_type_and_a_deadline_take_shortcuts_alone() -> None:
    source = """
        HEAR name AS NAME WITH "Your name?" TIMEOUT 10 MINUTES
        HEAR age AS INTEGER WITH "And how old are you, ${name}?" RETRIES 2 DEFAULT 18
        HEAR said
    """
    plan = compile_script("p.bas", {"p.bas": source})
    object.__setattr__(plan, "runs", {})
    player = Player(plan, Policy(), store_every_slice=False)
    player.run()
    begun, first = player.now, question_of(player.state.wait)
    assert first is not None and first.deadline == begun + timedelta(minutes=10) and first.prompt == "Your name?"
    player.hear("ann")
    second = question_of(player.state.wait)
    assert second is not None and (second.deadline, second.type, second.tries_left) == (None, "integer", 2)
    player.hear("41")
    assert player.state.variables["age"] == 41
    assert player.transcript == [
        "bot: Your name?", "user: ann", "bot: And how old are you, Ann?", "user: 41",
    ]  # fmt: skip


@given(programs())
@settings(max_examples=examples(20), deadline=None)
def test_plan_is_the_same_after_storing(source: str) -> None:
    plan = compile_script("p.bas", {"p.bas": source})
    again = decode_plan(encode_plan(plan))
    assert again == plan and again.steps == plan.steps and again.following == plan.following


@given(programs(1), st.data())
@settings(max_examples=examples(50), deadline=None)
def test_a_damaged_program_compiles_or_gives_compile_error(source: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(source)))
    drop = data.draw(st.integers(0, 12))
    extra = data.draw(st.text(alphabet="\"'(){}[]#$\n.,=&TALKENDIFE x1_\\", max_size=6))
    compiles_or_says_why(source[:at] + extra + source[at + drop :])


@given(st.text())
@settings(max_examples=examples(50), deadline=None)
def test_any_text_compiles_or_gives_compile_error(source: str) -> None:
    compiles_or_says_why(source)


def compiles_or_says_why(source: str) -> None:
    try:
        compile_script("p.bas", {"p.bas": source})
    except CompileError as error:
        assert all(p.message and p.line >= 1 and p.column >= 1 for p in error.problems)
        assert str(error)
