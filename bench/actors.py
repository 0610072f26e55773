"""`python -m bench.actors`: what a turn costs the daemon between fetched rows and columns to commit; no database.

A thousand conversations of a script are kept busy through the real store, supervisor, actors and committer, over
connections that answer at once. What is left out is asyncpg, the event loop's sockets and PostgreSQL. With
`--against FOLDER` another version's checkout is measured in turn with this one, each in a process of its own: only
such ratios say anything. Between two rounds the caches are filled with something else, as neighbours do it.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any, cast
from zoneinfo import ZoneInfo

from asyncpg.pgproto import pgproto

from daemon.asking import Asking
from daemon.committer import Committer
from daemon.metrics import create_metrics
from daemon.plans import Plans
from daemon.statements import query
from daemon.store import Store
from daemon.supervisor import Supervisor
from daemon.turns import World
from engine.beginning import begin
from engine.codec import encode_plan
from engine.compiler import compile_script
from engine.policy import Policy
from engine.state import encode_state

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SAID = "good morning"
LOOK = 128  # messages a fetch finds
CACHE_BYTES = 32_000_000
MOST = 256  # turns in a commit, as by the settings' default


class Answers:
    """A pool and its lanes in one: what a database would say, at once."""

    def __init__(self, script: str, source: str, ids: Sequence[Any]) -> None:
        plan = compile_script(script, {script: source})
        self.plan = {
            "hash": plan.hash,
            "script": script,
            "mode": "workflow",
            "plan_json": encode_plan(plan),
            "sources": "{}",
            "engine_version": "0",
        }
        state = encode_state(begin(plan))
        self.executions = {i: (i, 0, i, None, script, plan.hash, "workflow", "running", state, 0, NOW) for i in ids}
        self.messages: list[tuple[Any, ...]] = []
        self.answers: dict[str, Any] = {
            query("fetch_messages"): lambda *_: self.messages,
            query("load_executions"): lambda wanted: [self.executions[i] for i in wanted],
            query("commit_turn"): lambda execution, *_: [(execution,)],
            query("commit_turns"): lambda *_: [(None, 0)],
        }

    async def fetch(self, statement: str, *arguments: Any) -> list[Any]:
        """Answer one of the statements of the busy path, a round of the loop later."""
        await asyncio.sleep(0)
        return cast("list[Any]", self.answers[statement](*arguments))

    async def fetchrow(self, statement: str, *arguments: Any) -> Any:
        """Answer with the one plan there is."""
        return self.plan

    def get_max_size(self) -> int:
        """Return how many connections a pool would have."""
        return 10


class Conversations:
    """So many conversations of one script in memory, and their next messages."""

    def __init__(self, script: Path, count: int) -> None:
        random = Random(7)
        self.ids = [pgproto.UUID(random.randbytes(16)) for _ in range(count)]
        self.count = count
        self.answers = Answers(script.name, script.read_text(), self.ids)
        self.store = Store(cast(Any, self.answers), "public", "bench")
        self.store._lanes = cast(Any, self.answers)
        metrics = create_metrics()
        self.committer = Committer(self.store, metrics, random, turns_max=MOST)
        world = World(Policy(), ZoneInfo("UTC"))
        self.supervisor = Supervisor(
            self.store,
            Plans(self.store, 10),
            self.committer,
            cast(Asking, None),
            world,
            metrics,
            random,
            actors_max=count,
            idle_seconds_max=3600,
        )
        self.message = 0

    async def start(self) -> None:
        """Bring every conversation to its first HEAR."""
        from daemon.rows import DueExecution

        for begun in range(0, self.count, LOOK):
            await self.supervisor.deliver_due([DueExecution(i, 0, NOW) for i in self.ids[begun : begun + LOOK]])
        await self.settled()

    async def settled(self) -> None:
        """Return once every turn is committed."""
        while not self.committer.idle or self.supervisor.busy:
            await asyncio.sleep(0)

    def rows(self, random: Random) -> list[list[tuple[Any, ...]]]:
        """Return a message for each, in the order that chance gives, as a fetch finds them."""
        ids = random.sample(self.ids, self.count)
        looks = []
        for begun in range(0, self.count, LOOK):
            look = []
            for execution in ids[begun : begun + LOOK]:
                self.message += 1
                session, same = pgproto.UUID(execution.bytes), pgproto.UUID(execution.bytes)
                content = f"{SAID} {self.message}"
                look.append((self.message, session, same, content, None, None, NOW, NOW, 1))
            looks.append(look)
        return looks

    async def round(self, looks: list[list[tuple[Any, ...]]]) -> int:
        """Run a turn of each; return the nanoseconds of CPU that they took."""
        begun = time.process_time_ns()
        for look in looks:
            self.answers.messages = look
            messages = await self.store.fetch_messages(self.supervisor.held, MOST)
            await self.supervisor.deliver(messages)
        await self.settled()
        return time.process_time_ns() - begun


async def serve(script: Path, count: int) -> None:
    """Run a round for each line that comes in, and answer with its microseconds a turn."""
    conversations = Conversations(script, count)
    random = Random(11)
    other = bytearray(CACHE_BYTES)
    tasks = [asyncio.create_task(conversations.committer.run()), asyncio.create_task(conversations.supervisor.run())]
    await asyncio.sleep(0)
    await conversations.start()
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    for _ in sys.stdin:
        looks = conversations.rows(random)
        other[::64] = b"x" * len(other[::64])
        took = await conversations.round(looks)
        print(took / count / 1000, flush=True)
    for task in tasks:
        task.cancel()


class Version:
    """One version's process, asked for rounds."""

    def __init__(self, folder: Path, script: Path, count: int) -> None:
        self.rounds: list[float] = []
        self._process = subprocess.Popen(
            [sys.executable, "-P", __file__, "--serve", "--script", str(script), "--conversations", str(count)],
            env={**os.environ, "PYTHONPATH": str(folder)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self) -> float:
        """Have one round run; return its microseconds a turn."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def end(self) -> None:
        """Let the process end."""
        self._process.communicate()


def main() -> None:
    """Print medians of rounds in turn, and the ratio of each round to the other version's."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--script", type=Path, default=Path(__file__).with_name("turn.bas"))
    parser.add_argument("--conversations", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--against", type=Path, help="another version's folder")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        asyncio.run(serve(arguments.script, arguments.conversations))
        return
    here = Path(__file__).resolve().parent.parent
    versions = [Version(here, arguments.script.resolve(), arguments.conversations)]
    if arguments.against:
        versions.append(Version(arguments.against.resolve(), arguments.script.resolve(), arguments.conversations))
    for number in range(arguments.rounds + 5):
        for version in versions:
            took = version.ask()
            if number >= 5:  # the first ones are warming up
                version.rounds.append(took)
    for version in versions:
        version.end()
    for name, version in zip(("this version", "the other"), versions, strict=False):
        a, median, c = statistics.quantiles(version.rounds, n=4)
        print(f"{name:14} {median:7.1f} µs a turn (quartiles {a:.1f} to {c:.1f})")
    if arguments.against:
        ratios = [a / b for a, b in zip(versions[0].rounds, versions[1].rounds, strict=True)]
        a, median, c = statistics.quantiles(ratios, n=4)
        print(f"ratio {median:.3f} (quartiles {a:.3f} to {c:.3f})")


if __name__ == "__main__":
    main()
