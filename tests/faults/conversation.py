"""The conversations that are held while things are killed, and what each must come to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from random import Random
from uuid import UUID

from engine.compiler import compile_script
from engine.plan import Plan
from engine.waits import ForTime
from tests.engine.player import Player

FOLDER = Path(__file__).parent
SCRIPT = "faults.bas"
BURST_MAX = 3  # so many messages are sent without waiting for what the bot says
LEVELS = ("low", "high", "1", "2", "HIGH")


@dataclass(frozen=True, slots=True)
class Conversation:
    """What one user says, in bursts: the messages of a burst are sent one right after another."""

    session_id: UUID
    bursts: tuple[tuple[str, ...], ...]

    @property
    def answers(self) -> tuple[str, ...]:
        """Everything the user says."""
        return tuple(text for burst in self.bursts for text in burst)

    def __str__(self) -> str:
        return f"conversation {self.session_id}"


def make_conversations(count: int, random: Random, *, plain: bool = False) -> list[Conversation]:
    """Return as many conversations, no two the same. `plain` ones are as short as can be: every answer is valid."""
    make = _make_plain if plain else make_conversation
    return [make(number, random) for number in range(1, count + 1)]


def _make_plain(number: int, random: Random) -> Conversation:
    says = ("ana", "1", f"thing {number}", "low", "no")
    return Conversation(UUID(int=random.getrandbits(128), version=4), tuple((text,) for text in says))


def make_conversation(number: int, random: Random) -> Conversation:
    """Return one user's part: typed answers, some of them invalid at first, loops of random length."""

    def wrong(text: str) -> list[str]:
        return [text] * random.choice((0, 0, 1, 2))

    says = [*wrong("12"), f"user {'abcdefghij'[number % 10]}{'klmnopqrst'[number // 10 % 10]}"]
    problems = random.randint(1, 3)
    says += [*wrong("many"), str(problems)]
    for problem in range(problems):
        says += [f"thing {number}.{problem}", *wrong("awful"), random.choice(LEVELS)]
    for extra in range(random.randint(0, 2)):
        says += ["yes", f"extra {number}.{extra}"]
    says += [*wrong("perhaps"), "no"]
    return Conversation(UUID(int=random.getrandbits(128), version=4), _bursts(says, random))


def _bursts(says: Sequence[str], random: Random) -> tuple[tuple[str, ...], ...]:
    patient = random.random() < 0.5
    bursts, at = [], 0
    while at < len(says):
        length = 1 if patient else random.randint(1, BURST_MAX)
        bursts.append(tuple(says[at : at + length]))
        at += length
    return tuple(bursts)


@cache
def plan() -> Plan:
    """Return the script's plan."""
    source = (FOLDER / SCRIPT).read_text()
    return compile_script(SCRIPT, {SCRIPT: source}, tools=("create",))


def expected_transcript(conversation: Conversation, ticket: int) -> list[str]:
    """Return what the bare engine, without any database, makes of the conversation."""
    player = Player(plan(), queries={f"tool:{name}": lambda _: ticket for name in ("create", "CREATE")})
    player.run()
    for text in conversation.answers:
        _sleep(player)
        player.hear(text)
    _sleep(player)
    assert player.done is not None and player.done.failure is None, player.transcript
    return player.transcript


def _sleep(player: Player) -> None:
    while player.done is None and isinstance(player.state.wait, ForTime):
        player.after(timedelta(minutes=1))
