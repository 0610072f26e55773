"""Samples what a daemon does with its CPU, without slowing it: a timer of CPU time, and a look at the frame it finds.

A profiler that counts calls makes them dearer than they are. This one looks as often as the kernel's clock ticks, and
counts under which of our functions the processor was. What C code does counts for the Python frame that called it;
where none of ours did, it is the event loop's, with its sockets and the decoding of what came over them.
"""

from __future__ import annotations

import gc
import json
import signal
import time
from collections import Counter
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

INTERVAL_SECONDS = 0.001
PROJECT = Path(__file__).parent.parent
LOOP = "event loop, sockets, decoding (C)"
PARTS = {
    "actor": "actors and turns",
    "mailbox": "actors and turns",
    "supervisor": "actors and turns",
    "turns": "actors and turns",
    "cues": "actors and turns",
    "history": "actors and turns",
    "committer": "commit",
    "store_turns": "commit",
    "store_transaction": "commit",
    "fetcher": "messages",
    "store": "messages",
    "scheduler": "looking for what is due",
    "listener": "notifications",
}


class Sampler:
    """Counts samples from SIGUSR1 to SIGUSR2, and writes them to a file then."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._seen: Counter[tuple[CodeType | None, bool]] = Counter()
        self._places: dict[CodeType, str] = {}
        self._collecting = 0.0
        self._collected = 0.0
        self._collections = 0
        self._begun = 0.0

    def listen(self) -> None:
        """Let the two signals begin and end the sampling."""
        signal.signal(signal.SIGUSR1, self._begin)
        signal.signal(signal.SIGUSR2, self._end)

    def _begin(self, _number: int, _frame: FrameType | None) -> None:
        gc.callbacks.append(self._collector)
        self._begun = time.process_time()
        signal.signal(signal.SIGPROF, self._look)
        signal.setitimer(signal.ITIMER_PROF, INTERVAL_SECONDS, INTERVAL_SECONDS)

    def _look(self, _number: int, frame: FrameType | None) -> None:
        driver = False
        while frame is not None:
            place = self._place(frame.f_code)
            if place:
                break
            driver = driver or "asyncpg" in frame.f_code.co_filename
            frame = frame.f_back
        self._seen[None if frame is None else frame.f_code, driver] += 1

    def _place(self, code: CodeType) -> str:
        """Return the module of ours that code belongs to, such as daemon.actor; empty: none."""
        place = self._places.get(code)
        if place is None:
            place = ""
            path = Path(code.co_filename)
            if path.is_relative_to(PROJECT):
                place = ".".join(path.relative_to(PROJECT).with_suffix("").parts)
            place = self._places[code] = place if place.startswith(("daemon.", "engine.")) else ""
        return place

    def _collector(self, phase: str, _info: dict[str, Any]) -> None:
        if phase == "start":
            self._collecting = time.perf_counter()
        else:
            self._collected += time.perf_counter() - self._collecting
            self._collections += 1

    def _end(self, _number: int, _frame: FrameType | None) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)
        spent = time.process_time() - self._begun
        gc.callbacks.remove(self._collector)
        rows = [[*self._told(code, driver), count] for (code, driver), count in self._seen.items()]
        told = {"seconds": spent, "collector": self._collected, "collections": self._collections, "rows": rows}
        part = self._file.with_suffix(".part")
        part.write_text(json.dumps(told))
        part.rename(self._file)

    def _told(self, code: CodeType | None, driver: bool) -> tuple[str, str]:
        """Return the part of the daemon, and the function."""
        if code is None:
            return LOOP, "asyncpg" if driver else ""
        place = self._place(code)
        module = place.rpartition(".")[2]
        part = "engine" if place.startswith("engine.") else PARTS.get(module, "other of the daemon")
        if driver:
            part += ", inside asyncpg"
        return part, f"{place}.{code.co_qualname}"
