"""Tells systemd how the service is: READY, STATUS, WATCHDOG, STOPPING (sd_notify, systemd's own protocol).

Our own few lines, because the libraries read the environment themselves, block, and know no STOPPING=1;
those that wrap libsystemd have no wheel for every platform.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable


class Systemd:
    """The socket that NOTIFY_SOCKET names; without one every call does nothing."""

    def __init__(self, address: str = "") -> None:
        # An address that begins with @ is in the abstract namespace, which the kernel writes as NUL.
        self._address = "\0" + address[1:] if address.startswith("@") else address

    def send(self, *lines: str) -> None:
        """Send assignments such as `READY=1`. A service manager that does not listen is no error of ours."""
        if not self._address:
            return
        text = "\n".join(line.replace("\n", " ") for line in lines)
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as peer,
        ):
            peer.setblocking(False)
            peer.sendto(text.encode(), self._address)

    def ready(self, status: str) -> None:
        """Say that the service is up; units ordered after it start now."""
        self.send("READY=1", f"STATUS={status}")

    def status(self, text: str) -> None:
        """Say in a sentence what the service does; `systemctl status` shows it."""
        self.send(f"STATUS={text}")

    def stopping(self, status: str = "Stopping") -> None:
        """Say that the service is about to end by itself."""
        self.send("STOPPING=1", f"STATUS={status}")

    async def beat(self, watchdog_seconds: float | None, alive: Callable[[], bool] = lambda: True) -> None:
        """Send WATCHDOG=1 twice in every period while `alive()`; to be started in the daemon's TaskGroup.

        A loop that hangs sends nothing, and systemd starts the service anew. Without a watchdog it returns.
        """
        if watchdog_seconds is None:
            return
        while True:
            if alive():
                self.send("WATCHDOG=1")
            await asyncio.sleep(watchdog_seconds / 2)
