"""Commands, run as a person runs them: in this process, or in one of their own where they read answers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from daemon.cli.app import run

ROOT = Path(__file__).parents[2]
SECONDS_MAX = 60


@dataclass(frozen=True, slots=True)
class Told:
    """What a command said, and its exit status."""

    status: int
    out: str
    err: str

    def document(self) -> Any:
        """Return what it said as JSON."""
        return json.loads(self.out)


Command = Callable[..., Told]


def in_process(capfd: pytest.CaptureFixture[str], *arguments: object) -> Told:
    """Run a command here."""
    capfd.readouterr()
    status = run([str(argument) for argument in arguments])
    return Told(status, *capfd.readouterr())


def in_its_own_process(*arguments: object, answers: str | None = None, cwd: Path = ROOT) -> Told:
    """Run a command as a process of its own; `answers` is its standard input, None for none at all."""
    done = subprocess.run(
        command_line(*arguments),
        input=answers if answers is not None else "",
        capture_output=True,
        text=True,
        cwd=cwd,
        env=surroundings(),
        timeout=SECONDS_MAX,
    )
    return Told(done.returncode, done.stdout, done.stderr)


def command_line(*arguments: object) -> list[str]:
    """Return how a command is started."""
    return [sys.executable, "-m", "daemon", *(str(argument) for argument in arguments)]


def surroundings() -> dict[str, str]:
    """Return the environment of a command: ours, without settings."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("STEPWELL_")}
    return kept | {"PYTHONPATH": str(ROOT)}
