"""The command line: one module a command, imported only when that command runs."""

from __future__ import annotations

import importlib.util
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass

from cyclopts import App, CycloptsError, Group
from rich.console import Console

from daemon.cli import exits
from daemon.settings import read_surroundings
from daemon.version import stepwell_version

BEGIN = Group("Begin", sort_key=1)
WRITE = Group("Write scripts", sort_key=2)
TALK = Group("Conversations", sort_key=3)
RUN = Group("Run and look after", sort_key=4)


@dataclass(frozen=True, slots=True)
class Command:
    """A command: module daemon.cli.NAME (dashes as underscores), and in it a function of the same name."""

    name: str
    help: str
    group: Group

    @property
    def module(self) -> str:
        """The module that holds it."""
        return f"daemon.cli.{self.name.replace('-', '_')}"


COMMANDS = (
    Command("demo", "Set everything up and hold a first conversation, here in the terminal.", BEGIN),
    Command("doctor", "Look for what is wrong with this installation, and say what mends it.", BEGIN),
    Command("self-test", "Run Stepwell's own tests (from its source tree).", BEGIN),
    Command("check", "Compile scripts and show every error in them.", WRITE),
    Command("steps", "Show the numbered plan that a script compiles to.", WRITE),
    Command("chat", "Talk to a script over the real daemon and database.", WRITE),
    Command("test", "Play .chat files against their scripts, with a virtual clock.", WRITE),
    Command("keywords", "Explain the keywords of the dialect, or one of them.", WRITE),
    Command("tools", "List what scripts and language models may call, with JSON schemas.", WRITE),
    Command("start", "Start a script for a session.", TALK),
    Command("send", "Say something to a session.", TALK),
    Command("ps", "List conversations.", TALK),
    Command("show", "Show one conversation: where it is, what it waits for, what was said.", TALK),
    Command("cancel", "End a conversation.", TALK),
    Command("pause", "Hold a conversation until it is resumed.", TALK),
    Command("resume", "Let a paused conversation go on.", TALK),
    Command("retry", "Let a failed conversation go on from the step that failed.", TALK),
    Command("requests", "List what scripts ask of the world and nobody has answered, and end doubts.", TALK),
    Command("schedules", "List what is started when; pause, resume, trigger, backfill.", TALK),
    Command("deploy", "Store the scripts of a folder, so that they can be started.", RUN),
    Command("up", "Run the daemon, with an embedded PostgreSQL unless one is configured.", RUN),
    Command("prune", "Delete what is past its retention, or only count it.", RUN),
    Command("migrate", "Bring the database's schema to this version.", RUN),
    Command("config", "Show every setting, its value, and where it came from.", RUN),
)

EXAMPLES = """\
Examples:

  stepwell demo                       a first conversation, with nothing set up
  stepwell check bots/*.bas           every error of these scripts
  stepwell chat bots/ticket.bas       talk to a script
  stepwell up --config my.toml        run the daemon on the database of my.toml
  stepwell ps --json                  what runs and waits, for a program

Exit status:

  0 done                              3 the database is away, or refuses
  1 what was asked about is wrong     4 its schema needs stepwell migrate
  2 usage or configuration           70 a mistake of Stepwell's own
"""


def build_app() -> App:
    """Return the application with every command that is there."""
    colors = None if not read_surroundings().no_color else False
    app = App(
        name="stepwell",
        help="Durable BASIC conversations on PostgreSQL.",
        help_epilogue=EXAMPLES,
        help_format="plaintext",
        version=lambda: f"stepwell {stepwell_version()}",
        console=Console(no_color=colors is False, highlight=False),
        error_console=Console(stderr=True, no_color=colors is False, highlight=False),
        result_action="return_value",
        exit_on_error=False,
        print_error=False,
        suppress_keyboard_interrupt=False,
    )
    app["--help"].group = app["--version"].group = RUN
    for command in COMMANDS:
        if importlib.util.find_spec(command.module):
            function = command.name.replace("-", "_")
            app.command(
                f"{command.module}:{function}",
                name=command.name,
                help=command.help,
                group=command.group,
                help_epilogue="",
            )
    return app


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status. Every expected exception ends as one line on stderr."""
    try:
        result = build_app()(list(sys.argv[1:] if arguments is None else arguments))
    except CycloptsError as error:
        _complain(f"{_sentence(error)}\nTry: stepwell --help")
        return exits.USAGE
    except KeyboardInterrupt:
        _complain("Interrupted.")
        return exits.INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has seen enough; Python would complain once more while closing it.
        sys.stdout = None
        return exits.OK
    except Exception as error:
        return _fail(error)
    return result if isinstance(result, int) else exits.OK


def _fail(error: Exception) -> int:
    debug = read_surroundings().debug
    found = exits.explain(error)
    if debug:
        traceback.print_exception(error)
    if found is not None:
        _complain(found[0])
        return found[1]
    said = " ".join(f"{type(error).__name__}: {error}".split())
    _complain(f"A mistake of Stepwell's own: {said}. Please report it; STEPWELL_DEBUG=1 shows where.")
    return exits.INTERNAL


def _sentence(error: CycloptsError) -> str:
    return " ".join(str(error).split())


def _complain(text: str) -> None:
    sys.stderr.write(f"stepwell: {text}\n")
