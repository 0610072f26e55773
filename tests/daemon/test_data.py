"""Data keywords in conversations: in the turn's own transaction, once, and a refused one poisons nothing."""

from __future__ import annotations

import asyncio
from uuid import UUID

from tests.daemon.conversing import chatting, fetch

BOT = "bot_" + UUID(int=0).hex

COUNTING = """
#workflow
DO
  HEAR x
  SAVE "said", x
  all = FIND said
  TALK all.length
LOOP
"""

REFUSED = """
#workflow
TABLE cars
  plate string(5) KEY
  doors integer
END TABLE
SAVE cars, "ab", 4
TRY
  INSERT cars, "ab", 3
CATCH e
  TALK e
END TRY
TRY
  x = FIND cars WHERE dors = 3
CATCH e
  TALK e
END TRY
SAVE cars, "cd", 5
HEAR more
INSERT cars, "ab", 1
"""


async def test_a_row_is_there_once_for_each_message(database: str) -> None:
    async with chatting(database, {"count.bas": COUNTING}) as chat:
        sessions = [(await chat.start("count.bas"))[0] for _ in range(4)]
        for _ in range(5):
            await asyncio.gather(*(chat.clients.send(session, "x") for session in sessions))
            await chat.idle()
        said = [await chat.said(session) for session in sessions]
    assert all(len(replies) == 5 for replies in said)
    rows = await fetch(database, f"select count(*), count(distinct id) from {BOT}.said")
    assert tuple(rows[0]) == (20, 20)


async def test_a_refused_statement_is_an_error_of_the_script_and_the_rest_of_the_turn_stays(database: str) -> None:
    async with chatting(database, {"cars.bas": REFUSED}) as chat:
        session, execution = await chat.start("cars.bas")
        said = await chat.said(session)
        assert "The table cars has a row with this key already" in said[0]
        assert "The table cars has no column dors. It has plate, doors." in said[1]
        rows = await fetch(database, f"select plate, doors from {BOT}.cars order by 1")
        assert [tuple(row) for row in rows] == [("ab", 4), ("cd", 5)]
        await chat.say(session, "x")
        shown = await chat.show(execution)
        assert shown.listed.status == "failed" and "(plate)=(ab) already exists" in (shown.listed.problem or "")
