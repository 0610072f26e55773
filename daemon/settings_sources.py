"""Where settings come from, and where exactly: the file with its lines, the environment, the flags.

Each source becomes a plain dictionary from dotted keys to values with their place; merging is `|`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from daemon.settings_model import OPEN_TABLES

PREFIX = "STEPWELL_"
# Ours, but no settings: read elsewhere in the settings or by the wrapper and the tests.
NOT_SETTINGS = frozenset({"STEPWELL_CONFIG", "STEPWELL_DEBUG"})
# Kubernetes puts these into every container beside a service that is called stepwell, and STEPWELL_TEST_…
# and STEPWELL_HOME belong to the suite and the wrapper.
FOREIGN = re.compile(r"^STEPWELL_(SERVICE_(HOST|PORT)|PORT(_|$)|TEST_|HOME$)")
CREDENTIAL_BYTES_MAX = 65_536
FILE_BYTES_MAX = 1_048_576
HEADER = re.compile(r"^\s*\[\s*([^\[\]]+?)\s*\]\s*(#.*)?$")
ASSIGNMENT = re.compile(r"^\s*((?:[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|\"[^\"]*\"))*)\s*=")


@dataclass(frozen=True, slots=True)
class Given:
    """One value as a source gives it. `origin` names the source, `place` is where to look for a mistake.

    `text` says that the value is text for want of types (the environment), to be read by the setting's type.
    """

    value: object
    origin: str
    place: str
    text: bool = False


class SettingsError(Exception):
    """The configuration is wrong. `problems` holds one line for every mistake, each with its place."""

    def __init__(self, *problems: str) -> None:
        assert problems
        self.problems = problems
        super().__init__("\n".join(problems))


def read_file(path: Path) -> dict[str, Given]:
    """Return what a TOML file sets. Raises SettingsError with file and line."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise SettingsError(f"{path}: there is no such configuration file") from None
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror})") from None
    if len(data) > FILE_BYTES_MAX:
        raise SettingsError(f"{path}: is larger than {FILE_BYTES_MAX} bytes; this is no configuration file")
    try:
        text = data.decode()
        tables = tomllib.loads(text)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SettingsError(f"{path}:{line}: is not UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(_syntax_error(path, text, str(error))) from None
    except RecursionError:
        raise SettingsError(f"{path}: is nested too deeply") from None
    lines = _lines(text)
    given = {}
    for key, value in _flatten(tables):
        given[key] = Given(value, str(path), f"{path}:{_line_of(key, lines)}")
    return given


def _syntax_error(path: Path, text: str, message: str) -> str:
    found = re.search(r"\(at line (\d+), column (\d+)\)", message)
    line = found.group(1) if found else str(text.count("\n") + 1)
    said = re.sub(r"\s*\(at .*\)$", "", message)
    return f"{path}:{line}: is not TOML: {said[:1].lower()}{said[1:]}"


def _flatten(table: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Give dotted keys; a table of the author's own names is one value a name."""
    for name, value in table.items():
        key = f"{prefix}{name}"
        if isinstance(value, dict) and prefix.removesuffix(".") not in OPEN_TABLES:
            if value or not prefix:
                yield from _flatten(value, f"{key}.")
            elif key not in OPEN_TABLES:
                yield key, value
        else:
            yield key, value


def _lines(text: str) -> dict[str, int]:
    """Return the line of every key and table header, by its dotted name."""
    found: dict[str, int] = {}
    table = ""
    for number, line in enumerate(text.splitlines(), 1):
        if header := HEADER.match(line):
            table = _bare(header.group(1)) + "."
            found.setdefault(table.removesuffix("."), number)
        elif assignment := ASSIGNMENT.match(line):
            found.setdefault(table + _bare(assignment.group(1)), number)
    return found


def _bare(dotted: str) -> str:
    return ".".join(part.strip().strip("\"'") for part in dotted.split("."))


def _line_of(key: str, lines: Mapping[str, int]) -> int:
    """Return the line of `key`, else of the nearest table around it (an inline table has one line)."""
    while key:
        if key in lines:
            return lines[key]
        key = key.rpartition(".")[0]
    return 1


def read_environment(environ: Mapping[str, str], keys: frozenset[str]) -> dict[str, Given]:
    """Return what variables STEPWELL_SECTION_KEY set; a name that is no setting keeps its own spelling."""
    names = {PREFIX + key.replace(".", "_").upper(): key for key in keys}
    given = {}
    for name, value in environ.items():
        if name.startswith(PREFIX) and name not in NOT_SETTINGS and not FOREIGN.match(name):
            guess = name.removeprefix(PREFIX).lower().replace("_", ".", 1)
            given[names.get(name, guess)] = Given(value, f"environment {name}", name, text=True)
    return given


def read_credentials(environ: Mapping[str, str]) -> dict[str, Given]:
    """Return what systemd's LoadCredential= brings: the file `database-url`."""
    folder = environ.get("CREDENTIALS_DIRECTORY")
    if not folder:
        return {}
    path = Path(folder) / "database-url"
    try:
        with path.open("rb") as file:
            url = file.read(CREDENTIAL_BYTES_MAX).decode().strip()
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: the credential cannot be read ({error})") from None
    return {"database.url": Given(url, "credential database-url", str(path))}


def read_flags(flags: Mapping[str, object]) -> dict[str, Given]:
    """Return what the command line sets: dotted keys to values; None means that the flag was not given."""
    given = {}
    for key, value in flags.items():
        if value is not None:
            flag = "--" + key.replace(".", "-").replace("_", "-")
            given[key] = Given(value, f"flag {flag}", flag)
    return given
