"""`stepwell demo`: everything set up, and a first conversation."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from uuid import uuid4

from msgspec.structs import replace as replace_setting
from rich.console import Console
from rich.text import Text

from daemon.app import run_daemon
from daemon.cli.chat import Talk, begin, tell_ending
from daemon.cli.conversation import Conversation, Ending, Interruption
from daemon.cli.database import Database, Stores, open_database, open_stores
from daemon.cli.exits import WRONG, CommandError
from daemon.cli.input_lines import InputLines
from daemon.cli.options import NO_OPTIONS, Options
from daemon.cli.output import Progress, clock, open_console, quiet_log
from daemon.cli.ps import short
from daemon.cli.sources import read_script, read_text
from daemon.settings import Settings
from daemon.store_glance import MigrationProgress


def demo(*, options: Options = NO_OPTIONS) -> int:
    """Set everything up and hold a first conversation, here in the terminal.

    It makes an embedded PostgreSQL (or takes the one of --database-url), its schema, a table for tickets and the
    function that fills it, runs the daemon, and lets you talk to examples/ticket.bas. Where standard input is no
    terminal, its lines are your answers.
    """
    examples = Path(str(files("examples") / "ticket.bas")).parent
    settings = _settings(options, examples)
    with quiet_log(), Progress() as progress, open_database(settings, progress) as database:
        return asyncio.run(_demo(database, settings, examples, progress))


def _settings(options: Options, examples: Path) -> Settings:
    """Return the settings with the example's tools. A database is taken only if this command line names it:
    the demo makes a table."""
    settings = replace(options, config=examples / "stepwell.toml").settings()
    if options.database_url is None:
        settings = replace_setting(settings, database=replace_setting(settings.database, url=""))
    return settings


async def _demo(database: Database, settings: Settings, examples: Path, progress: Progress) -> int:
    file = examples / "ticket.bas"
    async with open_stores(database.dsn, settings) as stores:
        await _set_up(stores, database, examples, progress)
        with Interruption() as interruption:
            progress("Starting the daemon …")
            async with run_daemon(settings, dsn=database.dsn):
                talk = Talk(str(file), read_script(file).compile(settings), uuid4(), None, {})
                execution = await begin(stores, settings, talk)
                progress.done()
                console, lines = open_console(), InputLines()
                conversation = Conversation(stores, console, lines, talk.session, execution, interruption)
                ending = await conversation.hold()
        status = tell_ending(console, conversation, ending, str(file))
        if ending is Ending.OVER:
            await _tell_ticket(stores, console, conversation)
        return status


async def _set_up(stores: Stores, database: Database, examples: Path, progress: Progress) -> None:
    """Migrate, and make the example's table and function. Raises CommandError where a daemon lives already."""

    def show(step: MigrationProgress) -> None:
        progress(f"Making the schema … {step.position} of {step.total}: {step.name}")

    await stores.glance.migrate(show)
    if database.ours:
        await stores.glance.free_partitions()
    elif await stores.glance.live_daemon() is not None:
        raise CommandError(
            "a daemon runs on this database already. Talk over it: stepwell chat FILE; or give the demo a place "
            "of its own: stepwell demo --embedded-directory DIR",
            WRONG,
        )
    progress("Making the table tickets and the function create_ticket …")
    await stores.glance.run_author_sql(read_text(examples / "ticket.sql"))


async def _tell_ticket(stores: Stores, console: Console, conversation: Conversation) -> None:
    ticket = await stores.glance.demo_ticket(conversation.session)
    if ticket is None:
        raise CommandError("the conversation is over, and there is no ticket of it in the table", WRONG)
    name = short(conversation.execution)
    console.print()
    console.print(Text("In the table tickets", "bold"))
    created_at = ticket["created_at"]
    for column, value in ticket.items():
        console.print(f"  {column:<12} {clock(created_at) if value is created_at else value}")  # type: ignore[arg-type]
    console.print()
    console.print(Text("Where to go next", "bold"))
    for command, about in (
        (f"stepwell show {name}", "this conversation: its turns, its variables, what was said"),
        ("stepwell ps --all", "all conversations"),
        ("stepwell chat FILE", "talk to a script of your own"),
        ("stepwell keywords", "what a script can say"),
        ("stepwell up", "the daemon for your bot server"),
    ):
        console.print(Text.assemble(f"  {command:<24}", (about, "dim")))
