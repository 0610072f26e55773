"""The embedded PostgreSQL: each rule of the launcher was a failure first."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import asyncpg
import pytest

from daemon import embedded_state
from daemon.cli.up import keep_running
from daemon.embedded import EmbeddedError, EmbeddedInUse, Running, find_running, start_embedded
from daemon.embedded_binaries import find_binaries
from tests.conftest import BINARIES, copy_cluster, run, start_server

ROOT = os.geteuid() == 0
PROGRAMS = Path(BINARIES) if BINARIES else None
PROJECT = Path(__file__).parents[2]
WAIT_SECONDS_MAX = 30
# What a test does in another process: own a server, say so, and stay until killed.
OWNER = """
import sys
from pathlib import Path
from daemon.embedded import start_embedded
said = lambda text: print("progress", text, flush=True)
binaries = Path(sys.argv[2]) if sys.argv[2] else None
running = start_embedded(Path(sys.argv[1]), binaries=binaries, progress=said, fsync=False)
print("pid", running.pid, flush=True)
sys.stdin.read()
"""


def ask(dsn: str, query: str) -> object:
    """Return one value from the server."""

    async def fetch() -> object:
        connection = await asyncpg.connect(dsn)
        try:
            return await connection.fetchval(query)
        finally:
            await connection.close()

    return run(fetch())


def until(true: Callable[[], bool], what: str) -> None:
    """Wait for something that another process does; fail after WAIT_SECONDS_MAX."""
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while not true():
        assert time.monotonic() < deadline, f"{what} did not happen"
        time.sleep(0.005)


@pytest.fixture
def folder(state_home: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A folder of this test's own that every user may pass through."""
    path = state_home / f"f{abs(hash(request.node.nodeid)) % 10**6}"
    path.mkdir()
    path.chmod(0o711)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def owner(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another stepwell, which starts a server in `folder`/pg."""
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(folder / "pg"), BINARIES or ""],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=PROJECT,
    )
    yield process
    process.kill()
    process.communicate()


def read_until(process: subprocess.Popen[str], word: str) -> str:
    """Return the rest of the first line that begins with `word`."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(word + " "):
            return line.removeprefix(word).strip()
    raise AssertionError(f"the owner ended without saying {word}")


def test_the_server_is_our_child_behind_a_private_socket(own_postgres: Running) -> None:
    status = Path(f"/proc/{own_postgres.pid}/status").read_text()
    assert f"PPid:\t{os.getpid()}\n" in status
    account = embedded_state.server_account()
    assert f"\nUid:\t{account.uid}\t" in status and account.uid != 0
    assert stat.S_IMODE(own_postgres.socket_dir.stat().st_mode) == 0o700
    assert own_postgres.socket_dir.stat().st_uid == account.uid
    assert ask(own_postgres.dsn, "SHOW listen_addresses") == ""
    assert ask(own_postgres.dsn, "SELECT current_user::text") == "postgres"


def test_the_server_inherits_nothing_but_utc_and_utf8(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGOPTIONS", "-c work_mem=1MB")
    monkeypatch.setenv("MY_SECRET", "hidden")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    with start_server(folder / "pg") as running:
        environment = Path(f"/proc/{running.pid}/environ").read_bytes()
        assert b"hidden" not in environment and b"PGOPTIONS" not in environment and b"TZ=UTC" in environment
        collation = "SELECT datcollate FROM pg_database WHERE datname = 'postgres'"
        assert ask(running.dsn, collation) == "C.UTF-8"
        monkeypatch.delenv("PGOPTIONS")
        assert ask(running.dsn, "SHOW timezone") == "UTC"


def test_another_user_cannot_connect(own_postgres: Running) -> None:
    psql = [str(own_postgres.binaries / "psql"), own_postgres.dsn, "-c", "SELECT 1"]
    assert subprocess.run(psql, capture_output=True, cwd="/").returncode == 0
    if ROOT:
        mail = pwd.getpwnam("mail")
        refused = subprocess.run(psql, capture_output=True, cwd="/", user=mail.pw_uid, extra_groups=[])
        assert refused.returncode != 0 and b"ermission denied" in refused.stderr
    ident = (own_postgres.state_dir / "ident.conf").read_text().splitlines()
    assert {line.split('"')[1] for line in ident} == {
        embedded_state.account_name(),
        embedded_state.server_account().name,
    }


def test_rows_outlive_a_clean_a_hard_and_a_killed_stop(own_postgres: Running) -> None:
    ask(own_postgres.dsn, "CREATE TABLE kept (n int)")
    stops: tuple[Callable[[], None], ...] = (
        own_postgres.stop,
        partial(own_postgres.stop, immediate=True),
        own_postgres.kill,
    )
    for number, stop in enumerate(stops):
        ask(own_postgres.dsn, f"INSERT INTO kept VALUES ({number})")
        before = own_postgres.pid
        stop()
        own_postgres.start()
        assert own_postgres.pid not in (None, before)
        assert ask(own_postgres.dsn, "SELECT count(*) FROM kept") == number + 1


def test_up_starts_a_server_again_that_was_killed(own_postgres: Running) -> None:
    killed = own_postgres.pid
    assert killed is not None
    os.kill(killed, signal.SIGKILL)

    async def until_back() -> None:
        async with asyncio.timeout(WAIT_SECONDS_MAX), asyncio.TaskGroup() as tasks:
            keeping = tasks.create_task(keep_running(own_postgres))
            while own_postgres.pid in (None, killed):
                await asyncio.sleep(0.05)
            keeping.cancel()

    asyncio.run(until_back())  # in this thread: the server is tied to it
    assert ask(own_postgres.dsn, "select 1") == 1


def test_stopping_twice_and_killing_a_stopped_server_is_fine(own_postgres: Running) -> None:
    own_postgres.stop()
    own_postgres.stop()
    own_postgres.kill()
    assert own_postgres.pid is None
    own_postgres.start()


def test_a_zombie_is_no_server(own_postgres: Running) -> None:
    pid = own_postgres.pid
    assert pid is not None and find_running(own_postgres.state_dir) == own_postgres.dsn
    os.kill(pid, signal.SIGKILL)
    stat_file = Path(f"/proc/{pid}/stat")
    until(lambda: stat_file.read_text().rsplit(")", 1)[1].split()[0] == "Z", "the zombie")
    assert find_running(own_postgres.state_dir) is None
    own_postgres.restart()
    assert ask(own_postgres.dsn, "SELECT 1") == 1


def test_a_stale_pid_file_that_names_another_program_is_no_obstacle(own_postgres: Running) -> None:
    own_postgres.kill()
    account = embedded_state.server_account()
    with subprocess.Popen(["sleep", "600"], **account.popen()) as stranger:
        try:
            pid_file = own_postgres.data / "postmaster.pid"
            lines = pid_file.read_text().splitlines()
            pid_file.write_text("\n".join([str(stranger.pid), *lines[1:]]) + "\n")
            assert find_running(own_postgres.state_dir) is None
            own_postgres.start()
            assert ask(own_postgres.dsn, "SELECT 1") == 1
        finally:
            stranger.kill()


def test_the_server_ends_with_its_killed_owner_and_the_next_start_works(
    folder: Path, owner: subprocess.Popen[str]
) -> None:
    pid = int(read_until(owner, "pid"))
    dsn = find_running(folder / "pg")
    assert dsn and ask(dsn, "SELECT 1") == 1
    with pytest.raises(EmbeddedInUse, match=rf"belongs to another stepwell \(process {owner.pid}\)"):
        start_server(folder / "pg")
    owner.kill()
    with start_server(folder / "pg") as running:
        assert not embedded_state.serves(pid, folder / "pg" / "data")
        assert ask(running.dsn, "SELECT 1") == 1
    assert find_running(folder / "pg") is None


def test_a_cluster_half_made_is_made_anew(folder: Path, owner: subprocess.Popen[str]) -> None:
    assert read_until(owner, "progress").startswith("Making")
    unfinished = folder / "pg" / "data.tmp" / "base"
    until(unfinished.exists, "initdb")
    owner.kill()
    assert not (folder / "pg" / "data").exists()
    with start_server(folder / "pg") as running:
        assert ask(running.dsn, "SELECT 1") == 1
    assert not (folder / "pg" / "data.tmp").exists()


def test_a_cluster_of_another_version_is_left_alone(folder: Path) -> None:
    data = folder / "pg" / "data"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("9.6\n")
    with pytest.raises(EmbeddedError, match=r"was made by PostgreSQL 9\.6, and the programs in .* are \d"):
        start_server(folder / "pg")
    assert (data / "PG_VERSION").read_text() == "9.6\n"


def test_a_path_too_long_for_a_socket_gets_one_elsewhere(folder: Path, made_cluster: Path) -> None:
    long = copy_cluster(made_cluster, folder / ("long" * 30))
    with start_server(long) as running:
        assert running.socket_dir.parent != long
        assert stat.S_IMODE(running.socket_dir.stat().st_mode) == 0o700
        assert find_running(long) == running.dsn
        socket_dir = running.socket_dir
    assert not socket_dir.exists()


def test_what_the_server_says_is_in_the_error(folder: Path, made_cluster: Path) -> None:
    copy_cluster(made_cluster, folder / "pg")
    with pytest.raises(EmbeddedError, match=r"did not start\. It said:\n.*(?s:.)*work_mem"):
        start_embedded(folder / "pg", binaries=PROGRAMS, settings={"work_mem": "a lot"}, fsync=False)
    assert find_running(folder / "pg") is None
    with start_server(folder / "pg"):
        pass


def test_without_programs_there_is_a_sentence(folder: Path) -> None:
    with pytest.raises(EmbeddedError, match=r"There is no PostgreSQL in .*postgres is missing"):
        start_embedded(folder / "pg", binaries=folder)


def test_fsync_is_on_unless_a_test_says_otherwise(folder: Path, made_cluster: Path) -> None:
    copy_cluster(made_cluster, folder / "pg")
    with start_embedded(folder / "pg", binaries=PROGRAMS) as running:
        for setting in ("fsync", "full_page_writes", "synchronous_commit"):
            assert ask(running.dsn, f"SHOW {setting}") == "on"


def test_only_the_main_thread_may_start_a_server(folder: Path) -> None:
    caught: list[BaseException] = []

    def start() -> None:
        try:
            start_embedded(folder / "pg")
        except AssertionError as error:
            caught.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert len(caught) == 1


def test_a_private_folder_above_gets_a_sentence_and_keeps_its_mode(folder: Path) -> None:
    private = folder / "private"
    private.mkdir(mode=0o700)
    if ROOT:
        with pytest.raises(EmbeddedError, match="who cannot enter"):
            start_server(private / "pg")
    else:
        start_server(private / "pg").close()
    assert stat.S_IMODE(private.stat().st_mode) == 0o700


def test_programs_out_of_reach_are_copied_once(folder: Path) -> None:
    package = find_binaries().parents[1]
    private = folder / "venv"
    private.mkdir(mode=0o700)
    for name in (package.name, package.name + ".libs"):
        shutil.copytree(package.with_name(name), private / name, symlinks=True)
    said: list[str] = []
    binaries = private / package.name / "pginstall" / "bin"
    for _ in range(2):
        with start_embedded(folder / "pg", binaries=binaries, progress=said.append, fsync=False) as running:
            assert ask(running.dsn, "SELECT 1") == 1
            inside = running.binaries.is_relative_to(folder / "pg")
            assert inside == ROOT, "root's server runs as another user, who needs a copy; nobody else does"
    assert len([line for line in said if line.startswith("Copying")]) == int(ROOT)
    assert stat.S_IMODE(private.stat().st_mode) == 0o700


def test_a_folder_nobody_may_write_gets_a_sentence(folder: Path) -> None:
    (folder / "file").write_text("")
    with pytest.raises(EmbeddedError, match="cannot be used: Not a directory"):
        start_server(folder / "file" / "pg")
