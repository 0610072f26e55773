"""A daemon as a process of its own, to be killed, paused and started again."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Protocol

from tests.faults.conversation import FOLDER

ROOT = FOLDER.parent.parent
STOP_SECONDS_MAX = 30.0
POLL_SECONDS = 0.02
# Lines of the log that no fault of the world outside excuses.
NEVER = frozenset({"part_restarted", "execution_parked", "commit_mishandled", "execution_failed",
                   "notification_mishandled", "scripts_not_deployed"})  # fmt: skip

CONFIG = """\
[database]
url = {url}
[scripts]
directory = {scripts}
[http]
listen = ""
[log]
format = "json"
[daemon]
{daemon}
[limits]
{limits}
[tools.create]
kind = "sql"
function = "create_ticket"
parameters = ["description"]
"""


class Process(Protocol):
    """What is asked of a process that was started."""

    @property
    def pid(self) -> int: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def send_signal(self, number: signal.Signals) -> None: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...


class Start(Protocol):
    """A way to start a process; what it says is added to `output`."""

    def __call__(
        self, module: str, arguments: Sequence[str], output: Path, *, directory: Path, environment: Mapping[str, str]
    ) -> Process: ...


def start_anew(
    module: str, arguments: Sequence[str], output: Path, *, directory: Path, environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """Start a process as a person does, which imports everything."""
    command = [sys.executable, "-m", module, *arguments]
    with output.open("ab") as log:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=directory, env=environment
        )


class Service:
    """One daemon after another, of one configuration."""

    starting: ClassVar[Start] = staticmethod(start_anew)

    def __init__(self, folder: Path, dsn: str, *, name: str = "daemon",
                 daemon: Mapping[str, object] | None = None,
                 limits: Mapping[str, object] | None = None,
                 scripts: Sequence[str] = ("faults.bas",), more: str = "", program: str = "daemon") -> None:  # fmt: skip
        self.log = folder / f"{name}.log"
        self._config = folder / f"{name}.toml"
        self._program = program
        self._process: Process | None = None
        self._said_before = 0
        sources = folder / "scripts"
        sources.mkdir(exist_ok=True)
        for script in scripts:
            (sources / script).write_text((FOLDER / script).read_text())
        self._config.write_text(
            CONFIG.format(url=json.dumps(dsn), scripts=json.dumps(str(sources)),
                          daemon=_toml(daemon or {}), limits=_toml(limits or {})) + more
        )  # fmt: skip

    @property
    def pid(self) -> int:
        """The process id of the daemon that runs."""
        assert self._process is not None and self._process.poll() is None, self.tail()
        return self._process.pid

    def start(self) -> None:
        """Start a daemon; it is not waited for."""
        assert self._process is None
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("STEPWELL_", "PYTHON"))}
        arguments = ["up", "--config", str(self._config)]
        self.log.touch()
        self._said_before = self.log.stat().st_size
        self._process = Service.starting(self._program, arguments, self.log, directory=ROOT, environment=environment)

    def check(self) -> None:
        """Fail, with the end of its log, if the daemon has ended by itself."""
        assert self._process is None or self._process.poll() is None, f"the daemon ended by itself:\n{self.tail()}"

    def kill(self) -> None:
        """SIGKILL: nothing of the daemon runs afterwards. Fails if it had ended by itself."""
        self.check()
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._process = None

    async def ended(self) -> int:
        """Return the exit status of a daemon that ends by itself."""
        process, self._process = self._process, None
        assert process is not None
        return await asyncio.to_thread(process.wait, STOP_SECONDS_MAX)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, such as SIGSTOP."""
        os.kill(self.pid, number)

    async def stop(self) -> int:
        """SIGTERM; return the exit status once it has ended.

        One that was started a moment ago is let come so far that it says something: before, Python itself ends.
        """
        while self.log.stat().st_size == self._said_before:
            self.check()
            await asyncio.sleep(POLL_SECONDS)
        process, self._process = self._process, None
        assert process is not None
        process.send_signal(signal.SIGCONT)
        process.terminate()
        return await asyncio.to_thread(process.wait, STOP_SECONDS_MAX)

    def close(self) -> None:
        """End whatever still runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    # ── what it wrote ──

    def events(self) -> Iterator[dict[str, object]]:
        """Yield the lines of the log; one that is no JSON is an event called `text`."""
        for line in self.log.read_text(errors="replace").splitlines():
            with contextlib.suppress(ValueError):
                event = json.loads(line)
                if isinstance(event, dict):
                    yield event
                    continue
            yield {"event": "text", "text": line}

    def count_events(self) -> Counter[str]:
        """Return how often each event was logged."""
        return Counter(str(event.get("event")) for event in self.events())

    def complaints(self) -> list[str]:
        """Return the lines that must not be there, whatever was killed."""
        return [
            json.dumps(e)[:2000] for e in self.events()
            if e.get("event") in NEVER or "Traceback" in str(e.get("text", ""))
        ]  # fmt: skip

    def tail(self) -> str:
        """Return the end of the log."""
        return self.log.read_text(errors="replace")[-4000:] if self.log.exists() else "(no log)"


def _toml(values: Mapping[str, object]) -> str:
    return "\n".join(f"{key} = {json.dumps(value)}" for key, value in values.items())


@contextlib.contextmanager
def workspace() -> Iterator[Path]:
    """A folder for a run, with a short name (sockets live in it), that the database's user can enter."""
    with tempfile.TemporaryDirectory(prefix="faults-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o711)
        yield Path(name)
