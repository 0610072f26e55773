"""The files that a bot's scripts may read: CSV and JSON as rows, others as text. Only below the bot's folder.

A path is opened one part after the other, none of them a symbolic link, so that no name and no swap of a folder at
the wrong moment leads out of it; and only what is a regular file is read.
"""

from __future__ import annotations

import asyncio
import csv
import errno
import io
import json
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from uuid import UUID

from daemon.rows import LoadedExecution
from engine.effects import Query
from engine.events import QueryAnswered, QueryFailed
from engine.values import Value

READ_FILE = "read_file"
PATH_CHARACTERS_MAX = 400
PACKAGE = ".gbai"  # a bot's folder, with folders of kinds in it
DATA_FOLDERS = (".gbdata", ".gbdrive")

_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,14})(?:\.\d{1,15})?")  # a leading zero or more digits: a code, no number
_COMMA_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,14}),\d{1,15}")
_UUID_NAME = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_SEPARATORS = ",;\t|"
_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG)


class FileRefused(Exception):
    """A file cannot be read; the message is a sentence for the script's author."""


class Files:
    """Reads below one directory. Where it has a folder named by a bot's id, that bot reads there and nowhere else."""

    def __init__(self, directory: Path, *, bytes_max: int, rows_max: int) -> None:
        self._directory = directory
        self._bytes_max = bytes_max
        self._rows_max = rows_max

    async def answer(self, query: Query, row: LoadedExecution) -> QueryAnswered | QueryFailed:
        """Answer `read_file` (path) or (path, "rows") of an execution: NULL where there is no such file."""
        path = str(query.arguments[0])
        try:
            return QueryAnswered(await asyncio.to_thread(self.read, path, row, rows=len(query.arguments) > 1))
        except FileRefused as refused:
            return QueryFailed(str(refused), "file")

    def read(self, path: str, row: LoadedExecution, *, rows: bool) -> Value:
        """Return a file's rows, or its JSON or text; None where there is none. Raises FileRefused."""
        parts = self._parts(path)
        for folder in self._folders(row.bot_id, row.script, parts):
            raw = self._bytes((*folder, *parts), path)
            if raw is not None:
                return self._rows(raw, path) if rows else _content(raw, path)
        return None

    def _parts(self, path: str) -> tuple[str, ...]:
        if len(path) > PATH_CHARACTERS_MAX or not path.isprintable() or not path.strip():
            raise FileRefused(f"{path[:80]!r} is no name of a file.")
        plain = path.strip().replace("\\", "/")
        parts = tuple(part for part in plain.split("/") if part not in ("", "."))
        if plain.startswith("/") or ".." in parts or any(p.startswith(".") for p in parts) or ":" in plain or not parts:
            raise FileRefused(f"{path} is not below the bot's folder; name the file by its path from there.")
        return parts

    def _folders(self, bot_id: UUID | None, script: str, parts: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        """Give where the bot's files may be: its own folder, its package's, beside the script, the directory."""
        own = str(bot_id) if bot_id else ""
        if own and (self._directory / own).is_dir():
            yield (own,)
            return
        above = PurePosixPath(script).parent.parts
        package = next((n for n, part in enumerate(above) if part.endswith(PACKAGE)), None)
        if package is not None:
            base, name = above[: package + 1], above[package].removesuffix(PACKAGE)
            yield from ((*base, name + kind) for kind in DATA_FOLDERS)
            yield base
            return
        if _UUID_NAME.fullmatch(parts[0]) or parts[0].endswith(PACKAGE):
            raise FileRefused(f"{'/'.join(parts)} belongs to another bot.")
        if above and ".." not in above:
            yield above
        yield ()

    def _bytes(self, parts: tuple[str, ...], path: str) -> bytes | None:
        """Return the content of a file below the directory, None where there is none. Raises FileRefused."""
        opened: list[int] = []
        try:
            opened.append(os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
            for part in parts[:-1]:
                flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
                opened.append(os.open(part, flags, dir_fd=opened[-1]))
            # Without O_NONBLOCK opening a pipe would wait for its writer.
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            opened.append(os.open(parts[-1], flags, dir_fd=opened[-1]))
            found = os.fstat(opened[-1])
            if not stat.S_ISREG(found.st_mode):
                raise FileRefused(f"{path} is no file.")
            with open(opened[-1], "rb", closefd=False) as file:
                raw = file.read(self._bytes_max + 1)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise FileRefused(f"{path} is a link, and links are not followed.") from None
            if error.errno in _ABSENT:
                return None
            raise FileRefused(f"{path} cannot be read: {error.strerror}.") from None
        finally:
            for descriptor in opened:
                os.close(descriptor)
        if len(raw) > self._bytes_max:
            raise FileRefused(f"{path} has more than {self._bytes_max:,} bytes, which [data] file_bytes_max allows.")
        return raw

    def _rows(self, raw: bytes, path: str) -> Value:
        text = _text(raw, path)
        if path.lower().endswith(".json"):
            value = _json(text, path)
            lists = [v for v in value.values() if isinstance(v, list)] if isinstance(value, dict) else []
            found: list[Value] = value if isinstance(value, list) else lists[0] if len(lists) == 1 else [value]
        else:
            found = csv_rows(text, path)
        if len(found) > self._rows_max:
            raise FileRefused(f"{path} has more than {self._rows_max:,} rows, which [data] rows_max allows.")
        return found


def _content(raw: bytes, path: str) -> Value:
    text = _text(raw, path)
    return _json(text, path) if path.lower().endswith(".json") else text


def _text(raw: bytes, path: str) -> str:
    """Return the file as text: UTF-8 with or without a mark, UTF-16 with one, else as Windows writes it."""
    try:
        if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
            text = raw.decode("utf-16")
        else:
            text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("cp1252", "replace")
    if "\0" in text:
        raise FileRefused(f"{path} is no text.")
    return text


def _json(text: str, path: str) -> Value:
    def refuse(constant: str) -> Value:
        raise FileRefused(f"{path} holds {constant}, which is no number.")

    try:
        value: Value = json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise FileRefused(f"{path} is no JSON: {error}.") from None
    return value


def csv_rows(text: str, path: str) -> list[Value]:
    """Return the rows below a heading, as objects. The separator is what the heading has most. Raises FileRefused."""
    heading = next((line for line in text.splitlines() if line.strip()), "")
    separator = max(_SEPARATORS, key=lambda s: re.sub(r'"[^"]*"', "", heading).count(s))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
    try:
        lines = [line for line in reader if any(cell.strip() for cell in line)]
    except csv.Error as error:
        raise FileRefused(f"{path}:{reader.line_num}: {error}.") from None
    if not lines:
        return []
    names: list[str] = []
    for number, cell in enumerate(lines[0], 1):
        name = cell.strip() or f"column{number}"
        names.append(name if name not in names else f"{name}_{number}")
    comma = separator != ","
    return [
        {name: _typed(line[n] if n < len(line) else "", comma) for n, name in enumerate(names)} for line in lines[1:]
    ]


def _typed(cell: str, comma: bool) -> Value:
    text = cell.strip()
    if not text:
        return None
    if comma and _COMMA_NUMBER.fullmatch(text):
        text = text.replace(",", ".")
    if _NUMBER.fullmatch(text):
        return float(text) if "." in text else int(text)
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    return cell
