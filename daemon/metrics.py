"""What the daemon measures. One frozen object over a registry of its own, so that tests can have many.

Names and units by the Prometheus conventions; every label takes its values from a closed set.
"""

from __future__ import annotations

import asyncio
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal, TypeAlias, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector

from daemon.histogram import PlainHistogram
from daemon.rows import Standstill
from daemon.version import stepwell_version

Status: TypeAlias = Literal["running", "waiting", "paused", "completed", "failed", "cancelled", "lost"]
ErrorKind: TypeAlias = Literal[
    "script",  # the author's: a step failed and nothing caught it
    "compile",  # a script does not compile
    "database",  # a statement or a commit was refused
    "connection",  # the database was not reachable
    "stale",  # a race was lost, the actor reloads
    "checkpoint",  # a stored state cannot be read: parked
    "poison",  # a turn that fails every time: parked
    "internal",  # ours
    "other",
]
RequestKind: TypeAlias = Literal["http", "llm", "mail", "mcp", "other"]
RequestOutcome: TypeAlias = Literal[
    "done",  # answered
    "failed",  # refused for good, or too often
    "again",  # this attempt failed, there will be another
    "cut_short",  # an attempt ended with its daemon, there will be another
    "in_doubt",  # an attempt ended so, and an operator decides
    "lost",  # nobody waited for the answer any more
]
RequestStatus: TypeAlias = Literal["pending", "taken", "in_doubt"]
# From a turn computed in memory (50 µs) over a commit on a quiet machine (0.3 ms) to a database that stalls.
SECONDS = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
ATTEMPT_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
LAG_SECONDS_BETWEEN = 0.5


@dataclass(frozen=True, slots=True)
class Metrics:
    """Every metric of the daemon; make one with create_metrics."""

    registry: CollectorRegistry
    executions: Gauge
    actors: Gauge
    partitions: Gauge
    actors_started: Counter
    actors_passivated: Counter
    turns: Counter
    steps: Counter
    turn_seconds: PlainHistogram
    commit_seconds: Histogram
    commit_turns: Histogram
    wakeup_seconds: PlainHistogram
    messages_held: Gauge
    turns_pending: Gauge
    backpressure: Gauge
    backpressure_seconds: Counter
    messages_pending: Gauge
    messages_pending_oldest_seconds: Gauge
    notifications: Counter
    sweeps: Counter
    reconnects: Counter
    errors: Counter
    pool_connections: Gauge
    pool_connections_max: Gauge
    loop_lag_seconds: Histogram
    llm_attempts: Counter
    llm_tokens: Counter
    requests: Counter
    requests_open: Gauge
    signals_pending: Gauge
    signals_pending_oldest_seconds: Gauge
    events_kept: Gauge
    schedules_late_seconds: Gauge
    requests_in_flight: Gauge
    attempt_seconds: Histogram
    pruned_rows: Counter
    pruned_timestamp_seconds: Gauge

    def count_error(self, kind: ErrorKind) -> None:
        """Count an error; a kind outside of the set counts as `other`, so that labels stay bounded."""
        self.errors.labels(kind=kind if kind in get_args(ErrorKind) else "other").inc()

    def count_request(self, kind: str, outcome: RequestOutcome) -> None:
        """Count what became of an attempt; kinds that other programs perform count as `other`."""
        self.requests.labels(kind=kind if kind in get_args(RequestKind) else "other", outcome=outcome).inc()

    def set_requests(self, counts: Mapping[Any, int]) -> None:
        """Show how many requests nobody has answered yet, by status; one without any is 0."""
        for status in get_args(RequestStatus):
            self.requests_open.labels(status=status).set(counts.get(status, 0))

    def set_standstill(self, found: Standstill) -> None:
        """Show what is on its way to scripts, and what should have started them."""
        self.signals_pending.set(found.signals)
        self.signals_pending_oldest_seconds.set(found.oldest_seconds or 0.0)
        self.events_kept.set(found.events)
        self.schedules_late_seconds.set(found.late_seconds or 0.0)

    def set_executions(self, counts: Mapping[Any, int]) -> None:
        """Show how many executions there are in each status; a status without any is 0."""
        for status in get_args(Status):
            self.executions.labels(status=status).set(counts.get(status, 0))

    def set_pool(self, *, size: int, idle: int, maximum: int) -> None:
        """Show how many connections of the pool are busy and idle."""
        self.pool_connections.labels(state="busy").set(size - idle)
        self.pool_connections.labels(state="idle").set(idle)
        self.pool_connections_max.set(maximum)

    def count_sweep(self, *, found: bool) -> None:
        """Count a sweep, and whether it found what a notification should have brought."""
        self.sweeps.labels(found="yes" if found else "no").inc()

    def render(self) -> tuple[bytes, str]:
        """Return the text of /metrics and its content type."""
        return generate_latest(self.registry), CONTENT_TYPE_LATEST


