"""Conversations over the real path: PostgreSQL, the daemon, and a clock that is moved by hand."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from daemon.cli import keywords
from daemon.embedded import Running
from tests.cli.conftest import stepwell
from tests.cli.terminal import ROOT, Command
from tests.conftest import run

__all__ = ["stepwell"]


def write(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text, encoding="utf-8")


def test_the_example_of_every_keyword_gives_its_conversation(
    stepwell: Command, postgres: Running, tmp_path: Path
) -> None:
    count = 0
    for keyword in keywords.known_keywords():
        for number, (script, chat) in enumerate(keyword.examples):
            write(tmp_path, f"{keyword.anchor}-{number}.bas", script)
            write(tmp_path, f"{keyword.anchor}-{number}.chat", chat)
            count += 1
    told = stepwell("test", tmp_path, "--json", "--database-url", postgres.dsn)
    differing = [chat for chat in told.document()["chats"] if not chat["passed"]]
    assert not differing and told.status == 0
    assert told.document()["passed"] == count > 30


def test_the_examples_and_the_chats_beside_this_file(stepwell: Command, postgres: Running) -> None:
    folders = (ROOT / "examples", Path(__file__).parent)
    count = sum(len(list(folder.rglob("*.chat"))) for folder in folders)
    told = stepwell("test", *folders, "--database-url", postgres.dsn)
    assert told.status == 0, told.out
    assert told.out.count("✓") == count and told.out.endswith(f"{count} passed, 0 failed\n")


def test_every_example_has_a_conversation() -> None:
    scripts = {path.stem for path in (ROOT / "examples").glob("*.bas")}
    assert {"ticket"} < scripts
    assert scripts <= {path.stem for path in (ROOT / "examples").glob("*.chat")}


def test_a_difference_is_shown_side_by_side_and_ends_with_1(
    stepwell: Command, postgres: Running, tmp_path: Path
) -> None:
    write(tmp_path, "a.bas", 'HEAR x WITH "Who?"\nTALK "Hello, ${x}"\n')
    write(tmp_path, "a.chat", "bot: Who?\nuser: Ada\nbot: Hallo, Ada\n")
    told = stepwell("test", tmp_path, "--database-url", postgres.dsn)
    assert told.status == 1
    assert f"✗ {tmp_path}/a.chat:3: the conversation differs" in told.out
    marked = [line for line in told.out.splitlines() if line.startswith("  > ")]
    assert len(marked) == 1
    left, right = marked[0].split("│")
    assert left.split(">")[1].strip() == "bot: Hallo, Ada" and right.strip() == "bot: Hello, Ada"
    assert told.out.endswith("0 passed, 1 failed\n")


@pytest.mark.parametrize(
    ("script", "chat", "said"),
    [
        ('TALK "a"', "bot: a\nuser: more\n", "# nobody hears this: the script is over"),
        ("HEAR x", "user: 1\nfails: zero\n", "ends"),
        ("x = 1 / 0", "bot: 1\n", "fails: a.bas:1: "),
        ('SEND FILE "a"', "ends\n", "# nothing here answers SEND FILE; add a line above: given SEND FILE answers"),
        ('HEAR x\nHEAR y\nTALK "b"', "user: 1\nends\n", "# the script is not over: it is waiting for a message"),
    ],
)
def test_what_no_author_writes_is_a_difference(
    stepwell: Command, postgres: Running, tmp_path: Path, script: str, chat: str, said: str
) -> None:
    write(tmp_path, "a.bas", script)
    write(tmp_path, "a.chat", chat)
    told = stepwell("test", tmp_path / "a.chat", "--json", "--database-url", postgres.dsn)
    [document] = told.document()["chats"]
    assert told.status == 1 and not document["passed"]
    assert any(line.startswith(said) for line in document["actual"]), document["actual"]


def test_update_writes_what_the_bot_says_now(stepwell: Command, postgres: Running, tmp_path: Path) -> None:
    write(tmp_path, "a.bas", 'HEAR x WITH "Who?"\nTALK "Hello, ${x}"\n')
    write(tmp_path, "a.chat", "# mine\nbot: Who?\nuser: Ada\nbot: Hallo\nends\n")
    assert stepwell("test", tmp_path, "--update", "--database-url", postgres.dsn).status == 0
    assert (tmp_path / "a.chat").read_text() == "# mine\nbot: Who?\nuser: Ada\nbot: Hello, Ada\nends\n"
    assert stepwell("test", tmp_path, "--database-url", postgres.dsn).status == 0


def test_files_that_cannot_be_played_do_not_keep_the_others_from_it(
    stepwell: Command, postgres: Running, tmp_path: Path
) -> None:
    write(tmp_path, "bad.bas", "TLAK 1\n")
    write(tmp_path, "bad.chat", "bot: 1\n")
    write(tmp_path, "wrong.chat", "bto: 1\n")
    write(tmp_path, "alone.chat", "bot: 1\n")
    write(tmp_path, "good.bas", "TALK 1\n")
    write(tmp_path, "good.chat", "bot: 1\nends\n")
    told = stepwell("test", tmp_path, "--database-url", postgres.dsn)
    assert told.status == 1 and told.out.endswith("1 passed, 3 failed\n")
    assert "did you mean TALK?" in told.out and "did you mean bot:?" in told.out
    assert "alone.bas: there is no such file" in told.out


def test_sql_that_is_refused_has_its_file_and_line(stepwell: Command, postgres: Running, tmp_path: Path) -> None:
    write(tmp_path, "a.bas", "TALK 1\n")
    write(tmp_path, "a.chat", "bot: 1\n")
    write(tmp_path, "a.sql", "create table a (b integer);\ncreate tabel c ();\n")
    told = stepwell("test", tmp_path, "--database-url", postgres.dsn)
    assert told.status == 1 and f"{tmp_path}/a.sql:2: syntax error" in told.out


def test_a_message_that_the_database_refuses_is_a_sentence_and_the_others_are_played(
    stepwell: Command, postgres: Running, tmp_path: Path
) -> None:
    write(tmp_path, "a.bas", "HEAR x\n")
    write(tmp_path, "a.chat", f"user: {'x' * 200_000}\n")
    write(tmp_path, "b.chat", 'script: a.bas\nparams: {"n": "\\u0000"}\nuser: 1\n')
    write(tmp_path, "c.chat", "script: a.bas\nuser: 1\nends\n")
    told = stepwell("test", tmp_path, "--database-url", postgres.dsn)
    assert told.status == 1 and told.out.endswith("1 passed, 2 failed\n")
    assert "at most" in told.out and "Traceback" not in told.out + told.err


def test_nothing_is_left_behind_in_the_server(stepwell: Command, database: str, tmp_path: Path) -> None:
    async def look() -> list[str]:
        connection = await asyncpg.connect(database)
        rows = await connection.fetch(
            "select datname from pg_database where datname like 'stepwell\\_test\\_%' union all "
            "select script_path from workflow_executions union all select script from workflow_scripts"
        )
        await connection.close()
        return [row[0] for row in rows]

    write(tmp_path, "a.bas", "HEAR x\n")
    write(tmp_path, "a.chat", "user: 1\n")
    assert stepwell("test", tmp_path, "--database-url", database).status == 0
    assert run(look()) == []


def test_a_role_that_may_make_no_database_gets_a_sentence(stepwell: Command, database: str, tmp_path: Path) -> None:
    async def make_role() -> None:
        connection = await asyncpg.connect(database)
        await connection.execute("drop role if exists poor; create role poor login")
        await connection.close()

    run(make_role())
    write(tmp_path, "a.bas", "TALK 1\n")
    write(tmp_path, "a.chat", "bot: 1\n")
    parts = urlsplit(database)
    poor = parts._replace(query=parts.query).geturl()
    told = stepwell("test", tmp_path, "--database-url", poor + "&options=-c%20role%3Dpoor")
    assert told.status == 3 and "may not create one" in told.err and "createdb" in told.err


def test_a_folder_without_chats_is_a_wrong_use(stepwell: Command) -> None:
    told = stepwell("test", ".")
    assert told.status == 2 and "there is no .chat file" in told.err
