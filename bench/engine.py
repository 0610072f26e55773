"""`python -m bench.engine`: what a turn costs the pure engine, in microseconds of CPU; no database, no daemon.

To compare with another version, run it in turn with that version's (`PYTHONPATH=OTHER python -P bench/engine.py`):
the machine's speed swings, so only figures of runs in alternation say anything.
"""

from __future__ import annotations

import argparse
import gc
import platform
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from random import Random
from zoneinfo import ZoneInfo

import msgspec

from engine.beginning import begin
from engine.codec import decode_plan, encode_plan
from engine.compiler import compile_script
from engine.events import MessageReceived
from engine.expressions import Moment
from engine.plan import Plan
from engine.policy import Policy
from engine.state import ExecutionState, decode_state, encode_state
from engine.stepper import Suspend, advance, deliver
from engine.waits import deadline_of, kind_of

MOMENT = Moment(datetime(2026, 11, 22, 12, 0, tzinfo=UTC), Random(7), ZoneInfo("UTC"), "session")
POLICY = Policy()
SAID = MessageReceived("good morning")

TURN = """
DO
    HEAR said
    SET n = n + 1
    SET last = said
    IF n > 1000000 THEN
        TALK "That is a lot"
    END IF
    TALK "You said ${last}"
    TALK "That was ${n}"
LOOP
"""

# By kind: the statements that are put REPEATED times between two HEARs; the HEARs' own cost is taken off.
REPEATED = 20
KINDS: dict[str, str] = {
    "SET n = n + 1": "SET n = n + 1",
    "SET last = said": "SET last = said",
    "SET o.a[1] = n": "SET o.a[1] = n",
    "IF, not taken (a step)": 'IF n > 1000000 THEN\nTALK "no"\nEND IF',
    "IF, taken, with a SET (3 steps)": "IF n < 1000000 THEN\nm = 1\nEND IF",
    "TALK interpolated": 'TALK "You said ${last}"',
    "TALK with a call": "TALK UCASE(last)",
    "longer expression": 'x = (n * 2 + 3) MOD 7 = 3 AND last <> "" OR LEN(last) > 40',
    "FOR of 10 rounds (21 steps)": "FOR i = 1 TO 10\nm = i\nNEXT",
    "SELECT CASE of 3": "SELECT CASE n\nCASE -1\nm = 1\nCASE -2\nm = 2\nCASE ELSE\nm = 3\nEND SELECT",
    "SUB called (3 steps)": "CALL note(n)",
}
SUB = "\nSUB note(v)\n    m = v\nEND SUB\n"


def plan_of(source: str) -> Plan:
    """Return a script's plan as the daemon has it: decoded from its text."""
    return decode_plan(encode_plan(compile_script("bench.bas", {"bench.bas": source})))


def other_variables() -> dict[str, object]:
    """Return a kilobyte of variables, as the turn finds them beside its own."""
    notes = {f"note_{number}": f"what was noted {number:03} times before this" for number in range(17)}
    return {**notes, "n": 41, "o": {"a": [1, 2, 3]}}


def waiting(plan: Plan) -> ExecutionState:
    """Return the state at the script's first HEAR of its second round, as it is between two turns."""
    state = begin(plan, other_variables())  # type: ignore[arg-type]
    for _ in range(2):
        result = advance(plan, state, MOMENT, POLICY)
        assert isinstance(result, Suspend), result
        state = deliver(result.state, SAID)
    result = advance(plan, state, MOMENT, POLICY)
    assert isinstance(result, Suspend), result
    return decode_state(encode_state(result.state))


def microseconds(work: Callable[[], object], times: int) -> float:
    """Return the CPU time of one call, over so many."""
    started = time.process_time_ns()
    for _ in range(times):
        work()
    return (time.process_time_ns() - started) / times / 1000


def parts_of_a_turn() -> dict[str, Callable[[], object]]:
    """Return what the turn is made of, each as a call that can be repeated, for all of it is pure."""
    plan = plan_of(TURN)
    state = waiting(plan)
    delivered = deliver(state, SAID)
    after = advance(plan, delivered, MOMENT, POLICY)
    assert isinstance(after, Suspend)
    text = encode_state(after.state, POLICY.state_bytes_max)

    def turn() -> object:
        result = advance(plan, deliver(state, SAID), MOMENT, POLICY)
        assert isinstance(result, Suspend)
        kind_of(result.wait), deadline_of(result.wait)
        return encode_state(result.state, POLICY.state_bytes_max)

    return {
        "a turn": turn,
        "deliver": lambda: deliver(state, SAID),
        "advance": lambda: advance(plan, delivered, MOMENT, POLICY),
        "encode": lambda: encode_state(after.state, POLICY.state_bytes_max),
        "decode (not in a turn)": lambda: decode_state(text),
    }


def kinds_of_steps() -> dict[str, tuple[Callable[[], object], int]]:
    """Return the turns that measure one kind of step each, with how many of it they run; first the bare HEAR."""
    found: dict[str, tuple[Callable[[], object], int]] = {}
    for name, statements in {"HEAR, said and asked": "", **KINDS}.items():
        body = f"{statements}\n" * (REPEATED if statements else 0)
        plan = plan_of(f'last = "good morning"\nDO\nHEAR said\n{body}LOOP\n{SUB}')
        delivered = deliver(waiting(plan), SAID)
        found[name] = (
            lambda plan=plan, state=delivered: advance(plan, state, MOMENT, POLICY),  # type: ignore[misc]
            REPEATED,
        )
    return found


def show(name: str, rounds: list[float]) -> None:
    """Print one row: the median with the least and the most of the rounds."""
    print(f"{name:34} {statistics.median(rounds):8.2f}  ({min(rounds):.2f} to {max(rounds):.2f})", flush=True)


def sizes() -> None:
    """Print what a checkpoint needs: of the turn above, and of a HEAR without a single variable."""
    plan = plan_of(TURN)
    print(f"{'checkpoint, with its variables':34} {len(encode_state(waiting(plan))):8} bytes")
    result = advance(plan_of("HEAR said\n"), begin(plan_of("HEAR said\n")), MOMENT, POLICY)
    text = encode_state(result.state)
    print(f"{'checkpoint of a plain HEAR':34} {len(text):8} bytes: {text}")
    assert msgspec.json.decode(text)


def main() -> None:
    """Measure in rounds, every part in turn, and print medians with their spread, in microseconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--turns", type=int, default=2_000, help="how many of each in a round")
    arguments = parser.parse_args()
    parts, kinds = parts_of_a_turn(), kinds_of_steps()
    of_parts: dict[str, list[float]] = {name: [] for name in parts}
    of_kinds: dict[str, list[float]] = {name: [] for name in kinds}
    gc.collect()
    gc.freeze()
    for _ in range(arguments.rounds):
        for name, work in parts.items():
            of_parts[name].append(microseconds(work, arguments.turns))
        bare = 0.0
        for name, (work, count) in kinds.items():
            took = microseconds(work, max(1, arguments.turns // 10))
            bare = bare or took
            of_kinds[name].append(took if name not in KINDS else (took - bare) / count)
    print(
        f"Python {platform.python_version()}, microseconds of CPU, median of {arguments.rounds} rounds (least to most)"
    )
    for name, rounds in (*of_parts.items(), *of_kinds.items()):
        show(name, rounds)
    sizes()


if __name__ == "__main__":
    main()
