"""The command deploy."""

from __future__ import annotations

from pathlib import Path

from tests.cli.terminal import Command
from tests.conftest import run
from tests.daemon.conversing import fetch


def test_deploy_stores_all_or_nothing(stepwell: Command, database: str, tmp_path: Path) -> None:
    at = ("--database-url", database)
    folder = tmp_path / "bots" / "sales.gbai" / "sales.gbdialog"
    folder.mkdir(parents=True)
    (folder / "start.bas").write_text('SET SCHEDULE "every hour"\nTALK 1\n')
    (folder / "bad.bas").write_text("TALK 1 +\n")
    told = stepwell("deploy", tmp_path / "bots", *at)
    assert told.status == 1 and "sales.gbai/sales.gbdialog/bad.bas:1:" in told.out
    assert told.out.splitlines()[-1] == "Nothing was deployed: 1 error."
    assert run(fetch(database, "select from workflow_scripts")) == []
    (folder / "bad.bas").unlink()
    assert stepwell("deploy", tmp_path / "bots", *at).out == "1 script deployed: 1 changed, 0 withdrawn, 1 schedule.\n"
    document = stepwell("deploy", tmp_path / "bots", "--json", *at).document()
    assert (document["deployed"], document["changed"]) == (True, [])
    (folder / "start.bas").rename(folder / "other.bas")
    assert stepwell("deploy", tmp_path / "bots", "--keep", *at).out.startswith("1 script deployed: 1 changed, 0 with")
    assert "1 withdrawn" in stepwell("deploy", tmp_path / "bots", *at).out
    assert stepwell("deploy", tmp_path / "nowhere", *at).status == 1
