"""Events, handlers, branches and approvals on the bare engine; how their lines are read."""

from __future__ import annotations

import pytest

from daemon.chat_entries import Publishes
from engine.compiler import compile_script
from engine.declarations import declarations
from engine.errors import CompileError
from engine.events import EventPublished
from engine.interrupts import handler_of
from engine.state import decode_state, encode_state
from engine.steps import Declaration, Resumed
from engine.waits import FirstOf, ForEvent, ForMessage, ForRequest, ForTime, parts_of
from tests.engine.player import Player, play


def problems(source: str) -> list[str]:
    with pytest.raises(CompileError) as refused:
        compile_script("a.bas", {"a.bas": source})
    return [problem.message for problem in refused.value.problems]


def declared(source: str) -> list[Declaration]:
    return list(declarations(compile_script("a.bas", {"a.bas": source})))


# ── waits for events ──


def test_f24_an_early_event_is_used_once() -> None:
    script = """
    x = WAIT FOR EVENT "e" TIMEOUT 5
    TALK "${x ?? "none"}"
    x = WAIT FOR EVENT "E" TIMEOUT 5
    TALK "${x ?? "none"}"
    """
    assert play("WAIT 1\n" + script, "event e 7\nafter 1 second\nafter 5 seconds") == [
        "event e 7",
        "after 1 second",
        "bot: 7",
        "after 5 seconds",
        "bot: none",
    ]


def test_f27_the_first_of_answer_event_and_time_wins() -> None:
    script = """
    HEAR x AS INTEGER WITH "How many?" OR EVENT "stop" OR AFTER 1 MINUTE
    TALK "${x ?? "-"} ${event ?? "-"} ${event_data ?? "-"}"
    """
    assert play(script, "user: 3")[-1] == "bot: 3 - -"
    assert play(script, "event STOP 9")[-1] == "bot: - stop 9"
    assert play(script, "after 1 minute")[-1] == "bot: - - -"
    assert play(script, "user: many\nuser: 4")[-1] == "bot: 4 - -", "an answer that is refused gives nothing up"


def test_wait_for_a_time_is_a_sleep() -> None:
    assert play('WAIT FOR 10 MINUTES\nTALK "up"', "after 10 minutes")[-1] == "bot: up"


def test_a_word_after_or_is_a_variable_where_no_event_follows() -> None:
    script = (
        'event = TRUE\nafter = FALSE\nIF after OR event THEN TALK "yes"\nIF after OR event AND after THEN TALK "no"'
    )
    assert play(script) == ["bot: yes"]


def test_f36_the_wait_carries_a_number_and_a_new_wait_a_new_one() -> None:
    player = Player(compile_script("a.bas", {"a.bas": 'DO\nHEAR x OR EVENT "e" OR AFTER 5\nLOOP'}))
    player.run()
    (question, time, first) = parts_of(player.state.wait)
    assert isinstance(question, ForMessage) and isinstance(time, ForTime) and isinstance(first, ForEvent)
    player.hear("again")
    second = parts_of(player.state.wait)[2]
    assert isinstance(second, ForEvent) and second.number > first.number


# ── handlers ──

TICKS = """
n = 0
ON EVENT "tick" DO
    n = n + 1
END ON
"""


def test_f37_a_handler_does_not_move_the_deadline_of_what_it_interrupts() -> None:
    script = TICKS + 'HEAR x DEFAULT "late" TIMEOUT 10\nTALK "${x} ${n}"'
    chat = "after 6 seconds\nevent tick\nafter 3 seconds\nevent tick\nafter 1 second"
    assert play(script, chat)[-1] == "bot: late 2"


def test_a_handler_that_waits_itself_holds_what_it_interrupts() -> None:
    script = """
    ON EVENT "call" DO
        HEAR y WITH "On the phone?"
        TALK "phone: ${y}"
    END ON
    x = WAIT FOR EVENT "paid"
    TALK "paid ${x}"
    """
    chat = "event call\nevent paid 5\nuser: yes"
    assert play(script, chat) == [
        "event call",
        "bot: On the phone?",
        "event paid 5",
        "user: yes",
        "bot: phone: yes",
        "bot: paid 5",
    ]


