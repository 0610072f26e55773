"""Scripts as folders: a flat one, whose scripts are every bot's; `<name>.gbai/<name>.gbdialog/*.bas` for each bot."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.errors import CompileError, Problem

SUFFIX = ".bas"
BOT_SUFFIX = ".gbai"
DIALOG_SUFFIX = ".gbdialog"
SOURCE_BYTES_MAX = 1_000_000


@dataclass(frozen=True, slots=True)
class BotFolder:
    """The scripts of one bot, by their paths inside its folder. `name` is "" for scripts of every bot; `prefix`
    is what stands before those paths where their author keeps them."""

    name: str
    prefix: str
    sources: dict[str, str]


def read_folder(directory: Path) -> tuple[BotFolder, ...]:
    """Return every script below a folder, by bot. Names that begin with a dot are left out.

    A folder without a `.gbai` in or above it is flat. A bot's scripts are those in its `.gbdialog`, or all that it has
    where there is none. Raises OSError where the folder cannot be read, CompileError for files that are not UTF-8 or
    are too long, and for a script that one bot has twice.
    """
    if not directory.is_dir():
        raise NotADirectoryError(f"{directory} is not a folder of scripts")
    problems: list[Problem] = []
    folders: dict[str, BotFolder] = {}
    within = next((p for p in (directory, *directory.resolve().parents) if p.name.endswith(BOT_SUFFIX)), None)
    if within is not None:
        roots = [(within.resolve().name.removesuffix(BOT_SUFFIX), directory)]
    else:
        roots = [(path.name.removesuffix(BOT_SUFFIX), path) for path in _bots_below(directory)]
        flat = _read(directory, directory, problems)
        if flat or not roots:
            folders[""] = BotFolder("", "", flat)
    for name, root in roots:
        dialogs = sorted(p for p in root.rglob(f"*{DIALOG_SUFFIX}") if p.is_dir()) or [root]
        for dialog in dialogs:
            prefix = "" if dialog == directory else f"{dialog.relative_to(directory).as_posix()}/"
            sources = _read(directory, dialog, problems)
            known = folders.setdefault(name, BotFolder(name, prefix, {}))
            for twice in sources.keys() & known.sources.keys():
                problems.append(Problem(prefix + twice, 1, 1, f"The bot {name} has {twice} already, in {known.prefix}"))
            known.sources.update(sources)
    if problems:
        raise CompileError(problems)
    return tuple(folders.values())


def _bots_below(directory: Path) -> Iterator[Path]:
    for path in sorted(directory.rglob(f"*{BOT_SUFFIX}")):
        hidden = any(part.startswith(".") for part in path.relative_to(directory).parts)
        if path.is_dir() and not hidden and path.name != BOT_SUFFIX:
            yield path


def _read(directory: Path, root: Path, problems: list[Problem]) -> dict[str, str]:
    """Return the scripts below `root` by their paths from there; those of bots in it are left out."""
    sources = {}
    for path in sorted(root.rglob(f"*{SUFFIX}")):
        inside = path.relative_to(root)
        other = any(part.startswith(".") or part.endswith(BOT_SUFFIX) for part in inside.parts[:-1])
        if other or path.name.startswith(".") or not path.is_file():
            continue
        shown = path.relative_to(directory).as_posix()
        raw = path.read_bytes()
        if len(raw) > SOURCE_BYTES_MAX:
            message = f"The script has {len(raw):,} bytes; at most {SOURCE_BYTES_MAX:,} are accepted."
            problems.append(Problem(shown, 1, 1, message))
        try:
            sources[inside.as_posix()] = raw.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = raw.count(b"\n", 0, error.start) + 1
            problems.append(Problem(shown, line, 1, "The file is not UTF-8.", "Save it as UTF-8."))
    return sources
