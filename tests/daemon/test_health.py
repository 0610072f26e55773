"""Metrics, health, readiness and the talk with systemd, over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast, get_args

import pytest
from prometheus_client.parser import text_string_to_metric_families

from daemon import health
from daemon.health import HealthError, Readiness, serve_health
from daemon.metrics import ErrorKind, Metrics, create_metrics, measure_loop_lag
from daemon.notify_systemd import Systemd

ANYWHERE = ("127.0.0.1", 0)


@contextlib.asynccontextmanager
async def serving(
    listen: tuple[str, int] | None, metrics: Metrics, readiness: Readiness
) -> AsyncIterator[tuple[str, int] | None]:
    """Serve inside a group of its own, which must end when the block does."""
    async with asyncio.TaskGroup() as group, serve_health(group, listen, metrics, readiness) as address:
        yield address


async def ask(address: tuple[str, int] | None, request: str) -> tuple[int, str]:
    """Send raw bytes; return status and body. The server closes after one answer."""
    assert address is not None
    reader, writer = await asyncio.open_connection(*address)
    writer.write(request.encode("latin-1"))
    answer = ""
    with contextlib.suppress(ConnectionResetError):
        answer = (await reader.read()).decode()
        writer.close()
        await writer.wait_closed()
    if not answer:
        return 0, ""
    head, _, body = answer.partition("\r\n\r\n")
    return int(head.split()[1]), body


def get(path: str) -> str:
    """Return a request as a scraper sends it."""
    return f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"


async def test_readiness_says_why_not() -> None:
    readiness = Readiness()
    async with serving(ANYWHERE, create_metrics(), readiness) as address:
        assert await ask(address, get("/readyz")) == (503, "The daemon is starting.\n")
        readiness.hold("database", "The database is not reachable.")
        readiness.clear("start")
        assert await ask(address, get("/readyz")) == (503, "The database is not reachable.\n")
        readiness.clear("database")
        readiness.clear("database")
        assert await ask(address, get("/readyz?verbose=1")) == (200, "ready\n")
        assert await ask(address, get("/healthz")) == (200, "ok\n")


async def test_metrics_are_what_prometheus_reads() -> None:
    metrics = create_metrics()
    metrics.count_error("script")
    metrics.count_error(cast(ErrorKind, "nonsense"))
    metrics.set_executions({"waiting": 7})
    metrics.set_pool(size=3, idle=1, maximum=8)
    metrics.count_sweep(found=True)
    metrics.wakeup_seconds.observe(0.0003)
    async with serving(ANYWHERE, metrics, Readiness()) as address:
        assert address is not None
        url = f"http://{address[0]}:{address[1]}/metrics"
        text = await asyncio.to_thread(lambda: urllib.request.urlopen(url).read().decode())
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert samples["stepwell_errors_total", "script"] == 1
    assert samples["stepwell_errors_total", "other"] == 1
    assert samples["stepwell_executions", "waiting"] == 7
    assert samples["stepwell_executions", "failed"] == 0
    assert samples["stepwell_pool_connections", "busy"] == 2
    assert samples["stepwell_sweeps_total", "yes"] == 1
    assert samples["stepwell_wakeup_seconds_bucket", "0.0005"] == 1
    assert samples["stepwell_wakeup_seconds_bucket", "0.0002"] == 0
    assert ("process_resident_memory_bytes",) in samples


def test_names_units_and_labels_keep_the_conventions() -> None:
    for family in create_metrics().registry.collect():
        assert family.documentation
        if family.name.startswith("stepwell_"):
            assert family.name == family.name.lower()
            assert not family.name.endswith(("_ms", "_time", "_latency", "_count"))
            assert len(family.samples) < 100, "labels come from closed sets"


@pytest.mark.parametrize(
    ("request_text", "status"),
    [
        (get("/"), 404),
        (get("/metricsx"), 404),
        ("POST /metrics HTTP/1.1\r\nHost: x\r\ncontent-length: 0\r\n\r\n", 405),
        ("rubbish\r\n\r\n", 400),
        ("GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + "a" * 20_000 + "\r\n\r\n", 431),
        ("GET /healthz HTTP/1.0\r\n\r\n", 200),
        ("HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 200),
        ("GET /healthz HTTP/1.1\r\n\r\n", 400),
        ("GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ],
)
async def test_odd_requests_get_an_answer(request_text: str, status: int) -> None:
    async with serving(ANYWHERE, create_metrics(), Readiness()) as address:
        found, body = await ask(address, request_text)
        assert found == status
        assert request_text.startswith("HEAD") == (body == "")


async def test_a_slow_client_is_cut_off_and_disturbs_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "REQUEST_SECONDS_MAX", 0.05)
    async with serving(ANYWHERE, create_metrics(), Readiness()) as address:
        assert address is not None
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"GET /healthz HT")
        assert (await ask(address, get("/healthz")))[0] == 200
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()


async def test_connections_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "CONNECTIONS_MAX", 1)
    async with serving(ANYWHERE, create_metrics(), Readiness()) as address:
        assert address is not None
        _, writer = await asyncio.open_connection(*address)
        writer.write(b"GET")
        await writer.drain()
        # The first connection holds the only place once the server has seen it.
        assert await ask(address, get("/healthz")) == (0, "")
        writer.close()
        await writer.wait_closed()


async def test_an_address_in_use_is_a_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ExceptionGroup) as caught:
            async with serving(("127.0.0.1", port), create_metrics(), Readiness()):
                pass
    assert caught.group_contains(HealthError, match=rf"cannot listen on 127\.0\.0\.1:{port}: .*\[http\] listen")


async def test_without_an_address_nothing_listens() -> None:
    async with serving(None, create_metrics(), Readiness()) as address:
        assert address is None


async def one_turn_of_the_loop() -> None:
    """Let every other task run once."""
    await asyncio.sleep(0)


async def test_a_blocked_loop_shows_as_lag() -> None:
    metrics = create_metrics()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(measure_loop_lag(metrics, 0.001))
        while metrics.registry.get_sample_value("stepwell_loop_lag_seconds_count") == 0:
            await one_turn_of_the_loop()
        before = metrics.registry.get_sample_value("stepwell_loop_lag_seconds_sum") or 0.0
        deadline = asyncio.get_running_loop().time() + 0.05
        while asyncio.get_running_loop().time() < deadline:
            pass
        seen = metrics.registry.get_sample_value("stepwell_loop_lag_seconds_count")
        while metrics.registry.get_sample_value("stepwell_loop_lag_seconds_count") == seen:
            await one_turn_of_the_loop()
        after = metrics.registry.get_sample_value("stepwell_loop_lag_seconds_sum") or 0.0
        task.cancel()
    assert after - before > 0.03


@pytest.mark.parametrize("abstract", [False, True])
async def test_systemd_hears_ready_status_watchdog_and_stopping(tmp_path: Path, abstract: bool) -> None:
    address = f"@stepwell-{tmp_path}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + address[1:] if abstract else address)
        manager.settimeout(5)
        systemd = Systemd(address)
        systemd.ready("12 conversations wait")
        systemd.status("two\nlines")
        systemd.stopping()
        async with asyncio.TaskGroup() as group:
            task = group.create_task(systemd.beat(0.001))
            await asyncio.sleep(0)
            task.cancel()
        assert manager.recv(999) == b"READY=1\nSTATUS=12 conversations wait"
        assert manager.recv(999) == b"STATUS=two lines"
        assert manager.recv(999) == b"STOPPING=1\nSTATUS=Stopping"
        assert manager.recv(999) == b"WATCHDOG=1"


async def test_without_systemd_nothing_happens(tmp_path: Path) -> None:
    Systemd().ready("alone")
    Systemd(str(tmp_path / "nobody")).ready("nobody listens")
    await Systemd(str(tmp_path / "nobody")).beat(None)


async def test_the_watchdog_is_silent_when_we_are_not_alive(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address)
        manager.setblocking(False)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(Systemd(address).beat(0.001, alive=lambda: False))
            await asyncio.sleep(0)
            task.cancel()
        with pytest.raises(BlockingIOError):
            manager.recv(99)


def test_every_error_kind_is_there_from_the_start() -> None:
    registry = create_metrics().registry
    for kind in get_args(ErrorKind):
        assert registry.get_sample_value("stepwell_errors_total", {"kind": kind}) == 0, json.dumps(kind)
