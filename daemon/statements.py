"""The statements in sql/, by name: one statement a file, read once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files


@cache
def query(name: str) -> str:
    """Return the text of sql/queries/NAME.sql."""
    return (files("sql") / "queries" / f"{name}.sql").read_text(encoding="utf-8")


@cache
def roles() -> str:
    """Return the text of sql/roles.sql."""
    return (files("sql") / "roles.sql").read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file of sql/migrations. `checksum` is the SHA-256 of its text, in hex."""

    number: int
    name: str
    text: str
    checksum: str


@cache
def migrations() -> tuple[Migration, ...]:
    """Return the migrations in order; their numbers are 1, 2, 3, … without a gap."""
    found = []
    for entry in (files("sql") / "migrations").iterdir():
        if entry.name.endswith(".sql"):
            text = entry.read_text(encoding="utf-8")
            number, _, name = entry.name.removesuffix(".sql").partition("_")
            found.append(Migration(int(number), name, text, sha256(text.encode()).hexdigest()))
    found.sort(key=lambda migration: migration.number)
    assert [migration.number for migration in found] == list(range(1, len(found) + 1))
    return tuple(found)
