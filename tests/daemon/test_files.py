"""Files of a bot: what their rows are, and that nothing outside of its folder can be read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from daemon.files import FileRefused, Files, csv_rows
from daemon.rows import LoadedExecution
from tests.daemon.conversing import chatting

BOT = UUID(int=7)


def files(folder: Path, **changes: Any) -> Files:
    return Files(folder, **({"bytes_max": 10_000, "rows_max": 100} | changes))


def execution(script: str = "a.bas", bot: UUID | None = BOT) -> LoadedExecution:
    values: dict[str, Any] = dict.fromkeys(LoadedExecution.__slots__)
    return LoadedExecution(**(values | {"script": script, "bot_id": bot}))


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("name,age\nAda,36\n", [{"name": "Ada", "age": 36}]),
        ("nome;preço\nPão;1,50\nÁgua;2\n", [{"nome": "Pão", "preço": 1.5}, {"nome": "Água", "preço": 2}]),
        ("a\tb\n1\t007\n", [{"a": 1, "b": "007"}]),
        ('a,b\n"x, ""y""\nz",\n\n', [{"a": 'x, "y"\nz', "b": None}]),
        ("a,a,\n1,2,3\n", [{"a": 1, "a_2": 2, "column3": 3}]),
        ("a,b\ntrue,1e5\n-1.50,12345678901234567890\n", [{"a": True, "b": "1e5"}, {"a": -1.5, "b": "12345678901234567890"}]),
        ("a,b\n1\n1,2,3\n", [{"a": 1, "b": None}, {"a": 1, "b": 2}]),
        ("", []),
        ("a,b\n", []),
    ],
)  # fmt: skip
def test_rows_of_csv(text: str, rows: list[Any]) -> None:
    assert csv_rows(text, "a.csv") == rows
    assert csv_rows(text.replace("\n", "\r\n").replace("\r\nz", "\nz"), "a.csv") == rows


def test_encodings_json_and_text(tmp_path: Path) -> None:
    contents: dict[str, bytes] = {
        "bom.csv": "\ufeffnome\nAção\n".encode(),
        "wide.csv": "nome\nAção\n".encode("utf-16"),
        "old.csv": "nome\nAção\n".encode("cp1252"),
    }
    for name, raw in contents.items():
        (tmp_path / name).write_bytes(raw)
        assert files(tmp_path).read(name, execution(), rows=True) == [{"nome": "Ação"}], name
    (tmp_path / "a.json").write_text('{"items": [{"n": 1}], "next": null}')
    assert files(tmp_path).read("a.json", execution(), rows=True) == [{"n": 1}]
    assert files(tmp_path).read("a.json", execution(), rows=False) == {"items": [{"n": 1}], "next": None}
    (tmp_path / "a.txt").write_text("plain")
    assert files(tmp_path).read("a.txt", execution(), rows=False) == "plain"
    assert files(tmp_path).read("none.txt", execution(), rows=False) is None
    for name, raw in {"bad.json": b"{", "nan.json": b"[NaN]", "deep.json": b"[" * 9_000, "z.txt": b"a\0b"}.items():
        (tmp_path / name).write_bytes(raw)
        with pytest.raises(FileRefused, match=name):
            files(tmp_path).read(name, execution(), rows=False)


def test_limits(tmp_path: Path) -> None:
    (tmp_path / "big.csv").write_text("a\n" + "1\n" * 200)
    with pytest.raises(FileRefused, match="more than 100 rows"):
        files(tmp_path).read("big.csv", execution(), rows=True)
    with pytest.raises(FileRefused, match="more than 50 bytes"):
        files(tmp_path, bytes_max=50).read("big.csv", execution(), rows=True)


@pytest.mark.parametrize(
    "path",
    [
        "../secret.csv",
        "/etc/passwd",
        "a/../../secret.csv",
        "..\\secret.csv",
        "C:\\secret.csv",
        ".env",
        "a/.git/config",
        "link.csv",
        "out/secret.csv",
        "pipe.csv",
        "a",
        "x" * 500,
        "a\0.csv",
        "",
        " ",
        "file:///etc/passwd",
        f"{UUID(int=8)}/theirs.csv",
        "other.gbai/theirs.csv",
    ],
)
def test_nothing_outside_is_read(tmp_path: Path, path: str) -> None:
    inside = tmp_path / "bots"
    (inside / "a" / ".git").mkdir(parents=True)
    (inside / "a" / ".git" / "config").write_text("x")
    (inside / ".env").write_text("x")
    (tmp_path / "secret.csv").write_text("a\n1\n")
    (inside / "link.csv").symlink_to(tmp_path / "secret.csv")
    (inside / "out").symlink_to(tmp_path)
    os.mkfifo(inside / "pipe.csv")
    for other in (str(UUID(int=8)), "other.gbai"):
        (inside / other).mkdir()
        (inside / other / "theirs.csv").write_text("a\n1\n")
    try:
        assert files(inside).read(path, execution(), rows=True) is None
    except FileRefused as refused:
        assert str(refused)


def test_where_a_bots_files_are(tmp_path: Path) -> None:
    for name in ("x.gbai/x.gbdata/p.csv", "x.gbai/q.csv", "flat/r.csv", "s.csv", f"{BOT}/t.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("a\n1\n")
    other = UUID(int=9)
    read = files(tmp_path).read
    assert read("p.csv", execution("x.gbai/x.gbdialog/a.bas", other), rows=True)
    assert read("q.csv", execution("x.gbai/x.gbdialog/a.bas", other), rows=True)
    assert read("s.csv", execution("x.gbai/x.gbdialog/a.bas", other), rows=True) is None
    assert read("r.csv", execution("flat/a.bas", other), rows=True)
    assert read("s.csv", execution("flat/a.bas", other), rows=True)
    assert read("t.csv", execution("a.bas", BOT), rows=True)
    assert read("s.csv", execution("a.bas", BOT), rows=True) is None


SCRIPT = """
#workflow
rows = FIND "prices.csv", "price > 1 ORDER BY price DESC"
TALK rows.length, rows.name
one = FIND FIRST "prices.csv" WHERE name = "nut"
TALK one.price
TRY
  x = FIND "../prices.csv"
