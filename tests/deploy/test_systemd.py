"""The unit: what it says by our own reading, and what systemd says of it where systemd is at hand."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

from daemon.cli import exits
from daemon.settings import load_settings

PROJECT = Path(__file__).parents[2]
UNIT = PROJECT / "systemd" / "stepwell.service"
EXPOSURE_MAX = 2.0  # systemd calls up to 4.9 OK; what we have been may not slip away unseen


def read_unit() -> dict[str, dict[str, list[str]]]:
    """Return the unit's sections; a key may stand several times."""
    sections: dict[str, dict[str, list[str]]] = {}
    for line in UNIT.read_text().splitlines():
        if match := re.fullmatch(r"\[(\w+)\]", line):
            section = sections.setdefault(match.group(1), {})
        elif line and not line.startswith("#"):
            key, equals, value = line.partition("=")
            assert equals and key == key.strip(), f"not an assignment: {line!r}"
            section.setdefault(key, []).append(value)
    return sections


def test_the_unit_is_well_formed() -> None:
    parser = configparser.RawConfigParser(strict=False)
    parser.read_string(UNIT.read_text())
    assert parser.sections() == ["Unit", "Service", "Install"]


def test_systemd_is_told_how_we_are() -> None:
    service = read_unit()["Service"]
    assert service["Type"] == ["notify"]
    assert int(service["WatchdogSec"][0]) >= 10
    assert service["Restart"] == ["always"]
    statuses = {int(number) for number in service["RestartPreventExitStatus"][0].split()}
    assert statuses == {exits.USAGE, exits.SCHEMA}


def test_a_stop_has_time_to_commit() -> None:
    stop = load_settings(PROJECT / "config" / "stepwell.toml", environ={}).daemon.stop_seconds_max
    assert int(read_unit()["Service"]["TimeoutStopSec"][0]) > stop


def test_it_is_not_root_and_its_secret_is_a_credential() -> None:
    service = read_unit()["Service"]
    assert service["User"] == ["stepwell"]
    assert service["LoadCredential"] == ["database-url:/etc/stepwell/database-url"]
    assert "postgresql://" not in UNIT.read_text().replace("postgresql.service", "")
    assert service["NoNewPrivileges"] == ["yes"] and service["ProtectSystem"] == ["strict"]
    assert service["CapabilityBoundingSet"] == [""]


def test_it_starts_the_command_that_is_installed() -> None:
    command = read_unit()["Service"]["ExecStart"][0].split()
    scripts = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["scripts"]
    assert Path(command[0]).name in scripts
    assert command[1:] == ["up", "--config", "/etc/stepwell/stepwell.toml"]


def test_systemd_finds_nothing_to_complain_of(tmp_path: Path) -> None:
    """`verify` ends with 0 for unknown keys and wrong values: only silence is good."""
    unit = tmp_path / "stepwell.service"
    # ExecStart must be there for systemd, and it is not before an installation.
    unit.write_text(UNIT.read_text().replace("/opt/stepwell/bin/stepwell", "/bin/true"))
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        # A machine without systemd: every key must at least be one that the manual pages of 252 name.
        known = set((Path(__file__).parent / "systemd_keys.txt").read_text().split())
        assert {key for section in read_unit().values() for key in section} <= known
        return
    verified = subprocess.run([analyze, "verify", "--man=no", str(unit)], capture_output=True, text=True)
    assert (verified.returncode, verified.stderr) == (0, "")
    secure = subprocess.run(
        [analyze, "security", "--offline=true", f"--threshold={int(EXPOSURE_MAX * 10)}", str(unit)],
        capture_output=True,
        text=True,
    )
    assert secure.returncode == 0, secure.stdout[-400:]


def test_the_list_of_keys_holds_those_of_the_unit() -> None:
    known = set((Path(__file__).parent / "systemd_keys.txt").read_text().split())
    assert {key for section in read_unit().values() for key in section} <= known
    assert "ExecStrat" not in known
