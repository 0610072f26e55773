"""ps, show, start, send and the actions, on a database with a conversation of every kind in it."""

from __future__ import annotations

from uuid import UUID, uuid4

import asyncpg
import pytest

from daemon.app import run_daemon
from daemon.settings import load_settings
from tests.cli.terminal import Command
from tests.conftest import run


def test_ps_tells_at_one_glance_who_waits_for_what_and_what_is_stuck(
    stepwell: Command, database: str, executions: dict[str, UUID]
) -> None:
    told = stepwell("ps", "--database-url", database)
    assert told.status == 0
    rows = {line.split()[1]: line for line in told.out.splitlines() if ".bas" in line}
    assert set(rows) == {"asks.bas", "fails.bas"}
    assert str(executions["asks.bas"])[:8] in rows["asks.bas"]
    assert "waiting" in rows["asks.bas"] and "an answer (password): Your PIN?" in rows["asks.bas"]
    assert "failed" in rows["fails.bas"] and "fails.bas:3" in rows["fails.bas"]
    assert told.out.splitlines()[-1] == "3 conversations: 1 completed, 1 failed, 1 waiting"


def test_ps_filters_and_speaks_json(stepwell: Command, database: str, executions: dict[str, UUID]) -> None:
    def ids(*flags: str) -> set[str]:
        return {row["id"] for row in stepwell("ps", "--json", *flags, "--database-url", database).document()}

    assert ids("--all") == {str(id) for id in executions.values()}
    assert ids("--status", "completed") == {str(executions["ends.bas"])}
    assert ids("--script", "fails.bas") == {str(executions["fails.bas"])}
    assert len(ids("--all", "--limit", "2")) == 2


def test_ps_says_when_no_daemon_moves_what_is_due(
    stepwell: Command, database: str, sessions: dict[str, UUID], executions: dict[str, UUID]
) -> None:
    assert stepwell("send", sessions["asks.bas"], "1234", "--database-url", database).status == 0
    told = stepwell("ps", "--script", "asks.bas", "--database-url", database)
    assert "no daemon runs" in told.out
    [row] = stepwell("ps", "--script", "asks.bas", "--json", "--database-url", database).document()
    assert "stepwell up" in row["stuck"]


def test_ps_of_an_empty_database_says_what_to_do(stepwell: Command, database: str) -> None:
    told = stepwell("ps", "--database-url", database)
    assert told.status == 0 and "No conversations yet" in told.out


def test_show_finds_by_the_beginning_and_marks_the_line(
    stepwell: Command, database: str, executions: dict[str, UUID]
) -> None:
    told = stepwell("show", str(executions["fails.bas"])[:13], "--database-url", database)
    assert told.status == 0
    assert told.out.startswith(f"fails.bas  failed  {executions['fails.bas']}")
    assert "problem  fails.bas:3" in told.out
    marked = [line for line in told.out.splitlines() if line.startswith("  > ")]
    assert marked == ["  >    3      x = n / 0   ← step 1"]
    calls = told.out.split("\ncalls\n")[1].splitlines()[:2]
    assert calls[0].startswith("  fails.bas:6  step ") and calls[0].endswith("CALL inner(3)")
    assert calls[1] == "  fails.bas:3  step 1  x = n / 0"
    assert "  inner.n = 3" in told.out
    assert told.out.endswith("said\n  bot: before\n")


def test_show_keeps_secrets(
    stepwell: Command, database: str, sessions: dict[str, UUID], executions: dict[str, UUID]
) -> None:
    async def answer() -> None:
        async with run_daemon(load_settings(None, {"database.url": database}, environ={})) as daemon:
            await daemon.clients.send(sessions["asks.bas"], "hunter-22")
            daemon.look()
            await daemon.idle()

    run(answer())
    for flags in ((), ("--json",)):
        told = stepwell("show", executions["asks.bas"], *flags, "--database-url", database)
        assert told.status == 0 and "hunter" not in told.out
        assert "[hidden]" in told.out and "[PASSWORD SET]" in told.out
    document = stepwell("show", executions["asks.bas"], "--json", "--database-url", database).document()
    assert document["status"] == "waiting" and document["prompt"] == "Which colour?"
    assert document["stack"][-1]["line"] == 5
    assert "deadline" in stepwell("show", executions["asks.bas"], "--database-url", database).out


