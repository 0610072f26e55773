"""A PostgreSQL of our own: for trying out, for tests, and for a single node.

The server is a direct child of this process, reached by a unix socket only, and never outlives its owner.
Its states: *absent* (no data/), *made* (data/ is whole: initdb works in data.tmp and a rename ends it),
*running* (the lock is ours, the child lives, postmaster.pid names it and says `ready`), *stopped*.
A crash at any point leaves absent, made or stopped; the next start goes on from there.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO

from daemon import embedded_state as state
from daemon.embedded_binaries import Binaries, find_binaries, usable_binaries
from daemon.embedded_state import Account, EmbeddedError, EmbeddedInUse, find_running

__all__ = ["EmbeddedError", "EmbeddedInUse", "Running", "find_running", "start_embedded"]

INITDB_SECONDS_MAX = 180
START_SECONDS_MAX = 300  # crash recovery of a big cluster takes its time
STOP_SECONDS_MAX = 60
LEAVE_SECONDS_MAX = 5  # a server whose owner was killed stops by itself in 30 ms
LOCK_SECONDS_MAX = 1  # a killed owner may still be giving its memory back
POLL_SECONDS = 0.01
LOG_BYTES_MAX = 8 * 1024 * 1024
LOG_LINES_SHOWN = 8
PR_SET_PDEATHSIG = 1
CLEAN_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "HOME": "/", "TZ": "UTC", "LC_ALL": "C.UTF-8"}
# A second start within moments of a SIGKILL meets backends that have not noticed yet that their parent died.
STILL_IN_USE = "is still in use"
CHOOSE_DIRECTORY = "[embedded] directory, or STEPWELL_EMBEDDED_DIRECTORY"

_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def start_embedded(
    state_dir: Path,
    *,
    binaries: Path | None = None,
    progress: Callable[[str], None] = lambda _: None,
    settings: Mapping[str, str] | None = None,
    fsync: bool = True,
) -> Running:
    """Start the server of `state_dir`, making its cluster where there is none, and wait until it serves.

    `binaries` is a folder with `postgres` and `initdb` (default: found by find_binaries). `settings` are
    PostgreSQL's own, as on its command line. `fsync=False` is for tests: a power failure loses the cluster.
    Call it from the main thread: the kernel ties the server's life to the thread that starts it.
    Raises EmbeddedInUse when another process runs it, EmbeddedError with a sentence for everything else.
    """
    running = Running(state_dir.absolute(), dict(settings or {}), fsync, progress)
    try:
        running._prepare(binaries)
        running.start()
    except BaseException:
        running._release()
        raise
    return running


class Running:
    """The embedded server while we own it. A context manager: leaving it stops the server."""

    def __init__(self, state_dir: Path, settings: dict[str, str], fsync: bool, progress: Callable[[str], None]) -> None:
        self.state_dir = state_dir
        self.data = state_dir / "data"
        self.socket_dir = state_dir / "run"
        self.log = state_dir / "postgres.log"
        self._settings = settings
        self._fsync = fsync
        self._progress = progress
        self._lock: IO[str] | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._account: Account
        self._binaries: Binaries

    @property
    def dsn(self) -> str:
        """The address of the database `postgres`, for asyncpg and psql; it outlives restarts."""
        return self.dsn_of("postgres")

    def dsn_of(self, database: str) -> str:
        """Return the address of another database of this server."""
        return state.dsn(self.socket_dir, database)

    @property
    def version(self) -> str:
        """PostgreSQL's version, such as "18.6"."""
        return self._binaries.version

    @property
    def binaries(self) -> Path:
        """The folder with psql, pg_dump and the others that belong to this server."""
        return self._binaries.directory

    @property
    def pid(self) -> int | None:
        """The postmaster's process id, or None when it does not run."""
        return self._child.pid if self._child and self._child.poll() is None else None

    def __enter__(self) -> Running:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._release()

    def close(self) -> None:
        """Stop the server and give the state directory back to others."""
        self.__exit__(None, None, None)

    def stop(self, *, immediate: bool = False) -> None:
        """Stop the server: cleanly, or `immediate`, as if the power had failed. Calling it twice is fine."""
        if self._child is None:
            return
        signals = (signal.SIGQUIT, signal.SIGKILL) if immediate else (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL)
        for number in signals:
            with contextlib.suppress(ProcessLookupError):
                self._child.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(STOP_SECONDS_MAX)
                break
        self._child = None

    def kill(self) -> None:
        """SIGKILL the postmaster: what the kernel does when memory runs out. For tests."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            self._child = None

    def restart(self, *, immediate: bool = False) -> None:
        """Stop the server, if it runs, and start it again at the same address."""
        self.stop(immediate=immediate)
        self.start()

    def start(self) -> None:
        """Start the server and return when it serves. Raises EmbeddedError with the end of its log."""
        assert self._lock is not None and self._child is None
        deadline = time.monotonic() + LEAVE_SECONDS_MAX
        while True:
            said = self._start_once()
            if said is None:
                return
            if STILL_IN_USE in said and time.monotonic() < deadline:
                time.sleep(POLL_SECONDS)
                continue
            raise self._explain(said)

    def _start_once(self) -> str | None:
        """Start the child; return None when it serves, else what it said before it ended."""
        environment = dict(CLEAN_ENVIRONMENT)
        stale = state.read_pid_file(self.data)
        if stale is not None and not state.serves(stale.pid, self.data):
            # The file is left from a crash, and its number may belong to another program by now (containers
            # reuse them). PostgreSQL does not mind a file that names its own grandparent; deleting the file
            # would be unsafe. Seen in patroni, pull request 681.
            environment["PG_GRANDPARENT_PID"] = str(stale.pid)
        before = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self._child = _spawn(self._command(), self._account, environment, log, signal.SIGINT)
        self._progress(f"Starting PostgreSQL {self.version} …")
        deadline = time.monotonic() + START_SECONDS_MAX
        while self._child.poll() is None and time.monotonic() < deadline:
            found = state.read_pid_file(self.data)
            if found and found.pid == self._child.pid and found.status.startswith("ready"):
                return None
            time.sleep(POLL_SECONDS)
        self.stop(immediate=True)
        with self.log.open("rb") as log:
            log.seek(before)
            return log.read(LOG_BYTES_MAX).decode(errors="replace")

    def _command(self) -> list[str]:
        settings = {
            "listen_addresses": "",
            "port": str(state.PORT),
            "unix_socket_directories": f'"{self.socket_dir}"',
            "unix_socket_permissions": "0700",
            "hba_file": str(self.state_dir / "hba.conf"),
            "ident_file": str(self.state_dir / "ident.conf"),
            "timezone": "UTC",
            "log_timezone": "UTC",
            "logging_collector": "off",
            "log_destination": "stderr",
        }
        if not self._fsync:
            # synchronous_commit stays on: a killed server must still keep every commit it answered.
            settings |= {"fsync": "off", "full_page_writes": "off"}
        command = [str(self.binaries / "postgres"), "-D", str(self.data)]
        for name, value in (settings | self._settings).items():
            command += ["-c", f"{name}={value}"]
        return command

    def _explain(self, said: str) -> EmbeddedError:
        if "already exists" in said and "postmaster.pid" in said:
            return EmbeddedInUse(f"Another PostgreSQL already runs in {self.data}. Stop it, then start again.")
        end = "\n".join("    " + line for line in said.strip().splitlines()[-LOG_LINES_SHOWN:])
        return EmbeddedError(
            f"PostgreSQL {self.version} in {self.data} did not start. It said:\n{end}\nThe log: {self.log}"
        )

    def _prepare(self, binaries: Path | None) -> None:
        """Everything before the first start: user, lock, programs, cluster, access."""
        self._account = state.server_account()
        try:
            if not self.state_dir.exists():
                self.state_dir.mkdir(parents=True)
                self.state_dir.chmod(0o711)  # the server's user passes through, whatever the umask
            self._acquire()
        except PermissionError as error:
            raise EmbeddedError(
                f"{state.account_name()} may not write in {error.filename}. Start stepwell as the user "
                f"the directory belongs to, or give another one: {CHOOSE_DIRECTORY}."
            ) from None
        except OSError as error:
            raise EmbeddedError(f"{self.state_dir} cannot be used: {error.strerror}.") from None
        if not state.reachable(self.state_dir, self._account):
            raise EmbeddedError(
                f"The server runs as the user {self._account.name}, who cannot enter {self.state_dir}. "
                f"Give a directory outside of private ones such as /root: {CHOOSE_DIRECTORY}."
            )
        self._wait_for_others()
        self._binaries = usable_binaries(binaries or find_binaries(), self._account, self.state_dir, self._progress)
        self._make_cluster()
        self._write_access()
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES_MAX:
            self.log.replace(self.log.with_suffix(".log.old"))

    def _acquire(self) -> None:
        lock = (self.state_dir / "lock").open("a+")
        deadline = time.monotonic() + LOCK_SECONDS_MAX
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() < deadline:
                    time.sleep(POLL_SECONDS)
                    continue
            lock.seek(0)
            owner = lock.read().strip()
            lock.close()
            raise EmbeddedInUse(
                f"The embedded PostgreSQL in {self.state_dir} belongs to another stepwell "
                f"(process {owner or 'unknown'}). Stop that one first, or give this one its own directory: "
                f"{CHOOSE_DIRECTORY}."
            )
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        self._lock = lock

    def _release(self) -> None:
        if self._child is not None:
            self.stop()
        if self._lock is not None:
            self._lock.close()
            self._lock = None
        if self.socket_dir.parent != self.state_dir:
            shutil.rmtree(self.socket_dir, ignore_errors=True)

    def _wait_for_others(self) -> None:
        """Let the processes of a killed owner end; they notice within milliseconds."""
        deadline = time.monotonic() + LEAVE_SECONDS_MAX
        while others := state.processes_in(self.data) + state.processes_in(self.state_dir / "data.tmp"):
            found = state.read_pid_file(self.data)
            stopping = found is not None and "stopping" in found.status
            if time.monotonic() > deadline + (STOP_SECONDS_MAX if stopping else 0):
                raise EmbeddedInUse(
                    f"A PostgreSQL that stepwell did not start (process {others[0]}) runs in {self.data}. "
                    "Stop it (pg_ctl stop), then start again."
                )
            time.sleep(POLL_SECONDS)

    def _make_cluster(self) -> None:
        try:
            made_by = (self.data / "PG_VERSION").read_text().strip()
        except FileNotFoundError:
            made_by = ""
        if made_by and made_by != self._binaries.major:
            raise EmbeddedError(
                f"The database in {self.data} was made by PostgreSQL {made_by}, and the programs in "
                f"{self.binaries} are {self.version}. Move it with pg_upgrade, or give a new directory: "
                f"{CHOOSE_DIRECTORY}."
            )
        self._make_socket_dir()
        if not made_by:
            self._initdb()

    def _make_socket_dir(self) -> None:
        if state.socket_fits(self.socket_dir):
            self.socket_dir.mkdir(mode=0o700, exist_ok=True)
        else:
            self.socket_dir = Path(tempfile.mkdtemp(prefix="stepwell-"))
        self.socket_dir.chmod(0o700)
        os.chown(self.socket_dir, self._account.uid, self._account.gid)

    def _initdb(self) -> None:
        self._progress("Making a PostgreSQL database, once …")
        unfinished = self.state_dir / "data.tmp"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        os.chown(unfinished, self._account.uid, self._account.gid)
        command = [str(self.binaries / "initdb"), "-D", str(unfinished), "--username", state.SUPERUSER]
        command += ["--encoding=UTF8", "--locale=C.UTF-8", "--auth-local=peer", "--auth-host=reject"]
        if not self._fsync:
            command.append("--no-sync")
        with tempfile.TemporaryFile() as said:
            child = _spawn(command, self._account, CLEAN_ENVIRONMENT, said, signal.SIGKILL)
            try:
                status = child.wait(INITDB_SECONDS_MAX)
            except BaseException:
                child.kill()
                child.wait()
                raise
            said.seek(0)
            text = said.read().decode(errors="replace").strip()
        if status != 0:
            raise EmbeddedError(f"No database could be made in {unfinished}. initdb said:\n{text}")
        unfinished.rename(self.data)

    def _write_access(self) -> None:
        """Only the two users that can enter the socket's directory may connect, without a password."""
        names = sorted({state.account_name(), self._account.name})
        ident = "".join(f'stepwell "{name}" {state.SUPERUSER}\n' for name in names)
        for name, text in (("hba.conf", "local all all peer map=stepwell\n"), ("ident.conf", ident)):
            unfinished = self.state_dir / f"{name}.tmp"
            unfinished.write_text(text)
            unfinished.chmod(0o644)
            unfinished.replace(self.state_dir / name)


def _spawn(
    command: list[str], account: Account, environment: Mapping[str, str], output: IO[bytes], death_signal: int
) -> subprocess.Popen[bytes]:
    """Start a child that ends with us: the kernel sends it `death_signal` when the starting thread dies."""
    # A thread that ends takes the server with it: PR_SET_PDEATHSIG follows the thread, not the process.
    assert threading.current_thread() is threading.main_thread(), "start it from the main thread"
    owner = os.getpid()

    def tie() -> None:
        # After setuid, which would clear it; nothing here may allocate or lock.
        if _libc is not None:
            _libc.prctl(PR_SET_PDEATHSIG, int(death_signal))
            if os.getppid() != owner:
                os._exit(1)

    try:
        with warnings.catch_warnings():
            # Python 3.12 warns of any code between fork and exec beside other threads; `tie` is safe.
            warnings.simplefilter("ignore", DeprecationWarning)
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                env=dict(environment),
                # Ctrl-C in the terminal is for us: the server goes after the daemon, not with it.
                start_new_session=True,
                preexec_fn=tie,
                **account.popen(),
            )
    except OSError as error:
        raise EmbeddedError(f"{command[0]} cannot be started: {error.strerror}.") from error
