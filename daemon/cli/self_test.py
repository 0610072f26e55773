"""`stepwell self-test`: the project's own tests, from its source tree."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from daemon.cli.exits import USAGE, CommandError

PROJECT = Path(__file__).parents[2]


def self_test(
    *arguments: Annotated[str, Parameter(allow_leading_hyphen=True, help="What pytest is to be given.")],
) -> int:
    """Run the whole test suite; it starts a PostgreSQL of its own.

    The installed command has no tests with it: in a source tree ./stepwell self-test installs what they need.
    """
    if not (PROJECT / "tests" / "conftest.py").is_file():
        raise CommandError("The tests are part of the source tree; run ./stepwell self-test there.", USAGE)
    if importlib.util.find_spec("pytest") is None:
        raise CommandError("pytest is not installed here; run ./stepwell self-test, which installs it.", USAGE)
    return subprocess.run([sys.executable, "-m", "pytest", *arguments], cwd=PROJECT, check=False).returncode
