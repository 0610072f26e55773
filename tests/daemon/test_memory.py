"""Memory is bounded by configuration, not by conversations: what is held, what is let go, and what is never read."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator, Sized
from typing import Any

from bench.copies import copy_conversation, some_sessions
from daemon.app import Daemon
from daemon.held import EVENTS_AWAITED_MAX, PASSED_OVER_MAX
from daemon.plans import Plans
from daemon.rows import Counted, StoredPlan
from daemon.store_operators import EXACT_MAX
from engine.codec import UnreadablePlan, encode_plan
from engine.compiler import compile_script
from tests.daemon.conversing import Chat, chatting, fetch

CONVERSATIONS = 300
ACTORS_MAX = 50
MESSAGES_MAX = 100  # of one mailbox

# What a daemon holds for as long as it lives, and how much of it at most: F58. A container that is not here fails the
# test below: name it with its bound, or bound it.
BOUNDS: dict[str, float] = {
    "supervisor._actors": ACTORS_MAX,
    "supervisor._busy": ACTORS_MAX,
    "supervisor.hand": ACTORS_MAX * 2 * MESSAGES_MAX,
    "supervisor._passed_over.ids": PASSED_OVER_MAX,
    "supervisor._passed_over.due": PASSED_OVER_MAX,
    "supervisor._named": 256,
    "supervisor.forgotten": ACTORS_MAX,  # sessions of actors that left since a look began
    "supervisor.events_awaited.names": EVENTS_AWAITED_MAX,
    "supervisor._loading._plans._plans": 500,
    "committer._pending": ACTORS_MAX,  # an actor has one turn on its way
    "partitions.owned": 256,
    "partitions._epochs": 256,
    "listener.beds": 256,
    "fetcher._window.conversations": 2_000,  # as many as a look finds
    "scheduler._pace._under_way": 256,
    "requests._attempts": 5_000,  # requests.in_flight_max
    "requests._begun": 5_000,
    "requests._kinds": 100,
    "requests._performers": 100,
}
# Made once, by the configuration or by the program.
FIXED = {
    "settings",
    "metrics",
    "_metrics",
    "_settings",
    "_around",
    "_store",
    "store",
    "_random",
    "connections",
    "_tasks",
}
PARTS = (
    "supervisor",
    "committer",
    "fetcher",
    "scheduler",
    "partitions",
    "listener",
    "requests",
    "schedules",
    "sources",
)


def containers(name: str, thing: object, seen: set[int]) -> Iterator[tuple[str, Sized]]:
    """Give every container that an object of ours holds, also within objects of ours, by its first place."""
    seen.add(id(thing))
    slots = [s for kind in type(thing).__mro__ for s in getattr(kind, "__slots__", ())]
    fields = {**{s: getattr(thing, s, None) for s in slots}, **getattr(thing, "__dict__", {})}
    for field, value in fields.items():
        place = f"{name}.{field}"
        if field in FIXED:
            continue
        if isinstance(value, dict | OrderedDict | set | frozenset | list | deque):
            yield place, value
        elif type(value).__module__.startswith("daemon.") and id(value) not in seen:
            yield from containers(place, value, seen)


def look_at_bounds(daemon: Daemon) -> None:
    """Fail where something holds more than it may; what has no bound here may not even be there filled."""
    seen = {id(daemon), *(id(getattr(daemon, part)) for part in PARTS)}
    for part in PARTS:
        for place, held in containers(part, getattr(daemon, part), seen):
            assert len(held) <= BOUNDS.get(place, SMALL), f"{place} holds {len(held)}: name its bound in BOUNDS"


SMALL = 16


async def wait_in(chat: Chat, dsn: str, script: str, count: int) -> list[str]:
    """Have `count` conversations of a script wait as rows alone; return their sessions."""
    session, _ = await chat.start(script)
    await copy_conversation(dsn, str(session), count - 1)
    return await some_sessions(dsn, count)


async def test_more_conversations_than_actors_all_answer(database: str) -> None:
    async with chatting(database, limits__actors_max=ACTORS_MAX) as chat:
        supervisor = chat.daemon.supervisor
        sessions = await wait_in(chat, database, "echo.bas", CONVERSATIONS)
        say = "insert into workflow_messages (session_id, content) select s, 'hello' from unnest($1::text[]::uuid[]) s"
        most = 0
        for first in range(0, len(sessions), 2 * ACTORS_MAX):
            await fetch(database, say, sessions[first : first + 2 * ACTORS_MAX])
            await chat.idle()
            most = max(most, len(supervisor.present))
            look_at_bounds(chat.daemon)
        answered = "select count(distinct session_id) n from workflow_replies where content = 'you said hello'"
        assert (await fetch(database, answered))[0]["n"] == CONVERSATIONS
        assert most == ACTORS_MAX


async def test_the_least_recently_used_leaves_first(database: str) -> None:
    async with chatting(database, limits__actors_max=3) as chat:
        talks = [await chat.start("echo.bas") for _ in range(3)]
        await chat.say(talks[0][0], "still here")
        _, newest = await chat.start("echo.bas")
        assert set(chat.daemon.supervisor.present) == {talks[2][1], talks[0][1], newest}


async def test_a_start_reads_nobody_who_has_nothing_to_do(database: str) -> None:
    waiting = 4_000
    read = (
        "select coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) as n from pg_stat_user_tables"
        " where relname = 'workflow_executions'"
    )
    async with chatting(database) as chat:
        await wait_in(chat, database, "echo.bas", waiting)
    before = await settled(database, read)
    async with chatting(database) as chat:
        await chat.idle()
        assert chat.daemon.metrics.actors_started._value.get() == 0
        counted = (await chat.operators.count_executions())["waiting"]
        assert not counted.exact and abs(counted.executions - waiting) < waiting / 10
    assert await settled(database, read) - before <= 3 * EXACT_MAX, "a gauge reads EXACT_MAX rows at most"


async def settled(dsn: str, query: str) -> int:
    """Return a number of PostgreSQL's own counting, once all others have left and said theirs."""
    others = (
        "select count(*) n from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
        " and backend_type = 'client backend'"
    )
    while (await fetch(dsn, others))[0]["n"]:
        pass
    return int((await fetch(dsn, query))[0]["n"])


