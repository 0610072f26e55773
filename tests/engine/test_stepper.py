"""The state machine: what follows what, what catches what, and where it stops."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from engine.beginning import begin
from engine.compiler import compile_script
from engine.effects import Effect, Query, Reply
from engine.events import MessageReceived
from engine.expressions import Moment
from engine.plan import Plan
from engine.policy import CALL_DEPTH_MAX, Policy
from engine.state import StateTooLarge, UnreadableCheckpoint, decode_state, encode_state
from engine.stepper import Continue, Done, Suspend, advance, deliver
from engine.waits import ForMessage
from tests.engine.player import Player, Refused, play

NOW = datetime(2026, 3, 14, tzinfo=UTC)
MOMENT = Moment(NOW, random.Random(1), ZoneInfo("UTC"), "s")


def plan_of(source: str, **others: str) -> Plan:
    sources = {"p.bas": source, **{f"{name}.bas": text for name, text in others.items()}}
    return compile_script("p.bas", sources, tools=("create",))


def test_advance_does_not_change_the_state_it_is_given() -> None:
    plan = plan_of("x = [1]\nx.push(2)\nTALK x\nHEAR y\nx[0] = 9")
    state = begin(plan)
    before = encode_state(state)
    first = advance(plan, state, MOMENT, Policy())
    assert encode_state(state) == before
    assert isinstance(first, Suspend)
    waiting = encode_state(first.state)
    again = advance(plan, deliver(first.state, MessageReceived("a")), MOMENT, Policy())
    assert isinstance(again, Done) and again.state.variables["x"] == [9, 2]
    assert encode_state(first.state) == waiting and first.state.variables["x"] == [1, 2]


def test_endless_loop_ends_with_its_line() -> None:
    plan = plan_of('TALK "a"\nDO\n  x = x + 1\nLOOP')
    state, used, result = begin(plan), 0, None
    policy = Policy(steps_per_turn_max=2_000, steps_per_slice_max=300)
    while not isinstance(result, Done):
        result = advance(plan, state, MOMENT, policy, used)
        state, used = result.state, used + result.steps
    assert result.failure is not None and result.failure.kind == "endless"
    assert result.failure.line in (2, 3) and "2,000 steps" in result.failure.message


def test_endless_recursion_ends_with_its_depth() -> None:
    transcript = play("FUNCTION f(n)\nRETURN f(n + 1)\nEND FUNCTION\nTALK f(1)")
    assert transcript == ["failed: p.bas:2: ".replace("p.bas", "test.bas") + transcript[0].split(": ", 2)[2]]
    assert f"{CALL_DEPTH_MAX} deep" in transcript[0]


def test_failing_step_keeps_variables_and_can_be_run_again() -> None:
    plan = plan_of('total = 7\nSET ticket = CREATE(total)\nTALK "#{ticket}"')

    def refuse(query: Query) -> None:
        raise Refused("the table is gone")

    player = Player(plan, queries={"tool:create": refuse})
    player.run()
    assert player.done is not None and player.done.failure is not None
    assert player.done.failure.line == 2 and player.done.state.variables == {"total": 7}
    retried = Player(plan, queries={"tool:create": lambda q: 42})
    retried.state = decode_state(encode_state(player.done.state))
    retried.run()
    assert retried.transcript == ["bot: #42"]


def test_retry_in_a_procedure_goes_on_inside_it() -> None:
    plan = plan_of('SUB s(n)\n  SET t = CREATE(n)\n  TALK t\nEND SUB\ns 5\nTALK "end"')
    answers: Iterator[Refused | int] = iter([Refused("no"), 9])

    def answer(query: Query) -> int:
        value = next(answers)
        if isinstance(value, Refused):
            raise value
        return value

    player = Player(plan, queries={"tool:create": answer})
    player.run()
    assert player.done is not None
    player.done = None
    player.state = decode_state(encode_state(player.state))
    player.run()
    assert player.transcript[1:] == ["bot: 9", "bot: end"]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('TRY\nTRY\nTHROW "a"\nCATCH e\nTHROW e & "b"\nEND TRY\nCATCH e\nTALK e\nEND TRY', ["bot: ab"]),
        ('SUB s\nTHROW "deep"\nEND SUB\nTRY\ns\nCATCH e\nTALK e\nEND TRY', ["bot: deep"]),
        ('SUB s\nTHROW "x"\nTALK "not here"\nEND SUB\nON ERROR RESUME NEXT\ns\nTALK ERROR MESSAGE', ["bot: x"]),
        ('SUB s\nON ERROR RESUME NEXT\nTHROW "x"\nTALK "in s"\nEND SUB\ns\nTALK "out"', ["bot: in s", "bot: out"]),
        ("TRY\nFOR i = 1 TO 3\nIF i = 2 THEN THROW i\nNEXT\nCATCH e\nEND TRY\nTALK i", ["bot: 2"]),
        ("FOR i = 1 TO 2\nTRY\nTHROW i\nCATCH e\nTALK e\nEND TRY\nNEXT", ["bot: 1", "bot: 2"]),
        ('ON ERROR RESUME NEXT\nIF 1 / 0 THEN\nTALK "in"\nEND IF\nTALK "on"', ["bot: on"]),
    ],
)
def test_errors_go_to_the_innermost_that_catches(source: str, expected: list[str]) -> None:
    assert play(source) == expected


def test_loops_inside_loops_forget_where_they_were() -> None:
    source = 'FOR i = 1 TO 2\nFOR EACH x IN ["a", "b"]\nIF i = 1 THEN EXIT FOR\nTALK "${i}${x}"\nNEXT\nNEXT'
    assert play(source) == ["bot: 2a", "bot: 2b"]


def test_list_of_a_loop_is_read_once() -> None:
    assert play('l = ["a"]\nFOR EACH x IN l\nl.push("b")\nTALK x\nNEXT\nTALK l.length') == ["bot: a", "bot: 2"]


def test_procedures_share_the_scripts_variables_and_have_their_own() -> None:
    source = "total = 1\nSUB add(n)\ntotal = total + n\nown = n\nEND SUB\nadd 4\nTALK total\nTALK own IS NULL"
    assert play(source) == ["bot: 5", "bot: true"]


def test_other_script_has_variables_of_its_own_and_gives_its_value() -> None:
    plan = plan_of(
        'x = 1\ny = CALL "other.bas", 20, 2\nTALK "${x} ${y}"',
        other="PARAM a\nPARAM b\nx = a + b\nHEAR more AS INTEGER\nRETURN twice(x) + more\nFUNCTION twice(n)\nRETURN n * 2\nEND FUNCTION",
    )
    player = Player(plan)
    player.run()
    assert player.state.frames[-1].procedure == "other.bas"
    player.hear("6")
    assert player.transcript == ["user: 6", "bot: 1 50"]


def test_lifted_results_do_not_stay_in_the_checkpoint() -> None:
    plan = plan_of("x = CREATE(1) + CREATE(2)\nHEAR y")
    player = Player(plan, queries={"tool:create": lambda q: 3})
    player.run()
    assert player.state.variables == {"x": 6}


@pytest.mark.parametrize(
    ("expression", "calls"),
    [
        ("FALSE AND CREATE(1)", []),
        ("TRUE AND CREATE(1)", [1]),
        ("TRUE OR CREATE(1)", []),
        ("5 ?? CREATE(1)", []),
        ("NULL ?? CREATE(1)", [1]),
        ("IF(TRUE, CREATE(1), CREATE(2))", [1]),
        ("FALSE ? CREATE(1) : CREATE(2)", [2]),
        ("CREATE(1) + CREATE(CREATE(2))", [1, 2, 2]),
        ("[CREATE(3), CREATE(4)][0]", [3, 4]),
    ],
)
def test_lifting_keeps_order_and_short_cuts(expression: str, calls: list[int]) -> None:
    made: list[object] = []

    def create(query: Query) -> int:
        made.append(query.arguments[0])
        return 2

    player = Player(plan_of(f"x = {expression}"), queries={"tool:create": create})
    player.run()
    assert player.done is not None and player.done.failure is None
    assert made == calls


def test_while_condition_with_a_call_is_asked_every_round() -> None:
    answers = iter([True, True, False])
    plan = plan_of("WHILE CREATE(1)\nn = n + 1\nWEND\nTALK n")
    player = Player(plan, queries={"tool:create": lambda q: next(answers)})
    player.run()
    assert player.transcript == ["bot: 2"]


def test_menu_buttons_hang_under_the_question() -> None:
    assert play('TALK "Colour?"\nHEAR c AS "Red", "Green"\nTALK c', "user: gre") == [
        "bot: Colour?",
        "[Red] [Green]",
        "user: gre",
        "bot: Green",
    ]


def test_prompt_of_a_hear_without_one_is_what_was_said_last() -> None:
    player = Player(plan_of('TALK "Your name?"\nHEAR n'))
    player.run()
    assert isinstance(player.state.wait, ForMessage)
    assert player.state.wait.prompt == "Your name?" and player.state.wait.prompt_id == "2.1"


def test_time_out_is_an_error_that_can_be_caught_or_takes_the_default() -> None:
    source = 'TRY\nHEAR x TIMEOUT 5 MINUTES\nCATCH e\nTALK e\nEND TRY\nHEAR y DEFAULT "d" TIMEOUT 1 HOUR\nTALK y'
    assert play(source, "after 5 minutes\nafter 1 hour")[1::2] == ["bot: nobody answered in time", "bot: d"]


def test_state_too_large_is_refused() -> None:
    plan = plan_of("HEAR x")
    result = advance(plan, begin(plan, {"big": "x" * 5_000}), MOMENT, Policy())
    with pytest.raises(StateTooLarge, match="may have 4,000"):
        encode_state(result.state, 4_000)


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", '{"version": 3, "variables": {}, "step_index": 1}', '{"version": 1, "variables": 5, "step_index": 1}',
     '{"version":1,"variables":{},"step_index":1,"wait":{"kind":"moon"}}', '{"version":1,"variables":{},"step_index":1,"frames":[{}]}',
     '{"version":1,"variables":{},"step_index":1,"why":["x"]}', '{"version":"1"}'],
)  # fmt: skip
def test_checkpoint_that_cannot_be_read_says_so(text: str) -> None:
    with pytest.raises(UnreadableCheckpoint):
        decode_state(text)


_ASKED = '"kind":"message","prompt_id":"1.1","type":"text","prompt":"Age?","choices":[],"tries_left":3'


@pytest.mark.parametrize("rest", ["", ',"deadline":null,"secret":false'], ids=["version 2", "version 1"])
def test_a_question_without_deadline_and_secret_is_read_with_and_without_their_keys(rest: str) -> None:
    version = 1 if rest else 2
    text = f'{{"version":{version},"variables":{{}},"step_index":1,"procedure":"p.bas","wait":{{{_ASKED}{rest}}},"asked":1}}'
    state = decode_state(text)
    assert state.wait == ForMessage("1.1", prompt="Age?", tries_left=3)
    assert encode_state(state) == text.replace(rest, "").replace('"version":1', '"version":2')


def test_checkpoint_of_a_plain_question_is_small() -> None:
    plan = plan_of("HEAR x")
    assert len(encode_state(advance(plan, begin(plan), MOMENT, Policy()).state)) < 180


def test_newer_checkpoint_is_left_to_a_newer_engine() -> None:
    with pytest.raises(UnreadableCheckpoint) as caught:
        decode_state('{"version": 99, "variables": {}, "step_index": 1}')
    assert caught.value.newer


def test_slice_ends_and_goes_on() -> None:
    plan = plan_of("FOR i = 1 TO 10\nx = i\nNEXT")
    result = advance(plan, begin(plan), MOMENT, Policy(steps_per_slice_max=5))
    assert isinstance(result, Continue) and result.query is None and result.steps == 5


def test_secret_answers_are_shown_masked() -> None:
    plan = plan_of('HEAR pw AS PASSWORD\nTALK "ok"')
    player = Player(plan)
    player.run()
    result = advance(plan, deliver(player.state, MessageReceived("correct horse 9")), MOMENT, Policy())
    assert "correct horse" not in encode_state(result.state)
    assert any(getattr(e, "text", "") == "[PASSWORD SET]" for e in result.effects)


def reserved(*answers: str) -> Player:
    policy = Policy(reserved={"stop": "cancel", "again": "restart", "what": "repeat", "?": "help"})
    plan = plan_of('PARAM who DEFAULT "you"\nn = n + 1\nHEAR age AS INTEGER WITH "Age of ${who}?"\nTALK age + n')
    player = Player(plan, policy)
    player.run()
    for answer in answers:
        player.hear(answer)
    return player


def test_reserved_answers_act_on_the_question() -> None:
    assert reserved("what", "?", "7").transcript == [
        *("bot: Age of you?", "user: what", "bot: Age of you?"),
        *("user: ?", "bot: Please write a whole number, for example: 42", "user: 7", "bot: 8"),
    ]
    assert reserved("Again", "7").transcript[-1] == "bot: 8"
    cancelled = reserved("STOP").done
    assert cancelled is not None and cancelled.cancelled and cancelled.failure is None


def test_reserved_answers_are_off_by_default() -> None:
    assert play("HEAR x\nTALK x", "user: cancel")[-1] == "bot: cancel"


def test_script_is_looked_up_beside_its_caller_first() -> None:
    sources = {"a/main.bas": 'x = CALL "part"\nTALK x', "a/part.bas": "RETURN 1", "part.bas": "RETURN 2"}
    player = Player(compile_script("a/main.bas", sources))
    player.run()
    assert player.transcript == ["bot: 1"]
    del sources["a/part.bas"]
    player = Player(compile_script("a/main.bas", sources))
    player.run()
    assert player.transcript == ["bot: 2"]


def test_plan_of_other_tools_has_another_name() -> None:
    sources = {"p.bas": "x = GREET(1)\nTALK x", "greet.bas": "PARAM n\nRETURN n"}
    by_script, by_tool = compile_script("p.bas", sources), compile_script("p.bas", sources, tools=("greet",))
    assert by_script.hash != by_tool.hash
    assert by_script.hash == compile_script("p.bas", dict(reversed(sources.items()))).hash


@pytest.mark.parametrize("steps", [1, 1_000])
def test_buttons_and_prompts_outlive_the_slice_that_said_the_question(steps: int) -> None:
    source = 'TALK "Hello"\nTALK "Which?"\nPRINT "seen"\nTALK TO "boss", "asked"\nx = 1\nHEAR c AS "Red", "Green", "*"\nTALK c'
    plan, policy = plan_of(source), Policy(steps_per_slice_max=steps)
    effects: list[Effect] = []
    state, used = begin(plan), 0
    while True:
        result = advance(plan, state, MOMENT, policy, used)
        effects += result.effects
        used += result.steps
        if not isinstance(result, Continue):
            break
        state = decode_state(encode_state(result.state))
    assert isinstance(result, Suspend)
    replies = [(r.content, [s.label for s in r.suggestions]) for r in effects if isinstance(r, Reply)]
    assert replies == [("Hello", []), ("Which?", ["Red", "Green"]), ("asked", [])]
    assert isinstance(result.wait, ForMessage)
    assert result.wait.prompt == "Which?"
    assert not result.state.held


@pytest.mark.parametrize("end", ["x = 1 / 0", "", "EXIT"])
def test_no_reply_is_held_back_for_ever(end: str) -> None:
    plan, policy = plan_of(f'TALK "a"\nTALK "b"\ny = 1\n{end}'), Policy(steps_per_slice_max=1)
    effects: list[Effect] = []
    result = advance(plan, begin(plan), MOMENT, policy)
    while isinstance(result, Continue):
        effects += result.effects
        result = advance(plan, result.state, MOMENT, policy)
    effects += result.effects
    assert [e.content for e in effects if isinstance(e, Reply)] == ["a", "b"]
