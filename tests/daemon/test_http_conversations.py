"""Conversations that ask the web: scripts, the daemon, PostgreSQL and a real server."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest

from daemon.settings import HttpTool
from tests.daemon.conversing import Chat, chatting
from tests.daemon.web_server import Got, Say, web_server

SHOP = """
#workflow
SET HEADER "X-Shop", "7"
TRY
    rate = GET "/rate"
    TALK "rate ${rate.value}"
CATCH e
    TALK "no rate: ${e} (${ERR})"
END TRY
order = POST "/orders", { "item": "tea" }
TALK "${order.status} ${order.id}"
SET w = WEATHER("Recife")
TALK w
HEAR x
TALK "${order.status} ${order.id} still"
"""


async def hear(chat: Chat, session: UUID, replies: int) -> list[str]:
    """Return what the bot says until it has said so much: between two attempts nothing moves for a while."""
    said: list[str] = []
    while len(said) < replies:
        said += await chat.until_said(session)
    return said


async def ended(chat: Chat, execution: UUID) -> str:
    """Return the status in which an execution ends."""
    async with asyncio.timeout(30):
        while (status := await chat.status(execution)) in ("running", "waiting"):
            await asyncio.sleep(0.01)
    return status


@pytest.fixture
def quick() -> dict[str, object]:
    """Pauses between attempts that no test notices."""
    return {"requests__backoff_seconds_first": 0.01, "requests__backoff_seconds_max": 0.02}


async def test_a_conversation_asks_the_web(database: str, quick: dict[str, object]) -> None:
    answers = [Say(503, "busy"), Say(429, "slow down", {"retry-after": "0"}), Say(body={"value": 5.25})]
    orders = [Say(500, "oops"), Say(201, {"id": 42})]

    def rate(_: Got) -> Say:
        return answers.pop(0)

    def order(_: Got) -> Say:
        return orders.pop(0)

    async with web_server(rate=rate, orders=order) as web:
        web.routes["/weather/Recife"] = Say(body="sunny", headers={"content-type": "text/plain"})
        tools = {"weather": HttpTool(url=web.url("/weather/{city}"), method="GET", parameters=("city",))}
        async with chatting(database, {"shop.bas": SHOP}, tools=tools, web__base_url=web.url(), **quick) as chat:
            session, execution = await chat.start("shop.bas")
            assert await hear(chat, session, 3) == ["rate 5.25", "201 42", "sunny"]
            assert await chat.say(session, "go") == ["201 42 still"]
            assert await chat.status(execution) == "completed"
    keys = [got.headers["idempotency-key"] for got in web.got]
    assert [got.target for got in web.got] == ["/rate"] * 3 + ["/orders"] * 2 + ["/weather/Recife"]
    assert len({*keys[:3]}) == 1 and len({*keys[3:5]}) == 1 and len({*keys}) == 3
    assert {got.headers.get("x-shop") for got in web.got[:5]} == {"7"}
    assert web.got[3].json == {"item": "tea"}


async def test_what_never_gets_better_is_an_error_of_get_and_a_value_of_post(
    database: str, quick: dict[str, object]
) -> None:
    """Each is tried as often as it may be: the tool by its own setting, the others by that of all."""
    async with web_server(rate=Say(500, {"error": "on fire"}), orders=Say(502, {"id": 0}), slow=Say(503)) as web:
        tools = {"weather": HttpTool(url=web.url("/slow"), parameters=("city",), attempts_max=1)}
        settings = {"web__base_url": web.url(), "requests__attempts_max": 2, **quick}
        async with chatting(database, {"shop.bas": SHOP}, tools=tools, **settings) as chat:
            session, execution = await chat.start("shop.bas")
            said = await hear(chat, session, 2)
            assert await ended(chat, execution) == "failed"
    where = web.url("/rate")
    assert said == [f'no rate: GET {where} answered 500 Internal Server Error: {{"error": "on fire"}} (http)', "502 0"]
    assert [got.target for got in web.got] == ["/rate"] * 2 + ["/orders"] * 2 + ["/slow"]


async def test_a_script_cannot_ask_the_machine_it_runs_on(database: str) -> None:
    async with web_server(x=Say(body="secret")) as web:
        script = f'TRY\nx = GET "{web.url("/x")}"\nTALK x\nCATCH e\nTALK e\nEND TRY'
        async with chatting(database, {"x.bas": script}) as chat:
            session, _ = await chat.start("x.bas")
            [said] = await hear(chat, session, 1)
    assert "is loopback; web.allow_hosts names what may be asked all the same" in said and not web.got
