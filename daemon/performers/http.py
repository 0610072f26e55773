"""Performs the requests of kind http: GET, POST and their like, CALL of an address, and tools of the web.

One attempt is: the payload read, the message sent, redirects followed (each checked like the first address), the
answer read within its limits, all of it within one time-out. What follows a failure is said in docs/http.md.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import httpcore2

from daemon.addresses import fold_host, read_allowed
from daemon.performers.connecting import AddressRefused, NameUnknown, Pool, Resolver
from daemon.performers.http_answers import (
    AnswerRefused,
    Headers,
    beginning_of,
    read_bytes,
    read_value,
    reason_of,
    retry_after,
)
from daemon.performers.http_asking import Asked, Reader, refusal
from daemon.performing import Answer, AttemptFailed, TakenRequest
from daemon.settings_tools import HttpTool
from daemon.settings_world import Web
from engine.values import Value

REDIRECTS = frozenset({301, 302, 303, 307, 308})
# What may be answered otherwise the next time. A POST too: the key is the same in every attempt, so a server that
# minds it does the thing once, and one that does not was told by its author's choice of `park`.
AGAIN = frozenset({408, 425, 429})
# Of them, those that say that nothing was done yet; after the others a server may have done it all the same.
NOTHING_DONE = frozenset({425, 429, 503})
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


@cache
def system_tls() -> ssl.SSLContext:
    """Return what verifies servers by the system's authorities; read once, which takes a tenth of a second."""
    return httpcore2.default_ssl_context()


@dataclass(frozen=True, slots=True)
class Answered:
    """A whole answer."""

    status: int
    reason: str
    headers: Headers
    value: Value

    def envelope(self) -> Value:
        """Return what POST and its like give."""
        headers: dict[str, Value] = dict(self.headers.values)
        return {"status": self.status, "statusText": self.reason, "headers": headers, "data": self.value}


class HttpPerformer:
    """Asks servers of the web. `tls` is for tests; by default the system's authorities are trusted."""

    kinds = frozenset({"http"})

    def __init__(
        self,
        web: Web,
        tools: Mapping[str, HttpTool] | None = None,
        *,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        tls = tls or system_tls()
        self._web = web
        self._reader = Reader(web.base_url, tools or {}, web.timeout_seconds)
        self._resolver = Resolver()
        self._checked = Pool(self._resolver, read_allowed(web.allow_hosts), tls)
        # An address that the operator configured is asked wherever it is, and by nobody else's redirect.
        self._configured = Pool(self._resolver, None, tls)

    def host_of(self, request: TakenRequest) -> str:
        """Return the host that limits count the request under; "" where its address cannot be read."""
        try:
            return fold_host(self._reader.url_of(request.payload).host)
        except AttemptFailed:
            return ""

    async def perform(self, request: TakenRequest) -> Value:
        """Make one attempt. Raises AttemptFailed."""
        asked = self._reader.read(request.payload, request.key)
        if asked.body is not None and len(asked.body) > self._web.request_bytes_max:
            size, most = len(asked.body), self._web.request_bytes_max
            raise refusal(f"{asked.shown} would send {size:,} bytes; web.request_bytes_max is {most:,}")
        try:
            async with asyncio.timeout(asked.timeout_seconds):
                answered = await self._follow(asked)
        except TimeoutError:
            seconds = f"{asked.timeout_seconds:g}"
            message = f"{asked.shown} gave no whole answer within {seconds} seconds"
            raise again(asked, message, unsure=True, kind="timeout") from None
        return judge(asked, answered)

    async def close(self) -> None:
        """Close the connections."""
        await self._checked.close()
        await self._configured.close()
        self._resolver.close()

    async def _follow(self, asked: Asked) -> Answered:
        """Ask, and follow redirects as far as allowed."""
        first = asked
        for _ in range(self._web.redirects_max + 1):
            answer = await self._exchange(asked)
            if isinstance(answer, Answered):
                return answer
            asked = answer
        raise refusal(f"{first.shown} was redirected more than {self._web.redirects_max} times (web.redirects_max)")

    async def _exchange(self, asked: Asked) -> Answered | Asked:
        """Send one message; return its answer, or the message that a redirect asks for."""
        url = asked.url
        pool = self._configured if asked.configured else self._checked
        target = httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        headers = [(b"Host", url.netloc)]
        headers += [(name.encode("ascii"), text.encode("utf-8")) for name, text in asked.headers.items()]
        try:
            async with pool.stream(asked.method, target, headers, asked.body) as response:
                got = Headers(response.headers)
                location = got.get("location")
                if response.status in REDIRECTS and location:
                    return asked.redirected(response.status, location)
                body = await read_bytes(got, response.aiter_stream(), self._web.response_bytes_max)
                reason = reason_of(response.status, response.extensions.get("reason_phrase", b""))
                return Answered(response.status, reason, got, await read_value(got, body))
        except AnswerRefused as error:
            raise refusal(f"the answer of {asked.shown} {error}") from None
        except (AddressRefused, NameUnknown) as error:
            raise refusal(f"{asked.shown}: {error}", "address") from None
        except (httpcore2.NetworkError, httpcore2.TimeoutException, httpcore2.ProtocolError, OSError) as error:
            raise broken(asked, error) from error


def judge(asked: Asked, answered: Answered) -> Value:
    """Return what an answer gives the script. Raises AttemptFailed for one that may be better, or is an error."""
    status = answered.status
    envelope = asked.expect == "envelope"
    if 200 <= status < 300:
        return answered.envelope() if envelope else answered.value
    beginning = beginning_of(answered.value)
    message = f"{asked.shown} answered {status} {answered.reason}".rstrip() + (f": {beginning}" if beginning else "")
    if status in AGAIN or 500 <= status < 600:
        failed = again(asked, message, unsure=status not in NOTHING_DONE, kind="http")
        failed.after_seconds = retry_after(answered.headers)
        failed.otherwise = Answer(answered.envelope()) if envelope else None
        raise failed
    if envelope:
        return answered.envelope()
    raise refusal(message)


def broken(asked: Asked, error: Exception) -> AttemptFailed:
    """Return the failure of a conversation that broke off: again, unless it would break off each time."""
    causes = [error]
    while (cause := causes[-1].__cause__ or causes[-1].__context__) is not None and len(causes) < 10:
        assert isinstance(cause, Exception)
        causes.append(cause)
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return refusal(f"{asked.shown}: its certificate does not hold: {cause.verify_message}", "tls")
        if getattr(cause, "error_status_hint", None) == 431:  # h11: headers without end
            return refusal(f"the answer of {asked.shown} has headers that are too large")
    if isinstance(error, httpcore2.LocalProtocolError):
        return refusal(f"{asked.shown} cannot be sent: {error}")
    said = str(error) or next((str(c) for c in causes if str(c)), type(error).__name__)
    unreached = isinstance(error, httpcore2.ConnectError | httpcore2.ConnectTimeout)
    what = "cannot be reached" if unreached else "broke off"
    return again(asked, f"{asked.shown} {what}: {said}", unsure=not unreached)


def again(asked: Asked, message: str, *, unsure: bool, kind: str = "request") -> AttemptFailed:
    """Return the failure of an attempt after which another may succeed. `unsure`: the message may have arrived,
    which matters where it asked for more than to be told something."""
    doubtful = unsure and asked.method not in SAFE
    return AttemptFailed(message, again=True, kind=kind, unsure=doubtful, attempts_max=asked.attempts_max)