def create_metrics() -> Metrics:
    """Make a fresh set of metrics with a registry of its own, every label's series already at 0."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    Info("stepwell_build", "The version that runs.", registry=registry).info(
        {"version": stepwell_version(), "python": platform.python_version()}
    )

    def counter(name: str, text: str, *labels: str) -> Counter:
        return Counter(f"stepwell_{name}", text, labels, registry=registry)

    def gauge(name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"stepwell_{name}", text, labels, registry=registry)

    def histogram(name: str, text: str, buckets: tuple[float, ...] = SECONDS) -> Histogram:
        return Histogram(f"stepwell_{name}", text, buckets=buckets, registry=registry)

    def busy(name: str, text: str) -> PlainHistogram:
        return PlainHistogram(f"stepwell_{name}", text, SECONDS, registry)

    metrics = Metrics(
        registry=registry,
        executions=gauge("executions", "Executions by status; many are estimated.", "status"),
        actors_started=counter("actors_started_total", "Executions brought into memory."),
        actors_passivated=counter("actors_passivated_total", "Executions let go back to being a row."),
        turns=counter("turns_total", "Turns committed."),
        steps=counter("steps_total", "Steps run."),
        turn_seconds=busy("turn_seconds", "From an event's delivery to the turn's commit."),
        commit_seconds=histogram("commit_seconds", "One commit of a batch of turns."),
        commit_turns=histogram("commit_turns", "Turns in one commit.", SIZES),
        wakeup_seconds=busy("wakeup_seconds", "From a message's insertion to the commit of its replies."),
        notifications=counter("notifications_total", "Notifications received."),
        sweeps=counter("sweeps_total", "Sweeps, by whether they found what no notification brought.", "found"),
        reconnects=counter("reconnects_total", "Times the listening connection was made anew."),
        errors=counter("errors_total", "Errors by kind.", "kind"),
        pool_connections=gauge("pool_connections", "Connections of the pool by state.", "state"),
        pool_connections_max=gauge("pool_connections_max", "Connections the pool may open."),
        loop_lag_seconds=histogram("loop_lag_seconds", "How late the event loop wakes a sleeper."),
        llm_attempts=counter("llm_attempts_total", "Attempts to ask a language model, by outcome.", "outcome"),
        llm_tokens=counter("llm_tokens_total", "Tokens that language models counted, by model.", "kind", "model"),
        requests=counter("requests_total", "Attempts of requests, by what became of them.", "kind", "outcome"),
        requests_open=gauge("requests_open", "Requests that nobody has answered yet.", "status"),
        **_plain_gauges(gauge),
        **_in_hand(gauge, counter),
        attempt_seconds=histogram("attempt_seconds", "One attempt of a request.", ATTEMPT_SECONDS),
        **_retention(counter, gauge),
    )
    _begin_at_zero(metrics)
    return metrics


def _plain_gauges(gauge: Callable[[str, str], Gauge]) -> dict[str, Any]:
    return {
        name: gauge(name, text)
        for name, text in (
            ("actors", "Executions held in memory."),
            ("partitions", "Partitions, of 256, that this daemon owns."),
            ("messages_pending", "Messages that nobody has heard yet."),
            ("messages_pending_oldest_seconds", "Age of the oldest of them."),
            ("requests_in_flight", "Requests that this daemon has under way."),
            ("signals_pending", "Answers, ends of children and events that their scripts have not heard yet."),
            ("signals_pending_oldest_seconds", "Age of the oldest of them."),
            ("events_kept", "Published events that nobody has heard yet."),
            ("schedules_late_seconds", "How long the most overdue schedule has been due."),
        )
    }


def _in_hand(gauge: Callable[..., Gauge], counter: Callable[..., Counter]) -> dict[str, Any]:
    paused = "1 while nothing is read, because so many turns or messages are in hand."
    return {
        "messages_held": gauge("messages_held", "Messages and signals in memory."),
        "turns_pending": gauge("turns_pending", "Turns that wait for their commit."),
        "backpressure": gauge("backpressure", paused, "reason"),
        "backpressure_seconds": counter("backpressure_seconds_total", "Seconds in which nothing was read.", "reason"),
    }


def _retention(counter: Callable[..., Counter], gauge: Callable[[str, str], Gauge]) -> dict[str, Any]:
    return {
        "pruned_rows": counter("pruned_rows_total", "Rows that retention deleted, by table.", "table"),
        "pruned_timestamp_seconds": gauge("pruned_timestamp_seconds", "When retention last ended, whoever ran it."),
    }


def _begin_at_zero(metrics: Metrics) -> None:
    """Show every label's series from the start: a rate needs the 0 before the first 1."""
    metrics.set_executions({})
    metrics.set_requests({})
    for kind, outcome in product(get_args(RequestKind), get_args(RequestOutcome)):
        metrics.requests.labels(kind=kind, outcome=outcome)
    metrics.set_pool(size=0, idle=0, maximum=0)
    for kind in get_args(ErrorKind):
        metrics.errors.labels(kind=kind)
    for outcome in ("answered", "again", "refused"):
        metrics.llm_attempts.labels(outcome=outcome)
    for reason in ("turns", "messages"):
        metrics.backpressure.labels(reason=reason)
        metrics.backpressure_seconds.labels(reason=reason)
    for table in ("executions", "turns", "replies", "requests", "events", "messages", "message_ids", "plans"):
        metrics.pruned_rows.labels(table=f"workflow_{table}")
    for found in ("yes", "no"):
        metrics.sweeps.labels(found=found)


async def measure_loop_lag(metrics: Metrics, seconds: float = LAG_SECONDS_BETWEEN) -> None:
    """Measure for ever how late the loop is; to be started in the daemon's TaskGroup."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + seconds
        await asyncio.sleep(seconds)
        metrics.loop_lag_seconds.observe(max(0.0, loop.time() - due))
