"""A daemon of a version to come: `python -m tests.faults.newer` takes the same arguments as `python -m daemon`.

It knows one migration more, writes checkpoints that older engines cannot read, and reads theirs.
"""

from __future__ import annotations

import sys
from hashlib import sha256

import daemon.migrations
import daemon.owner
import engine.state
from daemon.cli.app import run
from daemon.statements import Migration, migrations

VERSION = "9.9.9"
TEXT = """
alter table workflow_executions add column of_the_future integer;
create table workflow_future (id integer primary key);
"""


def newer_migrations() -> tuple[Migration, ...]:
    """Return the migrations that the version to come knows."""
    known = migrations()
    return (*known, Migration(len(known) + 1, "future", TEXT, sha256(TEXT.encode()).hexdigest()))


def become_newer() -> None:
    """Be that version from now on."""
    vars(daemon.migrations)["migrations"] = newer_migrations
    vars(daemon.owner)["stepwell_version"] = lambda: VERSION
    engine.state.CHECKPOINT_VERSION += 1


if __name__ == "__main__":
    become_newer()
    sys.exit(run())
