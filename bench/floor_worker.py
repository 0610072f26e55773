"""A daemon that does nothing but the least: `python -m bench.floor_worker DSN HALVES`, with HALVES 1 or 2.

With one half it is told of every message by a notification; with two, as many loops look for messages of their half of
the sessions, again at once after they found some, else a millisecond later. Nothing is interpreted: a turn's new state
is always the same text.
"""

from __future__ import annotations

import asyncio
import sys

import asyncpg
import uvloop

LOOK = "select m.id from workflow_messages m where m.half = any ($1::integer[]) order by m.id limit 256"
COMMIT = "select floor_turns($1, $2)"
STATE = "x" * 1_000
PAUSE_SECONDS = 0.001


async def work(dsn: str, halves: list[int], rang: asyncio.Event | None) -> None:
    """Look and commit for ever; `rang` says that there is something, without it there may always be."""
    looking, writing = await asyncpg.connect(dsn), await asyncpg.connect(dsn)
    look, commit = await looking.prepare(LOOK), await writing.prepare(COMMIT)
    while True:
        if rang is not None:
            await rang.wait()
            rang.clear()
        while found := await look.fetch(halves):
            await commit.fetch([row[0] for row in found], [STATE] * len(found))
        await asyncio.sleep(0 if rang is not None else PAUSE_SECONDS)


async def main(dsn: str, halves: int) -> None:
    """Work until killed."""
    if halves == 1:
        rang = asyncio.Event()
        rang.set()
        listener = await asyncpg.connect(dsn)
        await listener.add_listener("floor_wake", lambda *_: rang.set())
        await work(dsn, [0, 1], rang)
    await asyncio.gather(*[work(dsn, [half], None) for half in range(halves)])


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(sys.argv[1], int(sys.argv[2])))
