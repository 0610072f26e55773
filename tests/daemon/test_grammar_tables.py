"""The grammar's tables are kept between starts, and read only where nobody else can have written them."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.grammar_tables import TablesInDirectory
from engine import registry
from engine.expression_rules import expression_parser
from engine.source import MASK


@pytest.fixture
def kept(tmp_path: Path) -> TablesInDirectory:
    return TablesInDirectory(tmp_path / "state")


def test_tables_are_kept_for_ourselves_alone(kept: TablesInDirectory) -> None:
    assert kept.trusted("one") is None
    kept.keep("one", b"tables")
    assert kept.trusted("one") == b"tables"
    file = kept.directory / "grammar-one"
    assert file.stat().st_mode & 0o777 == 0o600
    assert kept.directory.stat().st_mode & 0o777 == 0o700


def test_another_grammar_takes_their_place(kept: TablesInDirectory) -> None:
    kept.keep("one", b"a")
    kept.keep("two", b"b")
    assert [p.name for p in kept.directory.iterdir()] == ["grammar-two"]


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_is_not_read(kept: TablesInDirectory, mode: int) -> None:
    kept.keep("one", b"a")
    (kept.directory / "grammar-one").chmod(mode)
    assert kept.trusted("one") is None


def test_a_directory_that_others_may_write_is_not_used(kept: TablesInDirectory) -> None:
    kept.keep("one", b"a")
    kept.directory.chmod(0o777)
    assert kept.trusted("one") is None
    kept.keep("two", b"b")
    assert [p.name for p in kept.directory.iterdir()] == ["grammar-one"]


def test_a_link_is_not_followed(kept: TablesInDirectory, tmp_path: Path) -> None:
    kept.keep("two", b"b")
    (tmp_path / "elsewhere").write_bytes(b"evil")
    (kept.directory / "grammar-one").symlink_to(tmp_path / "elsewhere")
    assert kept.trusted("one") is None


def test_a_directory_that_cannot_be_made_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    kept = TablesInDirectory(tmp_path / "file" / "state")
    kept.keep("one", b"a")
    assert kept.trusted("one") is None


def test_a_parser_is_kept_and_read_and_a_damaged_one_is_not(kept: TablesInDirectory) -> None:
    parser = expression_parser()
    kept.write("one", parser)
    again = kept.read("one")
    assert again is not None
    assert again.parse('a + "x"'.replace("x", MASK), start="expression") == parser.parse(
        'a + "x"'.replace("x", MASK), start="expression"
    )
    kept.keep("one", b"damaged")
    assert kept.read("one") is None


def test_the_registry_reads_what_it_kept(kept: TablesInDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "build_parser", lambda grammar, starts: expression_parser())
    monkeypatch.setattr(registry, "_kept", kept)
    assert registry.statement_parser.__wrapped__() is expression_parser()
    monkeypatch.setattr(registry, "build_parser", None)
    assert registry.statement_parser.__wrapped__().parse("1", start="expression").data == "expression"
