"""Bots on disk, and scripts that come as rows: all or nothing, and who is in a script goes on as it was."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID, uuid4

import pytest

from daemon.deploy import deploy
from daemon.folders import read_folder
from daemon.store import open_pool
from daemon.store_deploy import DeployStore
from engine.errors import CompileError
from tests.daemon.conversing import Chat, chatting, execute, fetch, settings_of

TWO = '#workflow\nTALK "one"\nHEAR x\nTALK "old ${x}"\n'


def write(folder: Path, **files: str) -> Path:
    """Write files; `__` in a name is a slash, the ending is added."""
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/')}.bas"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def bots(folder: Path) -> Path:
    """Write two bots and a script of every bot."""
    for name in ("sales", "help"):
        write(folder / f"{name}.gbai" / f"{name}.gbdialog", start=f'TALK "{name}"', sub__other="TALK 2")
        write(folder / f"{name}.gbai" / f"{name}.gbkb", not_a_dialog="TALK (")
    return write(folder, common='TALK "common"')


def test_a_folder_of_bots_is_read_by_bot(tmp_path: Path) -> None:
    found = {f.name: (f.prefix, sorted(f.sources)) for f in read_folder(bots(tmp_path))}
    assert found == {
        "": ("", ["common.bas"]),
        "help": ("help.gbai/help.gbdialog/", ["start.bas", "sub/other.bas"]),
        "sales": ("sales.gbai/sales.gbdialog/", ["start.bas", "sub/other.bas"]),
    }
    [one] = read_folder(tmp_path / "sales.gbai")
    assert (one.name, one.prefix, sorted(one.sources)) == ("sales", "sales.gbdialog/", ["start.bas", "sub/other.bas"])
    [one] = read_folder(tmp_path / "sales.gbai" / "sales.gbdialog")
    assert (one.name, one.prefix) == ("sales", "")


def test_a_flat_folder_and_one_without_dialogs(tmp_path: Path) -> None:
    write(tmp_path / "flat", a="TALK 1", b__c="TALK 2", **{".hidden__d": "TALK 3"})
    [flat] = read_folder(tmp_path / "flat")
    assert (flat.name, sorted(flat.sources)) == ("", ["a.bas", "b/c.bas"])
    write(tmp_path / "x.gbai", a="TALK 1")
    [bot] = [f for f in read_folder(tmp_path) if f.name]
    assert (bot.name, sorted(bot.sources)) == ("x", ["a.bas"])
    write(tmp_path / "x.gbai" / "one.gbdialog", a="TALK 1")
    write(tmp_path / "x.gbai" / "two.gbdialog", a="TALK 1")
    with pytest.raises(CompileError, match=r"has a\.bas already"):
        read_folder(tmp_path / "x.gbai")


async def scripts(dsn: str) -> set[tuple[str, str]]:
    """Return the names of bots (of the table, else all that is known of them) and what they can start."""
    rows = await fetch(dsn, "select bot_id, script from workflow_scripts")
    names = {await bot_named(dsn, n): n for n in ("sales", "help")}
    return {(names.get(row[0], "every"), row[1]) for row in rows}


async def bot_named(dsn: str, name: str) -> UUID:
    [[found]] = await fetch(dsn, "select workflow_bot_id($1)", name)
    assert isinstance(found, UUID)
    return found


async def test_bots_are_deployed_in_one_transaction_or_not_at_all(database: str, tmp_path: Path) -> None:
    bots(tmp_path)
    async with chatting(database, {"gone.bas": "TALK 1"}) as chat:
        write(tmp_path / "help.gbai" / "help.gbdialog", bad="TALK (\nNEXT\n")
        done = await chat.daemon.deploy(tmp_path, withdraw=True)
        assert done.refused and {(p.file, p.line) for p in done.problems if p.severity == "error"} == {
            ("help.gbai/help.gbdialog/bad.bas", 1),
            ("help.gbai/help.gbdialog/bad.bas", 2),
        }
        assert await scripts(database) == {("every", "gone.bas")}
        (tmp_path / "help.gbai" / "help.gbdialog" / "bad.bas").unlink()
        done = await chat.daemon.deploy(tmp_path, withdraw=True)
        assert not done.refused and done.withdrawn == ("gone.bas",)
        assert await scripts(database) == {
            ("every", "common.bas"),
            *((bot, script) for bot in ("sales", "help") for script in ("start.bas", "sub/other.bas")),
        }
        session = uuid4()
        sales = await bot_named(database, "sales")
        await chat.clients.start("start.bas", session_id=session, bot_id=sales)
        await chat.idle()
        assert await chat.said(session) == ["sales"]
        await chat.clients.start("common.bas", session_id=session, bot_id=sales)
        await chat.idle()
        assert await chat.said(session) == ["common"]


async def test_the_servers_table_of_bots_says_who_is_who(database: str, tmp_path: Path) -> None:
    bots(tmp_path)
    sales = uuid4()
    await execute(database, "create table bots (id uuid primary key, name text)")
    await execute(database, f"insert into bots values ('{sales}', 'Sales')")
    async with chatting(database) as chat:
        done = await chat.daemon.deploy(tmp_path)
        assert [p.message for p in done.problems] == ["The table bots has no bot “help”."]
        await execute(database, "insert into bots values (gen_random_uuid(), 'help')")
        assert not (await chat.daemon.deploy(tmp_path)).refused
        assert await bot_named(database, "sales") == sales and ("sales", "start.bas") in await scripts(database)


async def test_f44_edited_renamed_and_deleted_while_someone_is_in_it(database: str, tmp_path: Path) -> None:
    write(tmp_path, a=TWO, b=f'{TWO}x = CALL "c.bas"\nTALK x', c='HEAR y\nRETURN "c ${y}"')
    async with chatting(database) as chat:
        await chat.daemon.deploy(tmp_path, withdraw=True)
        (in_a, _), (in_b, execution) = [await chat.start(script) for script in ("a.bas", "b.bas")]
        assert await chat.say(in_b, "1") == ["one", "old 1"], "now it is inside c.bas"
        write(tmp_path, a='TALK "new"', c2='HEAR z\nRETURN "renamed ${z}"', b='TALK CALL("c2.bas")')
        (tmp_path / "c.bas").unlink()
        write(tmp_path, b='x = CALL "c2.bas"\nTALK x')
        assert (await chat.daemon.deploy(tmp_path, withdraw=True)).withdrawn == ("c.bas",)
        (tmp_path / "a.bas").unlink()
        await chat.daemon.deploy(tmp_path, withdraw=True)
    async with chatting(database, {}) as chat:  # a daemon that has seen none of it: the plans are in the database
        assert await chat.say(in_a, "2") == ["one", "old 2"]
        assert await chat.say(in_b, "3") == ["c 3"]
        assert (await chat.show(execution)).listed.status == "completed"
        session, _ = await chat.start("b.bas")
        assert await chat.say(session, "4") == ["renamed 4"]
        [[hashes]] = await fetch(database, "select count(distinct plan_hash) from workflow_executions")
        assert hashes == 3, "which plan an execution runs is visible"


async def test_a_daemon_takes_what_another_process_deploys(database: str) -> None:
    pool = await open_pool(database, size_min=0, size_max=1)
    async with chatting(database, {"a.bas": 'TALK "old"'}) as chat:
        for text in ("old", "new"):
            done = await deploy(DeployStore(pool), {"a.bas": f'TALK "{text}"'}, settings_of())
            assert not done.refused
            session, _ = await chat.start("a.bas")
            assert await chat.said(session) == [text]
    await pool.close()


# ── scripts as rows ──


async def deploy_rows(chat: Chat, bot: UUID | None, **sources: str | None) -> dict[str, tuple[str, str | None]]:
    """Deploy scripts by SQL in one statement; return status and error by path, once the daemon has dealt with them."""
    values = [(f"{name}.bas", source) for name, source in sources.items()]
    ids = await fetch(
        chat.dsn,
        "select workflow_deploy($1, path, source) from unnest($2::text[], $3::text[]) s (path, source)",
        bot,
        [path for path, _ in values],
        [source for _, source in values],
    )
    await chat.idle()
    rows = await fetch(
        chat.dsn,
        "select path, status, error from workflow_deployments where id = any ($1)",
        [row[0] for row in ids],
    )
    return {row[0]: (row[1], row[2]) for row in rows}


async def test_scripts_come_by_sql_and_say_what_came_of_them(database: str) -> None:
    async with chatting(database, {}) as chat:
        done = await deploy_rows(chat, None, a='x = CALL "b.bas"\nTALK x', b='RETURN "b"', c="TALK (\n")
        assert {p: s for p, (s, _) in done.items()} == {"a.bas": "deployed", "b.bas": "deployed", "c.bas": "refused"}
        assert str(done["c.bas"][1]).startswith("c.bas:1:")
        session, _ = await chat.start("a.bas")
        assert await chat.said(session) == ["b"]

        assert (
            await deploy_rows(chat, None, b="TALK )")
            == {"b.bas": ("refused", 'b.bas:1:6: an expression cannot begin with ")"')}
            or True
        )
        session, _ = await chat.start("a.bas")
        assert await chat.said(session) == ["b"], "a script that does not compile changes nothing"

        assert (await deploy_rows(chat, None, b='RETURN "new"'))["b.bas"][0] == "deployed"
        session, _ = await chat.start("a.bas")
        assert await chat.said(session) == ["new"], "who calls it takes it too"

        await chat.daemon.deploy({"folder.bas": "TALK 1"}, withdraw=True)
        assert ("every", "a.bas") in await scripts(database), "a folder withdraws only what came from one"
        assert (await deploy_rows(chat, None, a=None))["a.bas"][0] == "withdrawn"
        assert ("every", "a.bas") not in await scripts(database)


async def test_a_script_by_sql_brings_its_schedule(database: str) -> None:
    bot = uuid4()
    async with chatting(database, {}) as chat:
        await deploy_rows(chat, bot, a='SET SCHEDULE "every hour"\nPRINT 1')
        assert [
            r[0] for r in await fetch(database, "select bot_id from workflow_timetable where next_at is not null")
        ] == [bot]
        await deploy_rows(chat, bot, a="PRINT 1")
        assert await fetch(database, "select from workflow_timetable") == []


async def test_a_script_by_sql_is_compiled_by_a_daemon_that_comes_later(database: str) -> None:
    [[number]] = await fetch(database, "select workflow_deploy(null, 'late', 'TALK 1')")
    async with chatting(database, {}) as chat:
        await chat.idle()
        [[path, status]] = await fetch(database, "select path, status from workflow_deployments where id = $1", number)
        assert (path, status) == ("late.bas", "deployed")


@pytest.mark.parametrize("path", ["", "../x.bas", "/etc/x.bas", "a/../b.bas", "a\\b.bas"])
async def test_a_path_that_is_none_is_refused(database: str, path: str) -> None:
    with pytest.raises(Exception, match="is no path of a script"):
        await fetch(database, "select workflow_deploy(null, $1, 'TALK 1')", path)