def test_what_a_user_wrote_steers_no_terminal(
    stepwell: Command, database: str, sessions: dict[str, UUID], executions: dict[str, UUID]
) -> None:
    hostile = "\x1b]0;owned\x07\x1b[2J\x9bgone"
    started = stepwell("start", "echo.bas", "--json", "--database-url", database).document()

    async def answer() -> None:
        async with run_daemon(load_settings(None, {"database.url": database}, environ={})) as daemon:
            await daemon.clients.send(UUID(started["session"]), hostile)
            daemon.look()
            await daemon.idle()

    run(answer())
    for command in (("show", started["id"]), ("ps",)):
        out = stepwell(*command, "--database-url", database).out
        assert "\x1b" not in out and "\x07" not in out and "\x9b" not in out
        assert "\\x1b" in out, command


def test_a_long_value_is_cut(stepwell: Command, database: str, executions: dict[str, UUID]) -> None:
    started = stepwell("start", "echo.bas", "--param", f"list={[0] * 500}", "--json", "--database-url", database)
    out = stepwell("show", started.document()["id"], "--database-url", database).out
    [line] = [line for line in out.splitlines() if line.startswith("  list = ")]
    assert len(line) < 150 and line.endswith("… (1,001 characters)")


def test_show_survives_a_checkpoint_that_cannot_be_read(
    stepwell: Command, database: str, executions: dict[str, UUID]
) -> None:
    async def damage() -> None:
        connection = await asyncpg.connect(database)
        await connection.execute(
            "update workflow_executions set state_json = '{' where id = $1", executions["asks.bas"]
        )
        await connection.close()

    run(damage())
    told = stepwell("show", executions["asks.bas"], "--database-url", database)
    assert told.status == 0 and "its checkpoint cannot be read" in told.out and "bot: Hello" in told.out


@pytest.mark.parametrize(
    ("id", "said"), [("zz", "is not the beginning of an id"), ("00000000", "there is no execution whose id begins")]
)
def test_an_id_that_names_nothing_is_a_sentence(stepwell: Command, database: str, id: str, said: str) -> None:
    for command in ("show", "cancel", "pause", "resume", "retry"):
        told = stepwell(command, id, "--database-url", database)
        assert told.status == 1 and said in told.err, command


def test_actions_say_what_they_did_and_end_with_1_where_they_could_not(
    stepwell: Command, database: str, executions: dict[str, UUID]
) -> None:
    asks, fails, ends = (executions[name] for name in ("asks.bas", "fails.bas", "ends.bas"))

    def act(command: str, id: UUID, *flags: str) -> tuple[int, str]:
        told = stepwell(command, id, *flags, "--database-url", database)
        return told.status, told.out

    assert act("pause", asks) == (
        0,
        f"Execution {asks} is paused at step 3; its messages wait and its deadline runs on.\n",
    )
    assert act("pause", asks)[0] == 0  # what is asked for is so
    assert act("resume", asks)[0] == 0
    assert act("resume", fails)[0] == 1
    assert act("retry", asks)[0] == 1
    status, sentence = act("retry", fails)
    assert status == 0 and "again" in sentence
    assert act("cancel", asks, "--why", "enough")[0] == 0
    assert act("cancel", ends)[0] == 1
    assert "enough" in stepwell("show", asks, "--database-url", database).out
    document = stepwell("cancel", fails, "--json", "--database-url", database).document()
    assert document["changed"] and document["status"] == "cancelled"