def test_the_checkpoint_inside_a_handler_keeps_the_wait_behind_it() -> None:
    script = TICKS.replace("n = n + 1", "HEAR y") + "HEAR x"
    player = Player(compile_script("a.bas", {"a.bas": script}))
    player.run()
    assert isinstance(player.state.wait, FirstOf)
    tick = parts_of(player.state.wait)[1]
    assert isinstance(tick, ForEvent) and tick.handler
    player.publish(Publishes("tick"))
    again = decode_state(encode_state(player.state))
    assert isinstance(again.wait, ForMessage)
    assert isinstance(again.interrupted, ForMessage)
    assert again.interrupted.prompt_id != again.wait.prompt_id
    assert again.waits == (again.wait, again.interrupted)


def test_the_step_that_waits_for_an_event_has_it_before_a_handler() -> None:
    assert play(TICKS + 'WAIT FOR EVENT "tick"\nTALK "${n}"', "event tick")[-1] == "bot: 0"


def test_a_name_that_is_new_in_a_handler_is_the_scripts() -> None:
    script = 'ON EVENT "tick" DO\n seen = event_data\nEND ON\nHEAR x\nTALK seen'
    assert play(script, "event tick 7\nuser: me")[-1] == "bot: 7"


def test_an_error_in_a_handler_is_one_of_the_script() -> None:
    failing = TICKS.replace("n = n + 1", 'THROW "no"')
    assert "no (step" in play(failing + "HEAR x", "event tick")[-1]
    caught = 'TRY\nHEAR x\nCATCH e\nTALK "caught ${e}"\nEND TRY'
    assert play(failing + caught, "event tick")[-1] == "bot: caught no"
    goes_on = "ON ERROR RESUME NEXT\n" + failing + 'HEAR x\nTALK "heard ${x}"'
    assert play(goes_on, "event tick\nuser: me")[-1] == "bot: heard me"


def test_a_later_handler_takes_the_place_of_an_earlier_one() -> None:
    other = 'ON EVENT "tick"\n n = n + 10\nEND ON\n'
    assert play(TICKS + other + "HEAR x\nTALK n", "event tick\nuser: me")[-1] == "bot: 10"


def test_what_an_event_means_that_comes_for_nobody_here() -> None:

    assert handler_of(Resumed(EventPublished("e"), ForEvent("e"))) is None
    assert handler_of(Resumed(EventPublished("e"), ForEvent("e", handler="p"))) is not None


def test_a_script_of_handlers_alone_is_started_by_the_event() -> None:
    (one,) = declared(TICKS.replace("n = 0\n", ""))
    assert (one.kind, one.name, one.data) == ("event", "tick", {"procedure": "a.bas#1.0"})
    assert declared(TICKS + "HEAR x") == []
    assert [d.kind for d in declared('WEBHOOK "Orders"\nON FORM SUBMIT\nON INSERT OF "t"\nTRIGGER "x"')] == [
        "webhook",
        "form",
        "table",
        "trigger",
    ]


# ── branches ──


def test_a_branch_sees_what_was_there_and_the_later_one_counts() -> None:
    script = """
    x = 1
    PARALLEL
      BRANCH A: x = x + 1
      BRANCH "B":
        x = x + 10
        y = x
      BRANCH C: RETURN 5
      BRANCH D:
        RETURN {"z": 6}
    END PARALLEL
    TALK "${x} ${y} ${result} ${z}"
    """
    assert play(script) == ["bot: 11 11 5 6"]


def test_a_failing_branch_lets_the_others_end_and_can_be_caught() -> None:
    script = """
    TRY
      PARALLEL
        BRANCH A: THROW "no paper"
        BRANCH B: SET BOT MEMORY "b", 1
      END PARALLEL
    CATCH e
      TALK e
    END TRY
    TALK GET_BOT_MEMORY("b")
    """
    *_, first, second = play(script)
    assert first.startswith("bot: branch 1 of PARALLEL: a branch has failed:") and "no paper" in first
    assert second == "bot: 1"


def test_parallel_in_a_loop_starts_anew_each_time() -> None:
    script = "FOR i = 1 TO 3\nPARALLEL\nBRANCH A: n = n + i\nEND PARALLEL\nNEXT\nTALK n"
    assert play(script) == ["bot: 6"]


