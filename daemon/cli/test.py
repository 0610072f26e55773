"""`stepwell test`: plays .chat files against their scripts, over a real daemon and database."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from msgspec.structs import replace
from rich.console import Console
from rich.text import Text

from daemon.app import Daemon, run_daemon
from daemon.chat_entries import Chat, Entry, Remark, transcript
from daemon.chat_fakes import FakeWorld
from daemon.chat_player import Played, play_chat
from daemon.chats import ChatError, parse_chat, updated
from daemon.cli.check import print_problem
from daemon.cli.database import open_database, settings_beside
from daemon.cli.exits import OK, UNREACHABLE, USAGE, WRONG, CommandError
from daemon.cli.options import NO_OPTIONS, Options
from daemon.cli.output import Progress, open_console, quiet_log, write_json
from daemon.cli.side_by_side import print_difference
from daemon.cli.sources import ScriptFile, UnreadableFile, read_script, read_text
from daemon.settings import Settings
from daemon.store_scratch import SCRATCH_SCHEMA, AuthorSql, AuthorSqlRefused, Scratch, ScratchRefused, scratch_database
from engine.errors import CompileError, Problem

# What a file's params or messages provoke: an error of our own functions, or of data that no column holds.
REFUSED_INPUT = ("SW", "22")
SEED = 7  # what RANDOM draws is the same every time


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one file. `wrong` are sentences about a file that could not be played."""

    file: Path
    played: Played | None = None
    wrong: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    updated: bool = False

    @property
    def passed(self) -> bool:
        """Whether the conversation was the one in the file."""
        return self.played is not None and (self.played.passed or self.updated)


def test(
    *paths: Path,
    json: Annotated[bool, Parameter(negative=(), help="Print JSON.")] = False,
    update: Annotated[bool, Parameter(negative=(), help="Write what the bot says now into the files.")] = False,
    options: Options = NO_OPTIONS,
) -> int:
    """Play .chat files against their scripts, with a virtual clock.

    Every conversation has a session, a bot and a clock of its own, in a database that is made for the run and
    dropped after it; the .sql files beside the script are run first. Ends with 1 if any conversation differs.

    Parameters
    ----------
    paths
        Files (.chat), or folders of them; the folder you are in if you give none.
    """
    files = list(find_chats(paths or (Path(),)))
    console = open_console()
    results = []
    for result in _run(files, options, update):
        results.append(result)
        if not json:
            _print(console, result)
    failed = sum(not result.passed for result in results)
    if json:
        write_json(
            {"passed": len(results) - failed, "failed": failed, "chats": [_document(result) for result in results]}
        )
    else:
        console.print(f"{len(results) - failed} passed, {failed} failed", style="red" if failed else "green")
    return WRONG if failed else OK


def find_chats(paths: tuple[Path, ...]) -> Iterator[Path]:
    """Yield the files that are meant, each once. Raises CommandError where there are none."""
    seen: set[Path] = set()
    for path in paths:
        if path.is_dir():
            found = sorted(p for p in path.rglob("*.chat") if p.is_file())
        elif path.suffix == ".bas":
            found = [path.with_suffix(".chat")]
        else:
            found = [path]
        if not found:
            raise CommandError(f"{path}: there is no .chat file in this folder", USAGE)
        for file in found:
            if file.resolve() not in seen:
                seen.add(file.resolve())
                yield file


# ── reading ────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A conversation ready to be played: it is well formed, and its script compiles."""

    file: Path
    chat: Chat
    script: ScriptFile
    settings: Settings


def _prepare(file: Path, options: Options) -> _Prepared | Result:
    try:
        chat = parse_chat(read_text(file), str(file))
        script = read_script(file.parent / chat.script if chat.script else file.with_suffix(".bas"))
        settings = settings_beside(options, script.path.parent)
    except (ChatError, UnreadableFile) as error:
        return Result(file, wrong=(str(error),))
    try:
        script.compile(settings)
    except CompileError as error:
        return Result(file, problems=tuple(script.placed(error.problems)))
    return _Prepared(file, chat, script, settings)


