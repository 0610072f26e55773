"""Fair order among bots and lanes, in memory: what is many in one of them does not delay the others (F58: all of it bounded)."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from random import Random
from uuid import uuid4

import msgspec
import pytest

from daemon.crowd import FRUITLESS_MAX, LOOK_MESSAGES, Crowd
from daemon.fairness import FairPlaces, FairQueue, Slices
from daemon.held import Held
from daemon.metrics import create_metrics
from daemon.pressure import Pressure
from daemon.rows import PendingMessage, Signal
from daemon.settings_model import Limits

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def message(number: int, bot: int = 0, script: int = 0) -> PendingMessage:
    return PendingMessage(number, uuid4(), uuid4(), "x", None, None, NOW, NOW, bot << 32 | script)


def test_a_queue_gives_from_each_bot_in_turn_and_keeps_the_order_of_each_lane() -> None:
    queue: FairQueue[str] = FairQueue()
    for n in range(6):
        queue.put(("flood", "x"), f"f{n}")
    queue.put(("a", "x"), "a0")
    queue.put(("b", "x"), "b0")
    queue.put(("a", "x"), "a1")
    assert len(queue) == 9
    assert queue.take(4) == ["f0", "a0", "b0", "f1"]
    assert queue.take(100) == ["a1", "f2", "f3", "f4", "f5"]
    assert queue.take(1) == [] and len(queue) == 0


def test_a_bot_with_ten_scripts_has_no_more_than_one_with_one() -> None:
    queue: FairQueue[str] = FairQueue()
    for n in range(30):
        queue.put(("many", n % 10), f"m{n}")
    for n in range(10):
        queue.put(("one", "x"), f"o{n}")
    taken = queue.take(12)
    assert taken == [name for n in range(6) for name in (f"m{n}", f"o{n}")]
    assert [name for name in queue.take(100) if name[0] == "m"] == [f"m{n}" for n in range(6, 30)]


def test_who_has_few_passes_who_has_many() -> None:
    queue: FairQueue[str] = FairQueue()
    queue.put(("a", "x"), "a0")
    assert queue.take_few(2) == []  # there is nobody to pass
    for n in range(5):
        queue.put(("flood", n % 2), f"f{n}")
    queue.put(("b", "x"), "b0")
    queue.put(("b", "y"), "b1")
    assert queue.take_few(2) == ["a0", "b0", "b1"] and len(queue) == 5
    assert queue.take_few(2) == [] and queue.take(9) == ["f0", "f1", "f2", "f3", "f4"]
    assert queue.take_few(2) == [] and len(queue) == 0


def test_a_queue_loses_and_doubles_nothing_whatever_is_put_and_taken(rng: Random) -> None:
    queue: FairQueue[tuple[int, int]] = FairQueue()
    put = dict.fromkeys(range(5), 0)
    taken: list[tuple[int, int]] = []
    for _ in range(300):
        for _ in range(rng.randrange(6)):
            lane = min(rng.randrange(10), 4)
            queue.put((lane % 3, lane), (lane, put[lane]))
            put[lane] += 1
        taken += queue.take(rng.randrange(5)) if rng.random() < 0.8 else queue.take_few(2)
        assert len(queue) == sum(put.values()) - len(taken)
    taken += queue.take(10_000)
    for lane, count in put.items():
        assert [n for one, n in taken if one == lane] == list(range(count))


async def test_places_go_to_each_bot_in_turn_and_the_last_one_to_who_has_none() -> None:
    places, inside, let_go = FairPlaces(3), list[str](), dict[str, asyncio.Event]()

    async def enter(name: str) -> None:
        async with places.of((name[0], "x")):
            inside.append(name)
            await let_go.setdefault(name, asyncio.Event()).wait()

    async with asyncio.TaskGroup() as tasks:
        for name in ("a1", "a2", "a3", "a4", "b1"):
            tasks.create_task(enter(name))
        await asyncio.sleep(0)
        assert inside == ["a1", "a2", "b1"]
        waiting = [tasks.create_task(enter(name)) for name in ("c1", "c2")]
        await asyncio.sleep(0)
        let_go["a1"].set()
        await until_inside(inside, 4)
        assert inside[-1] == "c1"  # a3 came before, but a has one, and c has none
        waiting[1].cancel()
        let_go["a2"].set()
        await until_inside(inside, 5)
        assert inside[-1] == "a3"
        let_go["a3"].set()
        await until_inside(inside, 6)
        assert inside[-1] == "a4"
        for event in let_go.values():
            event.set()
    assert sorted(inside) == ["a1", "a2", "a3", "a4", "b1", "c1"]


async def until_inside(inside: list[str], count: int) -> None:
    for _ in range(20):
        if len(inside) >= count:
            return
        await asyncio.sleep(0)


async def test_of_many_long_turns_one_slice_runs_in_a_round_of_the_loop() -> None:
    slices, ran, rounds = Slices(), list[tuple[str, int]](), 0

    async def count_rounds() -> None:
        nonlocal rounds
        while True:
            await asyncio.sleep(0)
            rounds += 1

    async def long_turn(lane: str, count: int) -> None:
        for _ in range(count):
            await slices.wait((lane, "x"))
            ran.append((lane, rounds))

    counting = asyncio.create_task(count_rounds())
    floods = [asyncio.create_task(long_turn("flood", 4)) for _ in range(50)]
    other = asyncio.create_task(long_turn("other", 4))
    cancelled = asyncio.create_task(long_turn("other", 4))
    await asyncio.sleep(0)
    cancelled.cancel()
    await asyncio.gather(*floods, other)
    counting.cancel()
    rounds_of = [at for _, at in ran]
    assert len(ran) == 204 and max(rounds_of.count(at) for at in set(rounds_of)) <= 2
    assert [n for n, (lane, _) in enumerate(ran) if lane == "other"][-1] < 12  # not behind 200 slices
    assert len(slices) == 0


def test_what_is_held_is_counted_by_bots_and_let_go() -> None:
    held = Held()
    for n in range(6):
        held.add(message(n, bot=7, script=n % 2))
    held.add(message(6, bot=8))
    held.add(Signal(7, None, uuid4(), "event", 1, "e", None, "", NOW, NOW))
    assert held.bots(2) == [7] and sorted(held.bots(1)) == [7, 8] and len(held) == 8
    held.let_go([0, 1, 2, 3, 4, 5, 99])
    assert held.bots(1) == [8] and set(held.ids) == {6, 7} and 6 in held and 0 not in held
    held.let_go([6, 7, 7])
    assert not held.bots(0) and len(held) == 0


def test_in_a_crowd_a_bot_with_enough_in_hand_is_left_out_until_the_crowd_is_over() -> None:
    held = Held()
    crowd = Crowd(held, Random(1), bot_held_max=100)
    for n in range(100):
        held.add(message(n, bot=7, script=n))
    place, other = (3, uuid4()), (4, uuid4())
    crowd.learn(101, {7 << 32: place, 8 << 32: other}, more=True)
    care = crowd.care(enough=False)
    assert crowd.crowded and crowd.unsettled
    assert list(care.left_out) == [7] and care.wanted == LOOK_MESSAGES
    assert crowd.care(enough=False).first != care.first  # every look begins with another bot
    crowd.learn(1, {}, more=True)  # it was left out, so where to go on in it is remembered
    held.let_go(range(50))
    care = crowd.care(enough=False)
    assert not care.left_out and care.go_on == {7 << 32: place}
    assert list(crowd.care(enough=True).left_out) == [7]  # as much as keeps the database busy is in hand
    held.let_go(list(held.ids))
    assert crowd.unsettled and not crowd.care(enough=True).left_out
    crowd.learn(1, {}, more=True)
    assert crowd.crowded and not crowd.unsettled
    held.add(message(1))
    assert crowd.unsettled  # something may be behind it
    crowd.learn(1, {}, more=False)
    assert not crowd.crowded and not crowd.unsettled and not crowd.care(enough=False).go_on


def test_a_crowd_that_nobody_hears_is_over_after_a_few_looks() -> None:
    crowd = Crowd(Held(), Random(1), bot_held_max=100)
    for _ in range(FRUITLESS_MAX):
        crowd.learn(0, {5: (8, uuid4())}, more=True)
        assert crowd.crowded and crowd.unsettled
    crowd.learn(0, {5: (9, uuid4())}, more=True)
    assert not crowd.crowded and not crowd.unsettled


@pytest.mark.parametrize("reason", ["turns", "messages"])
async def test_reading_stops_at_the_limit_and_goes_on_at_half_of_it(reason: str) -> None:
    metrics, held, turns = create_metrics(), Held(), 0
    limits = msgspec.structs.replace(Limits(), messages_held_max=8, turns_pending_max=8)
    pressure = Pressure(metrics, limits, lambda: turns, held)

    def fill(count: int) -> None:
        nonlocal turns
        if reason == "turns":
            turns = count
        else:
            held.let_go(list(held.ids))
            for n in range(count):
                held.add(message(n))

    def shown() -> tuple[float | None, ...]:
        samples = (metrics.registry.get_sample_value(f"stepwell_{n}", {"reason": reason})
                   for n in ("backpressure", "backpressure_seconds_total"))  # fmt: skip
        return tuple(samples)

    fill(7)
    await pressure.clear()
    assert shown() == (0, 0) and not pressure.notes
    fill(8)
    waiting = asyncio.create_task(pressure.clear())
    await asyncio.sleep(0.02)
    assert not waiting.done() and shown()[0] == 1 and "8" in pressure.notes[0]
    fill(5)
    await asyncio.sleep(0.02)
    assert not waiting.done() and shown()[0] == 1  # not to and fro at the limit
    fill(4)
    await waiting
    seconds = shown()[1]
    assert shown()[0] == 0 and seconds is not None and seconds > 0 and not pressure.notes
    name = "turns_pending" if reason == "turns" else "messages_held"
    assert metrics.registry.get_sample_value(f"stepwell_{name}") == 4
