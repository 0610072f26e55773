"""`stepwell check`: compiles scripts and shows every error in them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter
from rich.console import Console
from rich.text import Text

from daemon.cli.database import settings_beside
from daemon.cli.exits import OK, WRONG
from daemon.cli.options import NO_OPTIONS, Options
from daemon.cli.output import open_console, plural, write_json
from daemon.cli.sources import UnreadableFile, find_scripts, read_script
from daemon.settings import Settings
from engine.errors import CompileError, Problem

COLORS = {"error": "bold red", "warning": "bold yellow"}


def check(
    *files: Path,
    json: Annotated[bool, Parameter(negative=(), help="Print JSON.")] = False,
    options: Options = NO_OPTIONS,
) -> int:
    """Compile scripts and show every error and warning in them. Nothing is stored, nothing runs.

    A folder stands for all scripts in it. Ends with 1 if any script has an error.

    Parameters
    ----------
    files
        Scripts (.bas), or folders of them; the folder you are in if you give none.
    """
    options.settings()  # what is wrong with the configuration is told first, and once
    paths = list(find_scripts(files or (Path(),)))
    problems = [p for path in paths for p in problems_of(path, settings_beside(options, path.parent))]
    # A script that several others call is compiled with each of them.
    problems = list(dict.fromkeys(problems))
    errors = sum(problem.severity == "error" for problem in problems)
    if json:
        found = [msgspec.to_builtins(problem) for problem in problems]
        write_json({"files": len(paths), "errors": errors, "warnings": len(problems) - errors, "problems": found})
        return WRONG if errors else OK
    console = open_console()
    for problem in problems:
        print_problem(console, problem)
    if problems:
        console.print()
    console.print(
        f"{plural(len(paths), 'script')}: {plural(errors, 'error')}, {plural(len(problems) - errors, 'warning')}",
        style="red" if errors else "green",
    )
    return WRONG if errors else OK


def problems_of(path: Path, settings: Settings) -> list[Problem]:
    """Return all that is wrong with one file, what keeps it from being read included."""
    try:
        script = read_script(path)
    except UnreadableFile as error:
        return [Problem(str(path), error.line, 1, error.sentence)]
    try:
        return script.placed(script.compile(settings).warnings)
    except CompileError as error:
        return script.placed(error.problems)


def print_problem(console: Console, problem: Problem) -> None:
    """Print a problem as Problem.render words it, in colours."""
    first, *rest = problem.render().splitlines()
    place, mark, sentence = first.partition(f" {problem.severity}: ")
    text = Text(place, "bold")
    text.append(mark, COLORS[problem.severity])
    text.append(sentence, "bold")
    console.print(text)
    for line in rest:
        console.print(Text(line, COLORS[problem.severity] if set(line.strip()) == {"^"} else ""))