async def test_few_executions_are_counted_exactly(database: str) -> None:
    async with chatting(database) as chat:
        for _ in range(3):
            await chat.start("echo.bas")
        assert await chat.operators.count_executions() == {"waiting": Counted(3, exact=True)}


class PlanShelf:
    """A store that has plans only, and counts how often they are read."""

    def __init__(self, *scripts: str) -> None:
        self.read: list[str] = []
        self.plans: dict[str, StoredPlan] = {}
        for number, text in enumerate(scripts):
            plan = compile_script(f"{number}.bas", {f"{number}.bas": text})
            self.plans[str(number)] = StoredPlan(plan.hash, plan.script, plan.mode, encode_plan(plan), {}, "1")

    async def load_plan(self, plan_hash: str) -> StoredPlan | None:
        """Return the plan of that name."""
        self.read.append(plan_hash)
        return self.plans.get(plan_hash)


def cache_over(shelf: PlanShelf, **bounds: int) -> Plans:
    """Return a cache over a shelf."""
    store: Any = shelf
    return Plans(store, **bounds)


async def test_plans_are_bounded_and_the_least_recently_used_leaves() -> None:
    shelf = PlanShelf(*[f'TALK "{n}"' for n in range(4)])
    plans = cache_over(shelf, plans_max=2)
    for name in ("0", "1", "0", "2", "0", "1"):
        await plans.load([name])
    assert shelf.read == ["0", "1", "2", "1"] and len(plans) == 2
    assert isinstance((await plans.load(["none"]))["none"], UnreadablePlan)
    assert set(await plans.load(["0", "1", "2", "3"])) == {"0", "1", "2", "3"}, "more at once than may stay"
    assert len(plans) == 2


async def test_plans_are_bounded_by_their_size() -> None:
    shelf = PlanShelf('TALK "a"', f'TALK "{"x" * 5_000}"', 'TALK "b"')
    plans = cache_over(shelf, plans_max=10, json_characters_max=4_000)
    for name in ("0", "1", "2"):
        await plans.load([name])
    assert len(plans) == 1, "the large one left as soon as another came"
    await plans.load(["1"])
    assert len(plans) == 1, "one alone may be larger than all together"
