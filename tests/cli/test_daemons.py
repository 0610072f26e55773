"""`ps --daemons`: who owns what."""

from __future__ import annotations

import os

from daemon.app import run_daemon
from daemon.settings import load_settings
from tests.cli.terminal import Command
from tests.conftest import run
from tests.daemon.conversing import execute, until


def test_who_owns_what(stepwell: Command, database: str) -> None:
    """Two daemons of which one has died, and partitions that nobody owns."""
    told = stepwell("ps", "--daemons", "--database-url", database)
    assert told.status == 0
    assert "Nobody owns 256 partitions of 256: no daemon runs; start one with stepwell up" in told.out

    async def leave_traces() -> None:
        async with run_daemon(load_settings(None, {"database.url": database}, environ={})) as daemon:
            await until(lambda: len(daemon.partitions.owned) == 256)
            await daemon._cancel("partitions")
            await execute(
                database,
                "create table kept as select * from workflow_daemons",
                "update workflow_partitions set owner = case when number < 100 then 'a:b:7:9:0123456789ab' when number < 200 then owner end",
                "create table kept_partitions as select * from workflow_partitions",
            )
        await execute(
            database,
            "insert into workflow_daemons select * from kept",
            "insert into workflow_daemons values ('a:b:7:9:0123456789ab', 'elsewhere', 7, '2.0', now(), now() - interval '1 s', true, 3)",
            "update workflow_partitions p set owner = k.owner from kept_partitions k where k.number = p.number",
        )

    run(leave_traces())
    told = stepwell("ps", "--daemons", "--database-url", database)
    lines = told.out.splitlines()
    assert lines[0].split() == ["daemon", "host", "process", "version", "since", "partitions", "in", "memory", "lease"]
    assert str(os.getpid()) in lines[1] and " 100 " in lines[1] and "s left" in lines[1]
    assert lines[2].startswith("01234567  elsewhere  7") and "100 (stopping)" in lines[2] and "ended" in lines[2]
    assert "Nobody owns 56 partitions of 256: a daemon claims them within a lease" in told.out
    assert told.out.endswith("2 daemons, 200 of 256 partitions owned\n")
    document = stepwell("ps", "--daemons", "--json", "--database-url", database).document()
    assert [one["partitions"] for one in document] == [100, 100, 56]
    assert [one["process"] for one in document] == [os.getpid(), 7, None]