def _run(files: list[Path], options: Options, update: bool) -> Iterator[Result]:
    """Yield a result for each file, in order; those that share a configuration share a daemon."""
    prepared = [_prepare(file, options) for file in files]
    playable = [p for p in prepared if isinstance(p, _Prepared)]
    results = {}
    if playable:
        # The server's address comes from where we are, not from beside a script: it is one for all.
        with quiet_log(), Progress() as say, open_database(options.settings(), say) as database:
            say("Making a database for the run …")
            try:
                results = asyncio.run(_play_all(database.dsn, playable, update))
            except ScratchRefused as refused:
                raise CommandError(str(refused), UNREACHABLE) from None
    for file, item in zip(files, prepared, strict=True):
        yield results[file] if isinstance(item, _Prepared) else item


# ── playing ────────────────────────────────────────────────────────────────────────────────────────


async def _play_all(dsn: str, prepared: list[_Prepared], update: bool) -> dict[Path, Result]:
    results: dict[Path, Result] = {}
    folders = list(dict.fromkeys(p.script.path.parent for p in prepared))
    async with scratch_database(dsn) as scratch:
        for folder in folders:
            group = [p for p in prepared if p.script.path.parent == folder]
            settings = scratch_settings(group[0].settings, scratch)
            author_sql = [AuthorSql(str(p), read_text(p)) for p in sorted(folder.glob("*.sql"))]
            world = FakeWorld()
            async with run_daemon(settings, dsn=scratch.dsn, seed=SEED, performers=(world,)) as daemon:
                for item in group:
                    results[item.file] = await _play(daemon, scratch, world, item, author_sql, update)
    return results


def scratch_settings(settings: Settings, scratch: Scratch) -> Settings:
    """Return the settings for a daemon in a scratch database."""
    return replace(settings, database=replace(settings.database, url=scratch.dsn, schema=SCRATCH_SCHEMA))


async def _play(
    daemon: Daemon, scratch: Scratch, world: FakeWorld, item: _Prepared, author_sql: list[AuthorSql], update: bool
) -> Result:
    plan = item.script.compile(item.settings)
    await daemon.deploy(plan.sources)
    try:
        played = await play_chat(daemon, scratch, world, item.script.name, item.chat, author_sql)
    except AuthorSqlRefused as error:
        return Result(item.file, wrong=(str(error),))
    except Exception as error:
        if not str(getattr(error, "sqlstate", "")).startswith(REFUSED_INPUT):
            raise
        return Result(item.file, wrong=(" ".join(str(error).replace("HINT:", " ").split()),))
    if update and not played.passed:
        text = updated(item.chat, played.actual)
        item.file.write_text(text, encoding="utf-8")
        return Result(item.file, played, updated=not any(isinstance(e, Remark) for e in played.actual))
    return Result(item.file, played)


# ── showing ────────────────────────────────────────────────────────────────────────────────────────


def _print(console: Console, result: Result) -> None:
    if result.updated:
        console.print(Text(f"~ {result.file} is written anew", "yellow"))
    elif result.passed:
        console.print(Text.assemble(("✓ ", "green"), str(result.file)))
    elif result.played is None:
        console.print(Text.assemble(("✗ ", "bold red"), (str(result.file), "bold")))
        for sentence in result.wrong:
            console.print(sentence)
        for problem in result.problems:
            print_problem(console, problem)
    else:
        place = f"{result.file}:{_line(result.played)}"
        console.print(Text.assemble(("✗ ", "bold red"), (place, "bold"), ": the conversation differs"))
        assert result.played.difference is not None
        print_difference(console, result.played.expected, result.played.actual, result.played.difference)


def _line(played: Played) -> int:
    """Return the line of the file where the conversation begins to differ."""
    assert played.difference is not None
    at: Entry = played.expected[min(played.difference, len(played.expected) - 1)]
    return at.line


def _document(result: Result) -> dict[str, object]:
    document: dict[str, object] = {"file": str(result.file), "passed": result.passed, "updated": result.updated}
    if result.played is not None:
        document["line"] = None if result.played.passed else _line(result.played)
        document["expected"] = transcript(result.played.expected)
        document["actual"] = transcript(result.played.actual)
    problems = [*result.wrong, *(problem.render() for problem in result.problems)]
    return document | {"problems": problems}
