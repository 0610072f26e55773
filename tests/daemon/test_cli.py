"""The command line as its users meet it: real processes, their output and their exit status."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from daemon.cli import exits
from daemon.cli.app import COMMANDS, build_app
from daemon.cli.app import run as run_command
from daemon.embedded import EmbeddedError
from daemon.settings import SettingsError
from engine.errors import CompileError, Problem

PROJECT = Path(__file__).parents[2]


def stepwell(*arguments: str, cwd: Path = PROJECT, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own, with nothing of ours in its environment but where its state is."""
    kept = {name: os.environ[name] for name in ("PATH", "STATE_DIRECTORY")}
    return subprocess.run(
        [sys.executable, "-m", "daemon", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**kept, "PYTHONPATH": str(PROJECT), "HOME": "/nonexistent", **environ},
        timeout=60,
    )


def test_help_names_every_command_in_a_line() -> None:
    answer = stepwell("--help", COLUMNS="100")
    assert answer.returncode == exits.OK and not answer.stderr
    for command in COMMANDS:
        if importlib.util.find_spec(command.module):
            assert command.help in answer.stdout
    assert "Examples:" in answer.stdout and "Exit status:" in answer.stdout
    assert "\x1b" not in answer.stdout


def test_help_imports_no_command_and_no_driver() -> None:
    code = "import sys; from daemon.cli.app import run; run(['--help']); print(sorted(sys.modules))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PROJECT)
    for module in ("daemon.cli.doctor", "asyncpg", "lark", "structlog", "uvloop"):
        assert f"'{module}'" not in answer.stdout


@pytest.mark.parametrize("command", [c for c in COMMANDS if importlib.util.find_spec(c.module)], ids=lambda c: c.name)
def test_every_command_is_there_and_has_help(command: object) -> None:
    name = command.name  # type: ignore[attr-defined]
    module = importlib.import_module(command.module)  # type: ignore[attr-defined]
    assert callable(getattr(module, name.replace("-", "_")))
    assert name in list(build_app())


def test_version() -> None:
    answer = stepwell("--version")
    assert answer.returncode == exits.OK and answer.stdout.startswith("stepwell ")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("confg",), 'stepwell: Unknown command "confg". Did you mean "config"?'),
        (("config", "--confi", "x"), "stepwell: Unknown option: --confi. Did you mean --config?"),
        (("config", "--config", "/nowhere.toml"), "stepwell: /nowhere.toml: there is no such configuration file"),
        (("config", "--database-url", "mysql://u:secret@h"), "stepwell: --database-url: database.url must be postgresql"),
        (("config", "--log-level", "loud"), "stepwell: Invalid value"),
    ],
)  # fmt: skip
def test_wrong_usage_is_one_clear_line_and_status_2(
    arguments: tuple[str, ...], complaint: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("STEPWELL_")]:
        monkeypatch.delenv(name)
    assert run_command(list(arguments)) == exits.USAGE
    answer = capfd.readouterr()
    assert answer.err.startswith(complaint)
    assert "Traceback" not in answer.err and "secret" not in answer.err and not answer.out


def test_a_process_ends_with_the_status_of_wrong_usage() -> None:
    answer = stepwell("confg")
    assert answer.returncode == exits.USAGE and answer.stderr.startswith('stepwell: Unknown command "confg".')


def test_config_tells_value_and_origin_and_no_password(tmp_path: Path) -> None:
    (tmp_path / "stepwell.toml").write_text("[hear]\ntries = 5\n")
    url = "postgresql://u:secret@h/d"
    answer = stepwell("config", "--json", "--log-level", "debug", cwd=tmp_path, STEPWELL_DATABASE_URL=url)
    found = json.loads(answer.stdout)
    assert found["hear.tries"] == {"value": 5, "origin": str(tmp_path / "stepwell.toml")}
    assert found["database.url"] == {
        "value": "postgresql://u:***@h/d",
        "origin": "environment STEPWELL_DATABASE_URL",
    }
    assert found["log.level"] == {"value": "debug", "origin": "flag --log-level"}
    assert found["hear.busy"]["origin"] == "default"
    table = stepwell("config", "--changed", cwd=tmp_path).stdout
    assert "hear.tries" in table and "hear.busy" not in table


