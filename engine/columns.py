"""The lines of TABLE … END TABLE: `[FIELD] name [AS] type[(n)] [KEY] [NOT NULL] [DEFAULT v] [REFERENCES t]`."""

from __future__ import annotations

import re
from typing import Any, TypeAlias

from engine.filters import name_of
from engine.values import Value, read_number

Column: TypeAlias = "tuple[str, str, tuple[int, ...], bool, bool, bool, tuple[Any, ...], str]"
"""name, type, size, key, not null, unique, default (nothing; "now"; "uuid"; "value", v), table referred to."""

COLUMNS_MAX = 500
SIZE_MAX = 10_000_000

# The dialect's and SQL's words for a type, and PostgreSQL's.
_TYPES = {
    "text": "text string memo longtext clob char character nchar varchar nvarchar varying email phone mobile url link "
    "name title color zipcode cep cpf cnpj image file audio video document password html markdown enum",
    "bigint": "bigint integer int long autoincrement autonumber serial bigserial counter int8 int4 smallint tinyint",
    "numeric": "numeric number decimal money currency amount percent",
    "double precision": "double float real single",
    "boolean": "boolean bool bit logical yesno",
    "date": "date",
    "timestamp with time zone": "datetime timestamp timestamptz datetimeoffset",
    "time without time zone": "time hour",
    "jsonb": "json jsonb object array list",
    "uuid": "uuid guid uniqueidentifier",
    "bytea": "bytea binary blob bytes varbinary",
}
_TYPE_OF = {word: kind for kind, words in _TYPES.items() for word in words.split()}
_COUNTED = ("autoincrement", "autonumber", "serial", "bigserial", "counter")
_LINE = re.compile(
    r"(?:(?:FIELD|COLUMN|ADD)\s+)?(?:\"([^\"]+)\"|([^\W\d][\w$]*))\s+(?:AS\s+)?([^\W\d]\w*)"
    r"(?:\s+(?:precision|varying))?(?:\s*\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\))?",
    re.IGNORECASE,
)
_COMMENT = re.compile(r"\s*(?:'.*|//.*|--.*|#.*|REM(?:\s.*)?)?$", re.IGNORECASE)
_FLAG = re.compile(
    r"\s*(?:(?P<key>PRIMARY\s+KEY|KEY|PK)|(?P<required>NOT\s+NULL|REQUIRED|MANDATORY)|(?P<unique>UNIQUE)"
    r"|(?P<counted>AUTO_?INCREMENT|IDENTITY(?:\s*\(\s*\d+\s*,\s*\d+\s*\))?)|(?P<nothing>NULL|INDEX(?:ED)?|OPTIONAL)"
    r"|DEFAULT\s+(?P<default>'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|[\w.+:-]+(?:\(\s*\))?)"
    r"|(?:REFERENCES|REFS?|FOREIGN\s+KEY\s+REFERENCES)\s+\"?(?P<refers>[^\W\d]\w*)\"?(?:\s*\(\s*\w+\s*\)|\.\w+)?)(?!\w)",
    re.IGNORECASE,
)
_NOW = ("now()", "now", "current_timestamp", "today()", "today", "current_date", "getdate()", "sysdate")


class WrongColumn(Exception):
    """A line of a TABLE cannot be read; the message is a sentence."""


def columns_of(text: str) -> tuple[Column, ...]:
    """Return the columns that the lines declare. Raises WrongColumn, and ScriptError for what can be no name."""
    found: list[Column] = []
    for line in text.splitlines():
        said = line.strip().rstrip(",;")
        if not said or _COMMENT.match(said):
            continue
        column = _column(said)
        if any(column[0] == other[0] for other in found):
            raise WrongColumn(f"the column {column[0]} is declared twice")
        found.append(column)
    if not found:
        raise WrongColumn("a table needs at least one column")
    if len(found) > COLUMNS_MAX:
        raise WrongColumn(f"a table has at most {COLUMNS_MAX} columns")
    return tuple(found)


def _column(line: str) -> Column:
    head = _LINE.match(line)
    if head is None:
        raise WrongColumn(f"“{line[:60]}” declares no column: its name and its type are expected")
    name, word = name_of(head[1] or head[2], "column"), head[3].lower()
    kind = _TYPE_OF.get(word)
    if kind is None:
        raise WrongColumn(f"“{head[3]}” is no type of a column; for example: string, integer, number, date, boolean")
    size = tuple(int(digits) for digits in (head[4], head[5]) if digits)
    if any(n > SIZE_MAX for n in size) or (kind == "numeric" and size and not 1 <= size[0] <= 1000):
        raise WrongColumn(f"the column {name} is too wide")
    if kind == "text" and size:
        kind = "character varying"
    elif kind != "numeric":
        size = ()
    key = unique = required = False
    counted = word in _COUNTED
    default: tuple[Any, ...] = ()
    refers, at = "", head.end()
    while not _COMMENT.match(line, at):
        flag = _FLAG.match(line, at)
        if flag is None:
            raise WrongColumn(f"“{line[at:].strip()[:40]}” cannot stand behind the type of the column {name}")
        key, unique = key or bool(flag["key"]), unique or bool(flag["unique"])
        required, counted = required or bool(flag["required"]), counted or bool(flag["counted"])
        default = _default(flag["default"]) if flag["default"] else default
        refers = name_of(flag["refers"], "table") if flag["refers"] else refers
        at = flag.end()
    if counted or (key and not default and not refers and kind in ("bigint", "numeric")):
        kind, size, default = "bigint", (), ("count",)
    elif key and not default and kind in ("uuid", "text"):
        default = ("uuid",)
    return name, kind, size, key, required, unique, default, refers


def _default(written: str) -> tuple[Any, ...]:
    if written[0] in "'\"":
        return "value", written[1:-1].replace(written[0] * 2, written[0])
    lowered = written.lower()
    if lowered in _NOW:
        return ("now",)
    if lowered in ("null",):
        return ()
    if lowered in ("true", "false"):
        return "value", lowered == "true"
    if lowered in ("guid()", "uuid()", "gen_random_uuid()", "newid()"):
        return ("uuid",)
    number = read_number(written)
    return "value", written if number is None else number


def asked_columns(columns: tuple[Column, ...]) -> list[Value]:
    """Return the columns as a database is asked for them."""
    asked: list[Value] = []
    for name, kind, size, key, required, unique, default, refers in columns:
        entry: dict[str, Value] = {"name": name, "type": kind, "key": key, "not_null": required, "unique": unique}
        if size:
            entry["size"] = list(size)
        if default:
            entry |= {"identity": True} if default == ("count",) else {"default": list(default)}
        if refers:
            entry["references"] = refers
        asked.append(entry)
    return asked
