"""Who has an actor: asleep, told to end, dropped with the supervisor that held it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import UUID

from daemon.actor import Actor
from daemon.rows import PendingMessage
from tests.daemon.conversing import Chat, chatting, fetch, until


async def test_an_actor_sleeps_until_its_mailbox_has_something_and_ends_when_told(database: str) -> None:
    async with chatting(database) as chat:
        session, execution = await chat.start("echo.bas")
        supervisor = chat.daemon.supervisor
        actor = supervisor._actors[execution]
        assert actor.idle and actor.mailbox.empty and not supervisor.busy
        actor.poke()  # for nothing
        assert actor.idle
        assert await chat.say(session, "one") == ["you said one"]
        assert actor.idle and supervisor._actors[execution] is actor
        actor.stop()
        assert not actor.idle and execution not in supervisor.present
        assert not actor.mailbox.put(
            PendingMessage(1, session, execution, "late", None, None, *2 * (datetime.now(UTC),))
        )
        assert await chat.say(session, "two") == ["you said two"]


async def test_f7_conversations_go_on_when_the_supervisor_had_to_start_anew(database: str) -> None:
    async with chatting(database, limits__idle_seconds_max=0.4) as chat:
        supervisor = chat.daemon.supervisor
        passivate_idle, dropped = supervisor._passivate_idle, list[Actor]()

        def fail() -> None:
            dropped.extend(supervisor._actors.values())
            if dropped:
                supervisor._passivate_idle = passivate_idle  # type: ignore[method-assign]
                raise ZeroDivisionError("a mistake of ours")

        supervisor._passivate_idle = fail  # type: ignore[method-assign]
        session, _ = await chat.start("echo.bas")
        await until(lambda: bool(dropped) and dropped[0]._dropped)
        dropped[0].resume()  # an outcome on its way
        assert await chat.say(session, "still there") == ["you said still there"]


async def test_what_was_fetched_for_a_script_that_ended_is_heard_by_the_one_below_at_once(database: str) -> None:
    async with chatting(database) as chat:
        session, below = await chat.start("echo.bas")
        _, above = await chat.start("ticket.bas", session)
        assert await chat.say(session, "one") == ["Describe the issue", "Ticket for one"]
        supervisor = chat.daemon.supervisor
        await fetch(database, "insert into workflow_messages (session_id, content) values ($1, 'two')", session)
        assert await chat.until_said(session) == ["you said two"]
        late = PendingMessage(10**9, session, above, "three", None, None, *2 * (datetime.now(UTC),))
        assert await supervisor.deliver([late]) == 0  # as though it had been fetched before the script above ended
        assert late.id not in supervisor.held and supervisor.take_named() is None  # all are looked for again
        assert await chat.status(below) == "waiting"


async def two_found(chat: Chat, session: UUID) -> list[PendingMessage]:
    """Say "first" and "second", and look for them in the fetcher's place."""
    await chat.daemon._cancel("fetcher")
    for text in ("first", "second"):
        await chat.clients.send(session, text)
    return await chat.daemon.store.fetch_messages([], 10)


async def test_what_came_free_during_a_look_is_not_overtaken_by_what_the_look_has_found(database: str) -> None:
    async with chatting(database) as chat:
        session, execution = await chat.start("echo.bas")
        supervisor = chat.daemon.supervisor
        first, second = await two_found(chat, session)
        actor = supervisor._actors[execution]
        assert actor.mailbox.put(first)
        supervisor.hand.add(first)
        supervisor.let_go(range(256))  # the first comes free, and the second was found while it was not
        assert first.id not in supervisor.held
        assert await supervisor.deliver([second]) == 0
        supervisor.forgotten.clear()  # as before each look
        assert await supervisor.deliver([first, second]) == 2
        await until(lambda: not supervisor.busy)
        assert await chat.said(session) == ["you said first", "you said second"]


async def test_what_was_found_for_one_who_is_started_meanwhile_keeps_its_order(database: str) -> None:
    async with chatting(database) as chat:
        session, execution = await chat.start("echo.bas")
        supervisor = chat.daemon.supervisor
        found = await two_found(chat, session)
        actor = supervisor._actors.pop(execution)

        class Found(list[PendingMessage]):
            """Gives the first while its conversation is absent, and the second when it has been started."""

            def __iter__(self) -> Iterator[PendingMessage]:
                yield found[0]
                supervisor._actors[execution] = actor
                yield found[1]

        assert await supervisor.deliver(Found(found)) == 2
        await until(lambda: not supervisor.busy)
        assert await chat.said(session) == ["you said first", "you said second"]