def test_config_prints_an_example_that_works(tmp_path: Path) -> None:
    (tmp_path / "stepwell.toml").write_text(stepwell("config", "--example").stdout)
    answer = stepwell("config", "--json", cwd=tmp_path)
    assert answer.returncode == exits.OK
    assert json.loads(answer.stdout)["limits.call_depth_max"]["value"] == 200


def test_doctor_on_a_good_database(database: str, tmp_path: Path) -> None:
    (tmp_path / "a.bas").write_text("TALK 1\n")
    answer = stepwell(
        "doctor", "--json", "--scripts-directory", str(tmp_path), STEPWELL_DATABASE_URL=database, STEPWELL_HTTP_LISTEN=""
    )  # fmt: skip
    findings = json.loads(answer.stdout)
    # The role of data keywords is of the whole server: a test alone in its database has none.
    assert {f["about"] for f in findings if f["state"] != "ok"} <= {"data keywords"}, findings
    assert answer.returncode == exits.OK
    assert {"python", "packages", "database", "PostgreSQL", "LISTEN", "clock", "scripts"} <= {
        f["about"] for f in findings
    }


def test_doctor_on_a_database_that_is_away_and_scripts_that_are_not_there() -> None:
    answer = stepwell(
        "doctor", "--database-url", "postgresql://u:secret@127.0.0.1:1/d", "--scripts-directory", "/nowhere"
    )
    assert answer.returncode == exits.WRONG
    assert "✗ database: postgresql://u:***@127.0.0.1:1/d cannot be used" in answer.stdout
    assert "✗ scripts: there is no folder /nowhere\n    mkdir -p /nowhere\n" in answer.stdout
    assert "secret" not in answer.stdout + answer.stderr


def problem() -> CompileError:
    """Return what a wrong script gives."""
    return CompileError([Problem("a.bas", 3, 1, "there is no statement TLAK", "did you mean TALK?")])


class Refused(Exception):
    """What a driver raises, with a state of SQL."""

    sqlstate = "42P01"


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (problem(), exits.WRONG, "a.bas:3:1: error: there is no statement TLAK"),
        (SettingsError("x.toml:1: bad"), exits.USAGE, "x.toml:1: bad"),
        (EmbeddedError("No programs."), exits.UNREACHABLE, "No programs."),
        (ExceptionGroup("g", [ExceptionGroup("h", [SettingsError("inner")])]), exits.USAGE, "inner"),
        (
            ConnectionRefusedError(111, "Connection refused"),
            exits.UNREACHABLE,
            "The database is not reachable",
        ),
        (TimeoutError(), exits.UNREACHABLE, "did not answer in time"),
        (Refused("relation missing"), exits.SCHEMA, "Run stepwell migrate"),
        (FileNotFoundError(2, "No such file", "a.bas"), exits.WRONG, "a.bas: No such file"),
        (exits.CommandError("No such execution.", exits.WRONG), exits.WRONG, "No such execution."),
        (ZeroDivisionError("oops"), exits.INTERNAL, "A mistake of Stepwell's own: ZeroDivisionError: oops"),
    ],
)
def test_an_exception_ends_as_a_sentence(
    error: Exception,
    status: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr("daemon.cli.app.build_app", lambda: lambda arguments: fail())
    assert run_command([]) == status
    found = capsys.readouterr()
    assert said in found.err and "Traceback" not in found.err and not found.out
    monkeypatch.setenv("STEPWELL_DEBUG", "1")
    assert run_command([]) == status
    assert "Traceback" in capsys.readouterr().err


def test_ctrl_c_has_its_own_status(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("daemon.cli.app.build_app", lambda: interrupted)
    assert run_command([]) == exits.INTERRUPTED
    assert capsys.readouterr().err == "stepwell: Interrupted.\n"


def test_every_status_is_explained() -> None:
    numbers = {value for name, value in vars(exits).items() if name.isupper() and isinstance(value, int)}
    assert numbers == set(exits.MEANINGS)
