"""The places of requests: among all, of a host, of a bot, in a second; and pauses between attempts."""

from __future__ import annotations

from random import Random
from typing import Any, cast
from uuid import UUID

import pytest

from daemon.bell import Bell
from daemon.metrics import create_metrics
from daemon.request_answers import ANSWER_BYTES_MAX, Answers
from daemon.request_limits import Limits
from daemon.requests import Requests
from daemon.settings_world import Requests as RequestSettings
from daemon.store_requests import Answer, RequestStore

BOT, OTHER = UUID(int=1), UUID(int=2)


class Clock:
    """Seconds that grow when they are told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def limits(clock: Clock | None = None, **settings: Any) -> Limits:
    return Limits(RequestSettings(**settings), clock or Clock())


def test_a_host_has_its_places_and_no_more() -> None:
    held = limits(in_flight_max=100, in_flight_per_host_max=2)
    assert held.room("new") == 2
    assert [held.enter("a", BOT) for _ in range(3)] == [True, True, False]
    assert held.enter("b", BOT) and held.enter("", BOT), "another host, and none"
    assert held.rooms() == {"": 96, "a": 0, "b": 1}
    held.leave("a", BOT)
    held.settle()
    assert held.rooms() == {"": 97, "a": 1, "b": 1} and held.enter("a", BOT)


def fill(held: Limits, lane: str) -> int:
    count = 0
    while held.enter(lane, BOT):
        count += 1
    return count


def empty(held: Limits, lane: str, count: int, *, answered: bool) -> None:
    for _ in range(count):
        held.leave(lane, BOT, answered=answered)
        held.settle()


def test_dead_hosts_leave_room_for_one_that_answers() -> None:
    held = limits(in_flight_max=1_000, in_flight_per_host_max=100, in_flight_per_bot_max=10_000)
    taken = {f"dead{number}": fill(held, f"dead{number}") for number in range(28)}
    assert list(taken.values()) == [100] * 9 + [5] * 19, "a tenth is kept for those that have a few"
    assert fill(held, "alive") == 5
    empty(held, "alive", 5, answered=True)
    for lane, count in taken.items():
        empty(held, lane, count, answered=False)
    assert fill(held, "dead0") == 1, "a hundred failures later"
    again = [fill(held, f"dead{number}") for number in range(9, 28)]
    assert again[0] == 59 and again[-1] == 5, "fewer for those that failed five times too"
    assert fill(held, "alive") == 5


def test_a_host_that_answers_again_gets_its_places_back() -> None:
    held = limits(in_flight_per_host_max=20)
    empty(held, "a", fill(held, "a"), answered=False)
    empty(held, "a", fill(held, "a"), answered=False)
    assert held.room("a") == 1
    for _ in range(19):
        assert held.enter("a", BOT)
        empty(held, "a", 1, answered=True)
    assert held.room("a") == 20 and held.rooms() == {"": 5_000}


def test_a_bot_has_its_places_and_no_more() -> None:
    held = limits(in_flight_per_bot_max=2)
    assert [held.enter("", BOT) for _ in range(3)] == [True, True, False]
    assert held.full_bots == [BOT] and held.enter("", OTHER)
    held.leave("", BOT)
    assert held.full_bots == [] and held.used == 3, "the place among all is kept until the answer is stored"


def test_all_places_are_bounded() -> None:
    held = limits(in_flight_max=3)
    assert [held.enter("", BOT) for _ in range(4)] == [True, True, True, False] and held.free == 0


def test_a_rate_per_host_lets_so_many_begin_in_a_second() -> None:
    clock = Clock()
    held = limits(clock, rate_per_host_max=10)
    assert held.pause() is None
    assert sum(held.enter("a", BOT) for _ in range(30)) == 10 and held.enter("b", BOT)
    assert held.pause() == pytest.approx(0.1)
    for _ in range(10):
        held.leave("a", BOT)
        clock.now += 0.05
        held.enter("a", BOT)
    assert held.room("a") <= 1, "one in a tenth of a second, and nothing saved up"
    clock.now += 3_600
    assert held.room("a") == 10 and held.pause() is None


def test_f58_rates_that_are_forgotten_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daemon.request_limits.LANES_KEPT_MAX", 100)
    clock = Clock()
    held = limits(clock, rate_per_host_max=10, in_flight_max=1_000_000, in_flight_per_bot_max=1_000_000)
    for number in range(10_000):
        clock.now += 0.1
        assert held.enter(f"host{number}", BOT)
        held.leave(f"host{number}", BOT)
    assert len(held._rates) <= 101


def test_f35_pauses_grow_within_bounds_however_many_attempts_there_were() -> None:
    settings = RequestSettings(backoff_seconds_first=1.0, backoff_seconds_max=300.0)
    requests = Requests(
        None,  # type: ignore[arg-type]
        (),
        None,  # type: ignore[arg-type]
        create_metrics(),
        Random(1),
        settings,
        Bell(),
        sweep_seconds=5.0,
        on_answered=lambda: None,
    )
    pauses = [requests._pause(attempt, None) for attempt in (1, 2, 3, 10, 64, 1_024, 10**6, 10**18)]
    assert all(0.5 * bound <= pause <= bound for pause, bound in zip(pauses, (1, 2, 4), strict=False))
    assert all(150.0 <= pause <= 300.0 for pause in pauses[3:])
    assert requests._pause(1, 77.0) == 77.0, "what the server asks for"
    assert requests._pause(1, 10.0**12) == 86_400.0, "but not for ever"
    for nonsense in (0.0, -5.0, float("nan")):
        assert requests._pause(1, nonsense) <= 1.0


def test_answers_that_wait_to_be_stored_are_bounded_and_stored_in_portions() -> None:
    answers = Answers(
        cast(RequestStore, None), create_metrics(), Random(1), RequestSettings(), lambda *_: None, lambda: None
    )
    large = b"x" * ANSWER_BYTES_MAX
    for number in range(5):
        assert not answers.full
        answers.add(Answer(UUID(int=number), 1, "done", result_json=large))
    assert answers.full
    assert [len(answers._next_batch()) for _ in range(5)] == [1] * 5 and not answers.full
