"""What `doctor` asks of a database: of PostgreSQL itself, and through something that stands between."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import AsyncMock

import asyncpg
import pytest

from daemon import diagnosis, store_probe
from daemon.diagnosis import Finding
from daemon.store_probe import Probe, probe

GOOD = Probe(
    version="18.6",
    version_number=18,
    read_only=False,
    schema_there=True,
    may_create=True,
    clock_seconds=0.001,
    listen_works=True,
    pooler="none",
    schema_version=3,
    known_version=3,
)


async def test_a_database_without_anything_between(empty_database: str) -> None:
    found = await probe(empty_database, "public", 10)
    assert (found.listen_works, found.pooler, found.read_only) == (True, "none", False)
    assert found.version_number >= 15 and found.version.startswith(str(found.version_number))
    assert abs(found.clock_seconds) < 2
    assert not (await probe(empty_database, "elsewhere", 10)).schema_there


async def test_the_oldest_transaction_of_others_is_told(empty_database: str) -> None:
    assert (await probe(empty_database, "public", 10)).oldest_seconds == 0
    other = await asyncpg.connect(empty_database, server_settings={"application_name": "nightly copy"})
    try:
        async with other.transaction(isolation="repeatable_read"):
            await other.execute("select 1")
            found = await probe(empty_database, "public", 10)
            assert found.oldest_seconds > 0
            assert found.oldest_by == f"process {other.get_server_pid()}, nightly copy"
    finally:
        await other.close()


@pytest.mark.parametrize(("greeted", "answers", "pooler"), [
    (7, (7, 7), "none"),
    (9, (7, 7), "session"),
    (9, (7, 8), "transaction"),
])  # fmt: skip
async def test_f11_a_pooler_shows_by_its_backends(greeted: int, answers: tuple[int, int], pooler: str) -> None:
    # Checked against PgBouncer 1.18 in both modes; these are the process ids it showed.
    first, second = AsyncMock(), AsyncMock()
    first.get_server_pid = lambda: greeted
    first.fetchrow.return_value = {"backend": answers[1]}
    second.transaction = lambda: AsyncMock()
    assert await store_probe._find_pooler(first, second, answers[0]) == pooler


def said(**changes: object) -> list[Finding]:
    """Return the findings that are not good on a server that differs from GOOD."""
    fields = {name: getattr(GOOD, name) for name in Probe.__slots__} | changes
    return [f for f in diagnosis._server(Probe(**fields), "public") if f.state != "ok"]


@pytest.mark.parametrize(("changes", "state", "words", "mend"), [
    ({"version": "14.2", "version_number": 14}, "wrong", "14.2 is too old", "upgrade"),
    ({"read_only": True}, "wrong", "read-only", "primary"),
    ({"schema_version": None}, "wrong", "no tables of ours", "stepwell migrate"),
    ({"schema_version": 2}, "wrong", "is at version 2, this program needs 3", "stepwell migrate"),
    ({"schema_version": 4}, "wrong", "newer than this program's 3", "--upgrade"),
    ({"schema_version": None, "schema_there": False, "may_create": False}, "wrong", "no right", "role"),
    ({"pooler": "transaction", "listen_works": False}, "wrong", "transaction mode", "session"),
    ({"listen_works": False}, "wrong", "did not arrive", "pooler"),
    ({"clock_seconds": -9.0}, "warning", "-9.0 s", "NTP"),
    ({"oldest_seconds": 720.0, "oldest_by": "process 7, pg_dump"}, "warning", "12 min (process 7, pg_dump)", "end it"),
])  # fmt: skip
def test_each_finding_comes_with_what_mends_it(changes: dict[str, object], state: str, words: str, mend: str) -> None:
    (finding,) = said(**changes)
    assert (finding.state, words in finding.sentence, mend in finding.mend) == (state, True, True)


def test_a_good_server_has_no_findings() -> None:
    assert said() == []
    assert said(pooler="session") == []


def test_scripts_are_counted_at_any_depth_but_not_hidden_ones(tmp_path: Path) -> None:
    for name in ("a.bas", "x.gbai/x.gbdialog/b.bas", ".trash/c.bas"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("TALK 1\n")
    assert [finding.sentence for finding in diagnosis._scripts(tmp_path)] == [f"2 in {tmp_path}"]
