"""The service: signals in every state, the folder of scripts, a database that is away or of another version."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import socket
from pathlib import Path
from uuid import uuid4

import pytest

from daemon.migrations import SchemaProblem
from daemon.serve import open_files_allowed, serve
from daemon.settings import Surroundings
from daemon.store import open_pool
from daemon.store_clients import ClientStore
from tests.daemon.conversing import fetch, settings_of
from tests.daemon.faulty_wire import wire_to


async def until_there(dsn: str, statement: str) -> None:
    """Wait until a query finds a row."""
    async with asyncio.timeout(30):
        while True:
            if await fetch(dsn, statement):
                return
            await asyncio.sleep(0.01)


async def until_ready(listen: tuple[str, int] | None) -> None:
    """Wait until /readyz says so."""
    assert listen is not None
    async with asyncio.timeout(30):
        while True:
            reader, writer = await asyncio.open_connection(*listen)
            writer.write(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            answer = await reader.read()
            writer.close()
            if b" 200 " in answer.splitlines()[0]:
                return
            await asyncio.sleep(0.05)


async def test_it_deploys_its_folder_reloads_it_and_stops_by_signal(database: str, tmp_path: Path) -> None:
    (tmp_path / "a.bas").write_text('#workflow\nTALK "a"\n')
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = settings_of(scripts__directory=str(tmp_path), http__listen=f"127.0.0.1:{port}")
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(serve(settings, Surroundings(), dsn=database))
        await until_there(database, "select from workflow_scripts where script = 'a.bas'")
        await until_ready(settings.listen)
        (tmp_path / "b.bas").write_text('#workflow\nTALK "b"\n')
        os.kill(os.getpid(), signal.SIGHUP)
        await until_there(database, "select from workflow_scripts where script = 'b.bas'")
        (tmp_path / "broken.bas").write_text("NEXT\n")
        os.kill(os.getpid(), signal.SIGHUP)
        pool = await open_pool(database, size_min=0, size_max=1)
        session = uuid4()
        await ClientStore(pool).start("b.bas", session_id=session)
        await until_there(database, "select from workflow_replies where content = 'b'")
        await pool.close()
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(serving, 10)
    assert not await fetch(database, "select from workflow_partitions where owner is not null")


async def test_f9_a_signal_ends_it_while_the_database_is_away(database: str, tmp_path: Path) -> None:
    settings = settings_of(scripts__directory=str(tmp_path))
    async with wire_to(database) as wire:
        wire.refuse = True
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(serve(settings, Surroundings(), dsn=wire.dsn))
            await asyncio.sleep(0.2)  # it is in its pauses now
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.wait_for(serving, 1)


async def test_a_database_that_comes_later_is_waited_for(database: str, tmp_path: Path) -> None:
    (tmp_path / "a.bas").write_text('#workflow\nTALK "a"\n')
    settings = settings_of(scripts__directory=str(tmp_path))
    async with wire_to(database) as wire:
        wire.refuse = True
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(serve(settings, Surroundings(), dsn=wire.dsn))
            await asyncio.sleep(0.1)
            wire.refuse = False
            await until_there(database, "select from workflow_scripts where script = 'a.bas'")
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.wait_for(serving, 10)


async def test_a_schema_without_our_tables_is_one_sentence(empty_database: str) -> None:
    with pytest.raises(SchemaProblem, match="stepwell migrate"):
        await serve(settings_of(), Surroundings(), dsn=empty_database)


def test_the_limit_of_open_files_is_raised_as_far_as_it_may() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        assert open_files_allowed() in before
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= before[0] or before[0] == resource.RLIM_INFINITY
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
