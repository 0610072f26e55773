"""Exit statuses, and how an exception becomes one line and one of them."""

from __future__ import annotations

from collections.abc import Iterator

OK = 0
WRONG = 1
USAGE = 2
UNREACHABLE = 3
SCHEMA = 4
INTERNAL = 70
INTERRUPTED = 130

MEANINGS = {
    OK: "done",
    WRONG: "what was asked about is wrong: a script does not compile, a test fails, no such execution",
    USAGE: "the command line or the configuration is wrong",
    UNREACHABLE: "the database is not reachable, or refuses us",
    SCHEMA: "the database's schema is older or newer than this program: see stepwell migrate",
    INTERNAL: "a mistake of Stepwell's own: please report it (STEPWELL_DEBUG=1 shows where)",
    INTERRUPTED: "interrupted with Ctrl-C",
}

# By name, so that `--help` imports none of them.
STATUS_BY_CLASS = {
    "engine.errors.CompileError": WRONG,
    "engine.errors.ScriptError": WRONG,
    "daemon.settings_sources.SettingsError": USAGE,
    "daemon.health.HealthError": USAGE,
    "daemon.embedded_state.EmbeddedError": UNREACHABLE,
    "daemon.migrations.SchemaProblem": SCHEMA,
    "asyncpg.exceptions._base.InterfaceError": UNREACHABLE,
    "asyncpg.exceptions._base.PostgresError": UNREACHABLE,
}
# Where the database says that something of ours is missing: table, column, function, schema.
SCHEMA_STATES = frozenset({"42P01", "42703", "42883", "3F000"})


class CommandError(Exception):
    """A command ends with a sentence for its user and an exit status."""

    def __init__(self, sentence: str, status: int = WRONG) -> None:
        self.status = status
        super().__init__(sentence)


def explain(error: BaseException) -> tuple[str, int] | None:
    """Return the sentence and the exit status of an expected exception, None for a mistake of ours."""
    for leaf in _leaves(error):
        if (found := _explain_one(leaf)) is not None:
            return found
    return None


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def _explain_one(error: BaseException) -> tuple[str, int] | None:
    if isinstance(error, CommandError):
        return str(error), error.status
    state = getattr(error, "sqlstate", None)
    if state in SCHEMA_STATES:
        return f"The database lacks something of ours: {error}. Run stepwell migrate.", SCHEMA
    for kind in type(error).__mro__:
        status = STATUS_BY_CLASS.get(f"{kind.__module__}.{kind.__qualname__}")
        if status is None:
            continue
        if kind.__module__.startswith("asyncpg"):
            return f"The database refuses: {_one_line(error)}. stepwell doctor looks for the cause.", status
        return str(error), status
    if isinstance(error, TimeoutError):
        return "The database did not answer in time. stepwell doctor looks for the cause.", UNREACHABLE
    if isinstance(error, (ConnectionError, FileNotFoundError)) and _from_connecting(error):
        return (
            f"The database is not reachable: {_one_line(error)}. stepwell doctor looks for the cause.",
            UNREACHABLE,
        )
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}", WRONG
    if isinstance(error, OSError):
        return (
            f"The database is not reachable: {_one_line(error)}. stepwell doctor looks for the cause.",
            UNREACHABLE,
        )
    return None


def _from_connecting(error: OSError) -> bool:
    return error.filename is None


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()).rstrip(".")
