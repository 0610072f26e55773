"""Conversations with a language model over the real daemon: tools run exactly once, also across a crash."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.daemon.chat_endpoint import Got, Say, chat_endpoint, completion
from tests.daemon.conversing import chatting, execute, fetch, until

TICKETS = (
    "create table tickets (id bigint generated always as identity, description text)",
    "create function create_ticket(description text) returns bigint language sql as "
    "'insert into tickets (description) values ($1) returning id'",
    "create function refuse(why text) returns bigint language plpgsql as "
    "$$ begin raise exception 'No more tickets today.'; end $$",
)
SCRIPTS = {
    "desk.bas": 'USE TOOL "create", "refuse"\nUSE TOOL "shelf"\nname = "cellar"\nADD TOOL name\nSYSTEM PROMPT "Be brief."\nTALK LLM("My printer burns")\n',
    "shelf.bas": 'PARAM item AS STRING DESCRIPTION "What to look for"\nDESCRIPTION "Look on the shelf"\n'
    'RETURN {"left": LEN(item)}\n',
    "cellar.bas": 'PARAM item\nTHROW "The cellar is flooded."\n',
    "caught.bas": 'TRY\nx = LLM "a"\nCATCH e\nTALK "No: ${e}"\nEND TRY\n',
}
TOOLS = {"create": "create_ticket", "refuse": "refuse"}


def told(got: Got) -> list[str]:
    """Return what the model has been told of its tools."""
    return [m["content"] for m in got.body["messages"] if m["role"] == "tool"]


async def test_tools_of_the_database_and_scripts(database: str) -> None:
    await execute(database, *TICKETS)
    async with chat_endpoint() as endpoint:
        endpoint.say(
            completion(None, ("1", "create", '{"description": "fire"}'), ("2", "refuse", '{"why": "x"}')),
            completion(None, ("3", "shelf", '{"item": "toner"}'), ("4", "cellar", '{"item": "wine"}')),
            completion("Ticket 1; five left."),
        )
        async with chatting(database, SCRIPTS, tools=TOOLS, llm__url=endpoint.url, llm__model="m") as chat:
            session = uuid4()
            await chat.clients.start("desk.bas", session_id=session)
            assert await chat.until_said(session) == ["Ticket 1; five left."]
            rendered = chat.daemon.metrics.render()[0].decode()
    first, second, third = endpoint.got
    offered = {tool["function"]["name"]: tool["function"] for tool in first.body["tools"]}
    assert list(offered) == ["create", "refuse", "shelf", "cellar"]
    assert offered["shelf"]["description"] == "Look on the shelf"
    assert offered["shelf"]["parameters"]["properties"]["item"]["description"] == "What to look for"
    assert first.body["messages"][0] == {"role": "system", "content": "Be brief."}
    assert told(second)[0] == "1" and "No more tickets today." in told(second)[1]
    assert told(third)[2] == '{"left":5}' and "The cellar is flooded." in told(third)[3], "one in the plan, one a child"
    assert len({got.headers["idempotency-key"] for got in endpoint.got}) == 3
    assert [row["description"] for row in await fetch(database, "select description from tickets")] == ["fire"]
    assert 'stepwell_llm_tokens_total{kind="completion",model="m"} 21.0' in rendered


async def test_a_crash_between_two_rounds_repeats_no_tool(database: str) -> None:
    await execute(database, *TICKETS)
    session = uuid4()
    flags: dict[str, Any] = {"tools": TOOLS, "llm__model": "m", "daemon__stop_seconds_max": 0.1}
    async with chat_endpoint() as endpoint:
        endpoint.say(completion(None, ("1", "create", '{"description": "fire"}')), Say(hangs=True))
        async with chatting(database, SCRIPTS, llm__url=endpoint.url, **flags) as chat:
            await chat.clients.start("desk.bas", session_id=session)
            await until(lambda: len(endpoint.got) == 2)
        endpoint.say(completion("Done."))
        async with chatting(database, SCRIPTS, llm__url=endpoint.url, **flags) as chat:
            assert await chat.until_said(session) == ["Done."]
    cut_short, repeated = endpoint.got[1:]
    assert cut_short.headers["idempotency-key"] == repeated.headers["idempotency-key"]
    assert cut_short.body == repeated.body and told(repeated) == ["1"]
    assert len(await fetch(database, "select from tickets")) == 1


@pytest.mark.parametrize(
    ("say", "said"),
    [
        (Say({"error": {"message": "no such model"}}, 404), "answered 404: no such model"),
        (completion("x" * 100_001), "100,000"),
    ],
)
async def test_what_the_endpoint_refuses_is_an_error_of_the_script(database: str, say: Say, said: str) -> None:
    async with chat_endpoint() as endpoint:
        endpoint.say(say)
        async with chatting(database, SCRIPTS, tools=TOOLS, llm__url=endpoint.url) as chat:
            session = uuid4()
            await chat.clients.start("caught.bas", session_id=session)
            assert said in (await chat.until_said(session))[0]
