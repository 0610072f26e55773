"""From a folder of scripts to stored plans: all of it or nothing."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest

from tests.daemon.conversing import chatting, fetch

GOOD = '#workflow\nTALK "one"\nHEAR x\nTALK "one still"\n'


async def test_every_error_of_every_file_and_nothing_stored(database: str, tmp_path: Path) -> None:
    (tmp_path / "good.bas").write_text(GOOD)
    (tmp_path / "bad.bas").write_text('TALK "a" +\nHEAR x AS\n')
    (tmp_path / "worse.bas").write_text("NEXT\n")
    async with chatting(database) as chat:
        before = await fetch(database, "select from workflow_plans")
        done = await chat.daemon.deploy(tmp_path)
        assert done.refused
        assert {p.file for p in done.problems if p.severity == "error"} == {"bad.bas", "worse.bas"}
        assert len(await fetch(database, "select from workflow_plans")) == len(before)


async def test_a_file_that_is_no_text_is_an_error_with_its_line(database: str, tmp_path: Path) -> None:
    (tmp_path / "latin.bas").write_bytes(b'TALK 1\nTALK "caf\xe9"\n')
    async with chatting(database) as chat:
        done = await chat.daemon.deploy(tmp_path)
        assert [(p.file, p.line) for p in done.problems] == [("latin.bas", 2)]
        assert done.refused


async def test_f44_who_is_in_a_script_goes_on_in_the_plan_he_began_with(database: str, tmp_path: Path) -> None:
    file = tmp_path / "folder" / "s.bas"
    file.parent.mkdir()
    file.write_text(GOOD)
    async with chatting(database) as chat:
        done = await chat.daemon.deploy(tmp_path)
        assert (done.changed, done.withdrawn) == (("folder/s.bas",), ())
        session, _ = await chat.start("folder/s.bas")
        file.write_text(GOOD.replace("one", "two"))
        assert (await chat.daemon.deploy(tmp_path)).changed == ("folder/s.bas",)
        assert (await chat.daemon.deploy(tmp_path)).changed == ()
        other, _ = await chat.start("folder/s.bas")
        assert await chat.say(session, "x") == ["one", "one still"]
        assert await chat.say(other, "x") == ["two", "two still"]
        session, _ = await chat.start("folder/s.bas")
        file.unlink()
        done = await chat.daemon.deploy(tmp_path, withdraw=True)
        assert "folder/s.bas" in done.withdrawn
        with pytest.raises(Exception, match="no script"):
            await chat.start("folder/s.bas")
        assert await chat.say(session, "x") == ["two", "two still"]


async def test_a_folder_that_is_not_there(database: str, tmp_path: Path) -> None:
    async with chatting(database) as chat:
        with pytest.raises(NotADirectoryError, match="not a folder of scripts"):
            await chat.daemon.deploy(tmp_path / "nowhere")


async def test_the_bots_param_settings_are_variables_of_its_scripts(database: str) -> None:
    await fetch(database, "create table bot_configuration (bot_id uuid, config_key text, config_value text)")
    bot, other = uuid4(), uuid4()
    settings = (
        "insert into bot_configuration values ($1, 'param-Max', '10'), ($1, 'param-city', 'Recife'), ($1, 'max', '7')"
    )
    await fetch(database, settings, bot)
    script = {"p.bas": 'TALK "${max + 1} ${city}"\nHEAR x\nTALK max'}
    async with chatting(database, script) as chat:
        session, foreign = uuid4(), uuid4()
        await chat.clients.start("p.bas", session_id=session, bot_id=bot, params={"city": "Olinda"})
        await chat.clients.start("p.bas", session_id=foreign, bot_id=other)
        await chat.idle()
        assert await chat.said(session) == ["11 Olinda"], "typed, and under what the start gives"
        assert await chat.said(foreign) == ["1 "]
        await fetch(database, "update bot_configuration set config_value = '99'")
        assert await chat.say(session, "go on") == ["10"], "read once, at the start"
