"""Asks language models: any endpoint that speaks the chat completions protocol, over HTTP.

One attempt is one POST to {llm.url}/chat/completions under the request's key. The endpoint is the operator's
choice, so its address is not judged. docs/llm.md says what is sent, what is asked again, and what is final.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TypeAlias
from urllib.parse import urlsplit

import httpx2
import structlog

from daemon.metrics import Metrics
from daemon.offered_tools import OfferedTool, Resolve
from daemon.performers.http_answers import Headers, retry_after
from daemon.performers.llm_wire import Answered, error_of, read_answer, wire_body, wire_names
from daemon.performing import AttemptFailed, TakenRequest
from daemon.settings_world import Llm
from daemon.version import stepwell_version
from engine.values import Value

PATH = "/chat/completions"
REQUEST_BYTES_MAX = 5_000_000
ANSWER_BYTES_MAX = 5_000_000
CONNECT_SECONDS_MAX = 10.0
CONNECTIONS_MAX = 1_000
IDLE_CONNECTIONS_MAX = 100
# What may be answered otherwise the next time. A key that has no money left is told apart by its code.
AGAIN = frozenset({408, 409, 425, 429})
FINAL_CODES = frozenset({"insufficient_quota", "billing_hard_limit_reached"})

Payload: TypeAlias = Mapping[str, Value]

log = structlog.get_logger(__name__)


async def no_tools(names: Sequence[str], bot_id: object) -> Sequence[OfferedTool]:
    """Know no tool: for an endpoint that is offered none."""
    return ()


class LlmPerformer:
    """Performs the requests of kind llm."""

    kinds = frozenset({"llm"})

    def __init__(self, settings: Llm, metrics: Metrics, resolve: Resolve = no_tools) -> None:
        """`resolve` gives the tools that a request names."""
        self._settings = settings
        self._metrics = metrics
        self._resolve = resolve
        base = settings.url.rstrip("/")
        self._url = base if base.endswith(PATH) else base + PATH
        self._host = urlsplit(self._url).hostname or ""
        self._known = frozenset({settings.model, *settings.models.values()} - {""})
        headers = {"Accept": "application/json", "User-Agent": f"Stepwell/{stepwell_version()}"}
        if settings.key:
            headers["Authorization"] = f"Bearer {settings.key}"
        self._headers = headers
        self._client: httpx2.AsyncClient | None = None

    def host_of(self, request: TakenRequest) -> str:
        """Return the endpoint's host."""
        return self._host

    async def perform(self, request: TakenRequest) -> Value:
        """Make one attempt and return content, tool_calls, usage, finish_reason and model. Raises AttemptFailed."""
        try:
            answered = await self._attempt(request)
        except AttemptFailed as failed:
            self._metrics.llm_attempts.labels(outcome="again" if failed.again else "refused").inc()
            raise
        self._metrics.llm_attempts.labels(outcome="answered").inc()
        model = answered.model if answered.model in self._known else "other"
        for kind, count in (("prompt", answered.prompt_tokens), ("completion", answered.completion_tokens)):
            self._metrics.llm_tokens.labels(kind=kind, model=model).inc(count)
        return answered.value

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()

    async def _attempt(self, request: TakenRequest) -> Answered:
        if not self._settings.url:
            raise refusal("no language model is configured; set llm.url, such as https://llm.example.com/v1")
        payload = request.payload
        tools = wire_names(await self._offered(request))
        model = self._model(payload)
        body = wire_body(payload, tools, model, self._settings.answer_tokens_max)
        raw = _bytes_of(body)
        try:
            async with asyncio.timeout(self._settings.timeout_seconds):
                status, headers, content = await self._post(raw, request.key)
        except (TimeoutError, httpx2.TimeoutException):
            seconds = f"{self._settings.timeout_seconds:g}"
            message = f"the language model gave no answer within {seconds} seconds (llm.timeout_seconds)"
            raise AttemptFailed(message, again=True, kind="timeout") from None
        except (httpx2.TransportError, OSError) as error:
            raise self._broken(error) from error
        except (httpx2.InvalidURL, httpx2.DecodingError) as error:
            raise refusal(f"the language model's endpoint cannot be understood: {error}") from None
        if not 200 <= status < 300:
            raise self._refused(status, headers, content)
        answered = read_answer(content, tools, model)
        if isinstance(answered, Answered):
            return answered
        raise self._judged(answered.status, answered.message, answered.code, None)

    async def _offered(self, request: TakenRequest) -> Sequence[OfferedTool]:
        """Return the tools that the request names. Raises AttemptFailed where they cannot be looked up now."""
        names = request.payload.get("tools")
        if not isinstance(names, list) or not names:
            return ()
        try:
            return await self._resolve([str(n) for n in names], request.bot_id)
        except Exception as error:
            log.warning("tools_not_read", error=str(error) or type(error).__name__)
            message = f"the tools for the language model cannot be looked up now: {error}"
            raise AttemptFailed(message, again=True, kind="llm") from error

    async def _post(self, raw: bytes, key: str) -> tuple[int, httpx2.Headers, bytes]:
        """Send a request and read its whole answer, bounded."""
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        async with self._open_client().stream("POST", self._url, content=raw, headers=headers) as response:
            content = bytearray()
            async for chunk in response.aiter_bytes():
                content += chunk
                if len(content) > ANSWER_BYTES_MAX:
                    raise refusal(f"the language model's answer is larger than {ANSWER_BYTES_MAX:,} bytes")
            return response.status_code, response.headers, bytes(content)

    def _open_client(self) -> httpx2.AsyncClient:
        """Return the client, made on first use: reading the certificates takes its time."""
        if self._client is None:
            seconds = self._settings.timeout_seconds
            self._client = httpx2.AsyncClient(
                headers=self._headers,
                timeout=httpx2.Timeout(seconds, connect=min(CONNECT_SECONDS_MAX, seconds)),
                limits=httpx2.Limits(
                    max_connections=CONNECTIONS_MAX,
                    max_keepalive_connections=IDLE_CONNECTIONS_MAX,
                    keepalive_expiry=15.0,
                ),
                verify=_tls(),
                follow_redirects=False,
                trust_env=False,
            )
        return self._client

    def _model(self, payload: Payload) -> str:
        """Return the model to ask: the one named, else that of the goal, else the configured one."""
        named = payload.get("model") or payload.get("optimize_for") or ""
        models = {name.lower(): model for name, model in self._settings.models.items()}
        explained = models.get(str(named).lower())
        if explained is not None:
            return explained
        return str(payload.get("model") or self._settings.model)

    def _broken(self, error: Exception) -> AttemptFailed:
        """Return the failure of a conversation that broke off: again, unless it would break off each time."""
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, ssl.SSLCertVerificationError):
                return refusal(f"{self._host}: its certificate does not hold: {cause.verify_message}")
            cause = cause.__cause__ or cause.__context__
        if isinstance(error, httpx2.LocalProtocolError | httpx2.UnsupportedProtocol):
            return refusal(f"the language model cannot be asked at llm.url: {error}")
        what = "cannot be reached" if isinstance(error, httpx2.ConnectError) else "broke off"
        return AttemptFailed(
            f"the language model at {self._host} {what}: {str(error) or type(error).__name__}", again=True, kind="llm"
        )

    def _refused(self, status: int, headers: httpx2.Headers, content: bytes) -> AttemptFailed:
        message, code = error_of(content)
        return self._judged(status, message, code, retry_after(Headers(headers.raw)))

    def _judged(self, status: int, message: str, code: str, after: float | None) -> AttemptFailed:
        """Return the failure that a status is: again for what passes, final with the endpoint's own words else."""
        said = f"the language model at {self._host} answered {status}" + (f": {message}" if message else "")
        if 300 <= status < 400:
            return refusal(f"{said}; redirects are not followed: correct llm.url")
        if status in (401, 403):
            return refusal(f"{said}; llm.key may be missing or wrong")
        again = (status in AGAIN or status >= 500) and code not in FINAL_CODES
        return AttemptFailed(said, again=again, after_seconds=after if again else None, kind="llm")


@cache
def _tls() -> ssl.SSLContext:
    """Return the authorities that are trusted, read once: it takes a quarter of a second."""
    return httpx2.create_ssl_context(trust_env=False)


def refusal(message: str) -> AttemptFailed:
    """Return a failure that no further attempt would mend."""
    return AttemptFailed(message, again=False, kind="llm")


def _bytes_of(body: Mapping[str, object]) -> bytes:
    try:
        raw = json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except ValueError as error:  # half of a Unicode character, or a number that JSON does not have
        raise refusal(f"the prompt cannot be sent: {error}") from None
    if len(raw) > REQUEST_BYTES_MAX:
        raise refusal(f"the prompt has {len(raw):,} bytes; {REQUEST_BYTES_MAX:,} are the most")
    return raw
