"""`python -m daemon` and the installed command `stepwell`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and end the process with its status."""
    from daemon.cli.app import run

    sys.exit(run())


if __name__ == "__main__":
    main()