def test_start_takes_parameters_and_a_key(stepwell: Command, database: str, executions: dict[str, UUID]) -> None:
    first = stepwell("start", "asks.bas", "--param", "vip=true", "--key", "k1", "--json", "--database-url", database)
    again = stepwell("start", "asks.bas", "--param", "vip=true", "--key", "k1", "--json", "--database-url", database)
    assert first.status == 0 and first.document()["id"] == again.document()["id"]
    shown = stepwell("show", first.document()["id"], "--json", "--database-url", database).document()
    assert shown["variables"]["vip"] is True and shown["status"] == "running"


def test_start_of_an_unknown_script_names_the_nearest(
    stepwell: Command, database: str, executions: dict[str, UUID]
) -> None:
    told = stepwell("start", "ask.bas", "--database-url", database)
    assert told.status == 1 and told.err.count("\n") == 1
    assert "There is no script 'ask.bas'" in told.err and "asks.bas" in told.err


def test_send_says_who_hears_it(
    stepwell: Command, database: str, sessions: dict[str, UUID], executions: dict[str, UUID]
) -> None:
    told = stepwell("send", sessions["asks.bas"], "1234", "--database-url", database)
    assert told.status == 0 and told.out == f"asks.bas ({executions['asks.bas']}) hears it.\n"
    nobody = stepwell("send", uuid4(), "1234", "--database-url", database)
    assert nobody.status == 1 and "Nobody hears it" in nobody.out
    told = stepwell("send", sessions["asks.bas"], "x" * 200_000, "--database-url", database)
    assert told.status == 1 and "at most" in told.err and told.err.count("\n") == 1


def test_a_parameter_without_a_name_is_a_wrong_use(stepwell: Command, database: str) -> None:
    told = stepwell("start", "asks.bas", "--param", "vip", "--database-url", database)
    assert told.status == 2 and "NAME=VALUE" in told.err


def test_migrate_shows_its_progress_and_the_second_time_has_nothing_to_do(
    stepwell: Command, empty_database: str
) -> None:
    first = stepwell("migrate", "--roles", "--database-url", empty_database)
    assert first.status == 0 and "  0001 conversations" in first.out and "have their rights" in first.out
    assert stepwell("migrate", "--database-url", empty_database).out == "Schema public is up to date.\n"


def test_a_database_without_the_schema_says_migrate(stepwell: Command, empty_database: str) -> None:
    told = stepwell("ps", "--database-url", empty_database)
    assert told.status == 4 and "stepwell migrate" in told.err and told.err.count("\n") == 1


def test_a_newer_schema_is_refused(stepwell: Command, database: str) -> None:
    async def move_on() -> None:
        connection = await asyncpg.connect(database)
        await connection.execute(
            "insert into workflow_migrations (number, name, checksum) values (9999, 'future', 'x')"
        )
        await connection.close()

    run(move_on())
    for command in (("ps",), ("migrate",), ("show", "12")):
        told = stepwell(*command, "--database-url", database)
        assert told.status == 4 and "9999" in told.err and told.err.count("\n") == 1


def test_a_database_that_is_away_is_one_line(stepwell: Command) -> None:
    for command in (("ps",), ("migrate",), ("send", uuid4(), "x")):
        told = stepwell(*command, "--database-url", "postgresql://nobody@/x?host=/nonexistent")
        assert told.status == 3 and told.err.startswith("stepwell: ") and told.err.count("\n") == 1


def test_without_rights_the_database_says_so_in_one_line(stepwell: Command, database: str) -> None:
    async def make_role() -> None:
        connection = await asyncpg.connect(database)
        await connection.execute("drop role if exists stranger; create role stranger login")
        await connection.close()

    run(make_role())
    told = stepwell("ps", "--database-url", database + "&options=-c%20role%3Dstranger")
    assert told.status == 3 and "permission denied" in told.err and told.err.count("\n") == 1


def test_commands_that_look_make_no_database(stepwell: Command, tmp_path: object) -> None:
    told = stepwell("ps", "--embedded-directory", f"{tmp_path}/none")
    assert told.status == 3 and "There is no database yet" in told.err
