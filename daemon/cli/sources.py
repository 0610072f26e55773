"""Scripts as files: a script is compiled with the others of its folder, which it may call."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path

from daemon.cli.exits import USAGE, CommandError
from daemon.settings import Settings
from daemon.settings_tools import kinds_of
from engine.compiler import INJECTED_NAMES, compile_script
from engine.errors import Problem
from engine.plan import Plan

ENDING = ".bas"


class UnreadableFile(CommandError):
    """A file that cannot be read as text. `line` counts from 1."""

    def __init__(self, path: Path, sentence: str, line: int = 0) -> None:
        self.sentence = sentence
        self.line = line or 1
        super().__init__(f"{path}:{line}: {sentence}" if line else f"{path}: {sentence}")


@dataclass(frozen=True, slots=True)
class ScriptFile:
    """A script where its author keeps it: its path as given, and the sources of its folder by name."""

    path: Path
    sources: dict[str, str]

    @property
    def name(self) -> str:
        """Its name among the sources."""
        return self.path.name

    def compile(self, settings: Settings) -> Plan:
        """Return its plan. Raises CompileError."""
        return compile_script(
            self.name,
            self.sources,
            tools=kinds_of(settings.tools),
            default_mode=settings.scripts.default_mode,
            injected=INJECTED_NAMES | {name.lower() for name in settings.scripts.injected_names},
        )

    def placed(self, problems: Iterable[Problem]) -> list[Problem]:
        """Return problems with the paths that the author knows, so that an editor can go there."""
        folder = self.path.parent
        return [replace(p, file=str(self.path if p.file == self.name else folder / p.file)) for p in problems]


def find_scripts(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield the files that are meant: a folder stands for all scripts in it, at any depth.

    Raises CommandError for a folder without scripts.
    """
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        found = sorted(p for p in path.rglob(f"*{ENDING}") if p.is_file())
        if not found:
            raise CommandError(f"{path}: there is no {ENDING} file in this folder", USAGE)
        yield from found


def read_script(path: Path) -> ScriptFile:
    """Read a script and its neighbours. Raises UnreadableFile."""
    sources = {path.name: read_text(path)}
    for other in sorted(path.parent.glob(f"*{ENDING}")):
        if other.name != path.name and other.is_file():
            try:
                sources[other.name] = read_text(other)
            except UnreadableFile:
                continue  # it matters only to those who call it, and they are told that it is not there
    return ScriptFile(path, sources)


def read_text(path: Path) -> str:
    """Return the text of a file. Raises UnreadableFile."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise UnreadableFile(path, f"there is no such file{_near(path)}") from None
    except IsADirectoryError:
        raise UnreadableFile(path, "this is a folder, not a file") from None
    except OSError as error:
        raise UnreadableFile(path, f"it cannot be read: {error.strerror}") from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        sentence = f"this is not UTF-8 text (byte {content[error.start]:#04x}); save the file as UTF-8"
        raise UnreadableFile(path, sentence, line) from None


def _near(path: Path) -> str:
    names = [p.name for p in path.parent.glob(f"*{path.suffix}")] if path.parent.is_dir() else []
    near = get_close_matches(path.name, sorted(names), n=1)
    return f"; did you mean {path.parent / near[0]}?" if near else ""
