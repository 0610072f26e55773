"""`stepwell chat`: talk to a script over the real daemon and database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

from cyclopts import Parameter
from rich.console import Console
from rich.text import Text

from daemon.app import run_daemon
from daemon.cli.check import print_problem
from daemon.cli.conversation import Conversation, Ending, Interruption
from daemon.cli.database import Database, Stores, open_database, open_stores, settings_beside
from daemon.cli.exits import INTERRUPTED, OK, USAGE, WRONG, CommandError
from daemon.cli.input_lines import InputLines
from daemon.cli.options import NO_OPTIONS, Options
from daemon.cli.output import Progress, harmless, open_console, quiet_log
from daemon.cli.ps import short
from daemon.cli.sources import read_script
from daemon.cli.start import read_params
from daemon.cli.up import prepare
from daemon.deploy import deploy
from daemon.settings import Settings
from daemon.store_deploy import DeployStore
from engine.errors import CompileError
from engine.plan import Plan
from engine.values import Value

# Scripts that are tried out belong to a bot of their own, and replace nobody's.
CHAT_BOT = uuid5(NAMESPACE_URL, "stepwell:chat")
LINES_REPEATED = 6
NO_SUCH_BOT = "SW007"


@dataclass(frozen=True, slots=True)
class Talk:
    """Who talks to what."""

    file: str
    plan: Plan
    session: UUID
    bot: UUID | None
    params: dict[str, Value]


def chat(
    file: Path,
    *,
    session: Annotated[UUID | None, Parameter(help="Go on with this session.")] = None,
    param: Annotated[list[str] | None, Parameter(negative=(), help="NAME=VALUE for a PARAM (repeatable).")] = None,
    bot: Annotated[UUID | None, Parameter(help="The bot whose script it is, where the database has bots.")] = None,
    options: Options = NO_OPTIONS,
) -> int:
    """Talk to a script over the real daemon and database. Ctrl-D leaves; the conversation is kept.

    A daemon that runs already moves the script; otherwise one runs here for as long as you talk.

    Parameters
    ----------
    file
        A script (.bas). The scripts that it calls are taken from its folder.
    """
    script = read_script(file)
    settings = settings_beside(options, file.parent)
    try:
        plan = script.compile(settings)
    except CompileError as error:
        for problem in script.placed(error.problems):
            print_problem(open_console(), problem)
        return WRONG
    talk = Talk(str(file), plan, session or uuid4(), bot, read_params(param or []))
    with quiet_log(), Progress() as progress, open_database(settings, progress) as database:
        return asyncio.run(_chat(database, settings, talk, progress))


async def _chat(database: Database, settings: Settings, talk: Talk, progress: Progress) -> int:
    if not settings.database.url:
        progress("Looking at the database …")
        await prepare(database, settings)
    async with open_stores(database.dsn, settings) as stores:
        await stores.glance.check()
        with Interruption() as interruption:
            async with a_daemon(database, settings, stores):
                execution = await begin(stores, settings, talk)
                progress.done()
                console, lines = open_console(), InputLines()
                await _repeat(stores, console, execution)
                conversation = Conversation(stores, console, lines, talk.session, execution, interruption)
                ending = await conversation.hold()
        return tell_ending(console, conversation, ending, talk.file)


@asynccontextmanager
async def a_daemon(database: Database, settings: Settings, stores: Stores) -> AsyncIterator[None]:
    """Have a daemon while the block runs: the one that is there, or one of our own."""
    if not database.ours and await stores.glance.live_daemon() is not None:
        yield
        return
    async with run_daemon(settings, dsn=database.dsn):
        yield


async def begin(stores: Stores, settings: Settings, talk: Talk) -> UUID:
    """Deploy the script under a bot of its own and start it; return the execution, maybe one that runs already.

    Raises CommandError where the database has bots and none was named.
    """
    bot = talk.bot or CHAT_BOT
    await deploy(DeployStore(stores.pool), talk.plan.sources, settings, bot_id=bot, declare=False)
    try:
        return await stores.clients.start(talk.plan.script, session_id=talk.session, bot_id=bot, params=talk.params)
    except Exception as error:
        if getattr(error, "sqlstate", "") == NO_SUCH_BOT and talk.bot is None:
            raise CommandError("this database has bots; say whose script it is: --bot ID", USAGE) from None
        raise


async def _repeat(stores: Stores, console: Console, execution: UUID) -> None:
    """Show the end of what was said before, where the conversation goes on."""
    shown = await stores.operators.show_execution(execution)
    if shown is None or shown.listed.turn == 0:
        return
    said = await stores.glance.transcript(execution, LINES_REPEATED)
    for line in said:
        who = "you" if line.who == "user" else "bot"
        console.print(Text(harmless(f"{who}: {line.content}"), "dim"))


def tell_ending(console: Console, conversation: Conversation, ending: Ending, file: str) -> int:
    """Say how the conversation ended and where to go from there; return the exit status."""
    name = short(conversation.execution)
    problem = conversation.shown.listed.problem if conversation.shown else None
    match ending:
        case Ending.OVER:
            return OK
        case Ending.LEFT:
            console.print(f"The conversation is kept. Come back: stepwell chat {file} --session {conversation.session}")
            return INTERRUPTED if conversation.interruption.asked else OK
        case Ending.FAILED:
            console.print(Text(harmless(f"The script has failed: {problem}"), "red"))
            console.print(f"Look at it: stepwell show {name}. Mended the cause? stepwell retry {name}")
            return WRONG
        case Ending.STOPPED:
            console.print(f"The conversation was ended by somebody else{f': {problem}' if problem else ''}.")
            return WRONG
