"""The log: one JSON object a line for machines, readable lines on a terminal, always on standard error.

What a user wrote or heard never stands above debug level: processors drop it by the name of its key.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import MutableMapping
from contextlib import AbstractContextManager
from typing import Any, BinaryIO, Literal
from uuid import UUID

import msgspec
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
# Keys that hold what a person said or was told; PRINT's line is the author's and has the key `line`.
USER_TEXT_KEYS = frozenset({"content", "text", "answer", "reply", "prompt"})

_encoder = msgspec.json.Encoder(enc_hook=repr)


def hide_user_text(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Drop a user's words from everything above debug; their length stays, for whoever looks for a cause."""
    if event.get("level", method) == "debug":
        return event
    for key in USER_TEXT_KEYS & event.keys():
        value = event.pop(key)
        if isinstance(value, str):
            event[f"{key}_characters"] = len(value)
    return event


def render_json(logger: WrappedLogger, method: str, event: EventDict) -> bytes:
    """Return one line of JSON; whatever is no JSON is shown by its repr."""
    first = ("timestamp", "level", "event")
    ordered = {
        "time": event.get("timestamp"),
        "level": event.get("level", method),
        "event": event.get("event", ""),
    }
    ordered.update((key, value) for key, value in event.items() if key not in first)
    try:
        return _encoder.encode(ordered)
    except (UnicodeEncodeError, TypeError):
        # A lone surrogate, or a key that is no text: never lose the line for it.
        return json.dumps({str(k): v for k, v in ordered.items()}, default=repr).encode()


def _name_of_logger(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    record: logging.LogRecord | None = event.get("_record")
    if record is not None:
        event["logger"] = record.name
    return event


def configure_logging(
    level: Literal["debug", "info", "warning", "error"] = "info",
    format: Literal["auto", "json", "console"] = "auto",
    *,
    under_systemd: bool = False,
    colors: bool | None = None,
    output: BinaryIO | None = None,
) -> None:
    """Set up structlog and the standard library's logging, which libraries use, for the whole process.

    `output` is standard error unless given; `colors` are used on a terminal unless given.
    """
    stream = output or sys.stderr.buffer
    terminal = output is None and sys.stderr.isatty()
    as_json = format == "json" or (format == "auto" and (under_systemd or not terminal))
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        hide_user_text,
    ]
    last: list[Processor]
    if as_json:
        last = [structlog.processors.format_exc_info, render_json]
    else:
        last = [_console(terminal if colors is None else colors), _to_bytes]
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.BytesLoggerFactory(file=stream),
        cache_logger_on_first_use=output is None,
    )
    _route_foreign(shared, last, stream, LEVELS[level])


def _console(colors: bool) -> Processor:
    return structlog.dev.ConsoleRenderer(
        colors=colors, exception_formatter=structlog.dev.plain_traceback, sort_keys=False
    )


def _to_bytes(logger: WrappedLogger, method: str, text: Any) -> bytes:
    return str(text).encode(errors="backslashreplace")


def _route_foreign(shared: list[Processor], last: list[Processor], stream: BinaryIO, level: int) -> None:
    """Send what libraries log through the same processors, so that one format comes out."""

    class Bytes(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            try:
                stream.write(self.format(record).encode(errors="backslashreplace") + b"\n")
                stream.flush()
            except Exception:
                self.handleError(record)

    def to_text(logger: WrappedLogger, method: str, line: Any) -> str:
        return line.decode() if isinstance(line, bytes) else str(line)

    handler = Bytes()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, _name_of_logger],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last, to_text],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # Libraries speak of every connection at info; what they warn of is what matters here.
    root.setLevel(level if level == LEVELS["debug"] else max(level, LEVELS["warning"]))


def execution_context(execution_id: UUID | str, **more: str) -> AbstractContextManager[MutableMapping[str, Any] | None]:
    """Put the execution's id on every line that is written inside, in this task and those it starts."""
    return structlog.contextvars.bound_contextvars(execution=str(execution_id), **more)