def test_nothing_leads_out_of_a_branch() -> None:
    (message,) = problems("FOR i = 1 TO 3\nPARALLEL\nBRANCH A: EXIT FOR\nEND PARALLEL\nNEXT")
    assert message == "there is no FOR loop around this statement"
    (message,) = problems('PARALLEL\nTALK "x"\nBRANCH A: TALK "y"\nEND PARALLEL')
    assert message == "a statement of PARALLEL stands in no branch"


def test_a_bot_may_be_a_tool_and_what_is_neither_says_so() -> None:
    script = 'BOT "create" "a ticket"\nTALK result'
    player = Player(compile_script("a.bas", {"a.bas": script}), queries={"tool:create": lambda q: q.arguments[0]})
    player.run()
    assert player.transcript == ["bot: a ticket"]
    assert "There is no bot and no script 'nobody'." in play('BOT "nobody"')[-1]


# ── approvals, and how a workflow is written ──


def test_a_workflow_as_people_write_it() -> None:
    script = """
ORCHESTRATE WORKFLOW "leave"
  STEP 1: TALK "one"
  STEP 2:
    HUMAN APPROVAL FROM ["a", "b"] TIMEOUT 60
    ON TIMEOUT:
      TALK "asking again"
      FOR i = 1 TO 2
        n = n + i
      NEXT
  STEP "three": TALK "${approved} ${n}"
  DELAY 5
  STEP 4: ok = HUMAN APPROVAL FROM "c" FOR "more" TIMEOUT 1 MINUTE ON TIMEOUT: APPROVE
  STEP 5: PARALLEL
    BRANCH A: p = 1
    BRANCH B: q = 2
  END PARALLEL
  STEP 6: TALK "${ok} ${p} ${q}"
"""
    assert play(script, "after 60 seconds\nafter 5 seconds\nafter 1 minute") == [
        "bot: one",
        "after 60 seconds",
        "bot: asking again",
        "bot: false 3",
        "after 5 seconds",
        "after 1 minute",
        "bot: true 1 2",
    ]


def test_an_escalation_asks_once_more_and_then_rejects() -> None:
    script = 'HUMAN APPROVAL FROM "a" TIMEOUT 60\nON TIMEOUT: ESCALATE TO "b"\nTALK "${approved} ${approver ?? "-"}"'
    assert play(script, "after 60 seconds\napprove: fine")[-1] == "bot: true b"
    assert play(script, "after 60 seconds\nafter 60 seconds")[-1] == "bot: false -"


def test_f37_an_approval_keeps_its_deadline_while_handlers_run() -> None:
    script = TICKS + 'HUMAN APPROVAL FROM "a" TIMEOUT 60\nTALK "${approved} ${n}"'
    player = Player(compile_script("a.bas", {"a.bas": script}))
    player.run()
    before = [p for p in parts_of(player.state.wait) if isinstance(p, ForRequest)]
    player.publish(Publishes("tick"))
    assert [p for p in parts_of(player.state.wait) if isinstance(p, ForRequest)] == before


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("ON TIMEOUT: REJECT", "ON TIMEOUT stands behind no HUMAN APPROVAL"),
        ('HUMAN APPROVAL FROM "a"\nON TIMEOUT: REJECT\nON TIMEOUT: APPROVE', "HUMAN APPROVAL has one ON TIMEOUT"),
        ('PARALLEL\nBRANCH A: TALK "x"', "PARALLEL is never closed"),
        ('ON EVENT "e" DO\nTALK "x"', "ON EVENT is never closed"),
        ('ON EVENT "" DO\nEND ON', "an event needs a name"),
        ("WAIT FOR 10", "WAIT FOR waits for an event"),
        ("WEBHOOK name", "WEBHOOK needs a name in quotes"),
        ('TRIGGER ""', "TRIGGER needs a name in quotes"),
    ],
)
def test_what_is_wrong_is_said(source: str, message: str) -> None:
    assert message in problems(source)


def test_names_that_look_like_a_workflow_stay_names() -> None:
    assert play("step = 1\nbranch = 2\nbot = 3\nparallel = 4\nTALK step + branch + bot + parallel") == ["bot: 10"]