CATCH e
  TALK e
END TRY
TRY
  x = FIND "none.csv"
CATCH e
  TALK e
END TRY
"""


async def test_a_conversation_reads_a_file(database: str, tmp_path: Path) -> None:
    (tmp_path / "prices.csv").write_text("name,price\nnut,1\nbolt,2\ncar,30000\n")
    async with chatting(database, {"a.bas": SCRIPT}, data__files_directory=str(tmp_path)) as chat:
        session, _ = await chat.start("a.bas")
        assert await chat.said(session) == [
            "2 car",
            "1",
            "../prices.csv is not below the bot's folder; name the file by its path from there.",
            "The bot has no file none.csv.",
        ]


SAVED = """
name = "Grace"
age = 85
SAVE "people.csv", name, age
all = FIND "people.csv"
TALK all.length, all[0].Name, all[1].Name, all[1].Age
old = FIND FIRST "people.csv" WHERE age > 40
TALK old.Name
SAVE "new.csv", name
fresh = FIND "new.csv", "name = Grace"
again = GET "new.csv"
both = GET "People.csv"
TALK fresh.length, again.length, both.length, both[1].Name
text = GET "plain.csv"
TALK text.length
TRY
  none = FIND "none.csv"
CATCH e
  TALK e
END TRY
DELETE "new.csv", "name = Grace"
rest = FIND "new.csv"
TALK rest.length
"""


async def test_a_table_that_was_saved_under_a_files_name_follows_the_file(database: str, tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("Name,Age\nAda,36\n")
    (tmp_path / "People.csv").write_text("Name,Age\nAda,36\n")
    (tmp_path / "plain.csv").write_text("a,b\n")
    async with chatting(database, {"saved.bas": SAVED}, data__files_directory=str(tmp_path)) as chat:
        session, _ = await chat.start("saved.bas")
        said = await chat.said(session)
    assert said == ["2 Ada Grace 85", "Grace", "1 1 2 Grace", "4", "The bot has no file none.csv.", "0"]
