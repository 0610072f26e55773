"""Names of files of rows that may be tables too: SAVE "x.csv" makes a table of that name, and what reads the name
gives the file's rows followed by the table's."""

from __future__ import annotations

from engine.effects import Query
from engine.filters import COLUMN_BYTES_MAX
from engine.rows import rows_in
from engine.values import Value

FILE_ENDINGS = (".csv", ".tsv", ".json")


def is_table_name(path: str) -> bool:
    """Tell whether SAVE can have made a table of a file's name."""
    return path.lower().endswith(FILE_ENDINGS) and path.isprintable() and len(path.encode()) <= COLUMN_BYTES_MAX


def rows_of_file(path: str) -> Query:
    """Return the question for a file's rows; its answer is NULL where there is no such file."""
    return Query("read_file", (path, "rows"))


def rows_of_table(name: str) -> Query:
    """Return the question for all rows of the table of a file's name; its answer is NULL where there is none."""
    return Query("data:find", ({"table": name, "where": None, "order": [], "limit": None, "file": True},))


def joined_rows(file: Value, table: Value) -> list[Value]:
    """Return the rows of a file followed by those of the table, whose columns take the names that the file gives
    them: a table's are in lower case."""
    rows = rows_in(file, "FIND")
    names = {name.lower(): name for row in rows if isinstance(row, dict) for name in row}
    saved = [
        {names.get(name, name): value for name, value in row.items()} if isinstance(row, dict) else row
        for row in rows_in(table, "FIND")
    ]
    return [*rows, *saved]
