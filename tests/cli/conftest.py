"""Commands, and a database with one conversation of every kind in it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from daemon.app import run_daemon
from daemon.settings import load_settings
from tests.cli.terminal import Command, in_process
from tests.conftest import run

SCRIPTS = {
    "asks.bas": '#workflow\nPARAM vip DEFAULT FALSE\nTALK "Hello"\nHEAR pin AS PASSWORD WITH "Your PIN?"\n'
    'HEAR colour AS "Red", "Green" WITH "Which colour?" TIMEOUT 2 HOURS\nTALK "Thanks, ${colour}"\n',
    "fails.bas": '#workflow\nSUB inner(n)\n    x = n / 0\nEND SUB\nTALK "before"\nCALL inner(3)\n',
    "echo.bas": "#workflow\nHEAR x\nHEAR y WITH x\n",
    "ends.bas": '#workflow\nTALK "That is all"\n',
}


@pytest.fixture
def stepwell(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """Run a command in this process, in an empty folder, with none of our settings around it."""
    monkeypatch.chdir(tmp_path)
    for name in ("STEPWELL_CONFIG", "STEPWELL_DATABASE_URL", "STEPWELL_EMBEDDED_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)
    return partial(in_process, capfd)


async def deploy_and_start(dsn: str, *started: tuple[str, UUID]) -> list[UUID]:
    """Deploy SCRIPTS and run some of them until nothing moves; then the daemon is gone."""
    settings = load_settings(None, {"database.url": dsn}, environ={})
    async with run_daemon(settings) as daemon:
        await daemon.deploy(SCRIPTS)
        ids = [await daemon.clients.start(script, session_id=session) for script, session in started]
        daemon.look()
        await daemon.idle()
    return ids


@pytest.fixture
def sessions() -> dict[str, UUID]:
    """A session for each script."""
    return {script: uuid4() for script in SCRIPTS}


@pytest.fixture
def executions(database: str, sessions: dict[str, UUID]) -> dict[str, UUID]:
    """One execution of every script but the echo, as far as it goes by itself; no daemon runs any more."""
    started = {script: session for script, session in sessions.items() if script != "echo.bas"}
    ids = run(deploy_and_start(database, *started.items()))
    return dict(zip(started, ids, strict=True))
