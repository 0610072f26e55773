"""The log: one format whoever writes, the execution on every line, and never a user's words."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any, Literal

import pytest
import structlog

from daemon.log import configure_logging, execution_context

Level = Literal["debug", "info", "warning", "error"]
SECRET = "my printer is on fire"


@pytest.fixture
def output() -> Iterator[io.BytesIO]:
    """Where the log goes; the process's own configuration comes back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield io.BytesIO()
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


def lines(output: io.BytesIO) -> list[dict[str, Any]]:
    """Return the JSON lines written so far."""
    return [json.loads(line) for line in output.getvalue().splitlines()]


def test_a_line_is_json_with_time_level_event_and_execution(output: io.BytesIO) -> None:
    configure_logging("info", "json", output=output)
    log = structlog.get_logger()
    with execution_context("e-1", script="ticket.bas"):
        log.info("turn committed", steps=3)
    log.info("alone")
    first, second = lines(output)
    assert (first["level"], first["event"], first["steps"]) == ("info", "turn committed", 3)
    assert (first["execution"], first["script"]) == ("e-1", "ticket.bas")
    assert first["time"].endswith("Z")
    assert "execution" not in second


@pytest.mark.parametrize("format", ["json", "console"])
@pytest.mark.parametrize("key", ["content", "text", "answer", "reply", "prompt"])
def test_a_users_words_appear_at_debug_only(output: io.BytesIO, key: str, format: Literal["json", "console"]) -> None:
    configure_logging("debug", format, output=output)
    log = structlog.get_logger()
    for method in (log.info, log.warning, log.error, log.critical):
        method("heard", **{key: SECRET})
    assert SECRET.encode() not in output.getvalue()
    assert str(len(SECRET)).encode() in output.getvalue()
    log.debug("heard", **{key: SECRET})
    assert SECRET.encode() in output.getvalue()


def test_an_exception_hides_a_users_words_too(output: io.BytesIO) -> None:
    configure_logging("info", "json", output=output)
    try:
        raise ValueError("of ours")
    except ValueError:
        structlog.get_logger().exception("failed", content=SECRET)
    (line,) = lines(output)
    assert "ValueError: of ours" in line["exception"] and SECRET not in str(line)


def test_levels_below_the_chosen_one_are_not_written(output: io.BytesIO) -> None:
    configure_logging("warning", "json", output=output)
    structlog.get_logger().info("quiet")
    structlog.get_logger().warning("loud")
    assert [line["event"] for line in lines(output)] == ["loud"]


def test_what_libraries_log_comes_out_in_the_same_format(output: io.BytesIO) -> None:
    configure_logging("info", "json", output=output)
    with execution_context("e-2"):
        logging.getLogger("asyncpg").warning("lost %s", "it")
    logging.getLogger("asyncpg").info("chatter")
    (line,) = lines(output)
    assert (line["event"], line["logger"], line["level"]) == ("lost it", "asyncpg", "warning")
    assert line["execution"] == "e-2"


def test_whatever_is_logged_a_line_comes_out(output: io.BytesIO) -> None:
    configure_logging("info", "json", output=output)
    structlog.get_logger().info("odd", surrogate="\ud800", thing=object(), number=float("nan"))
    structlog.get_logger().info("next")
    assert [line["event"] for line in lines(output)] == ["odd", "next"]


def test_the_console_is_readable_and_plain_without_a_terminal(output: io.BytesIO) -> None:
    configure_logging("info", "console", output=output)
    structlog.get_logger().info("started", actors=2)
    text = output.getvalue().decode()
    assert "started" in text and "actors=2" in text and "\x1b" not in text
