"""What a request of kind http asks: its payload, or the tool it names, as the message that is sent."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal, TypeAlias
from urllib.parse import quote, unquote, urlencode

import httpx2

from daemon.performing import AttemptFailed
from daemon.settings_tools import HEADER_NAME, HEADER_VALUE, PLACEHOLDER, HttpTool
from daemon.version import stepwell_version
from engine.values import Value, to_text

Expect: TypeAlias = Literal["body", "envelope"]

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
# Who frames the message, and where it goes, is ours to say; the key is the request's own.
OURS = frozenset({
    "host", "content-length", "transfer-encoding", "connection", "keep-alive", "upgrade", "te", "trailer", "expect",
    "proxy-authorization", "proxy-connection", "idempotency-key", "accept-encoding",
})  # fmt: skip
# What another host may be told after a redirect: no header of the script's may hold a key there.
HARMLESS = frozenset({
    "accept", "accept-encoding", "accept-language", "content-type", "idempotency-key", "user-agent",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Asked:
    """One message on its way out. `configured`: the address is the operator's own, not a script's."""

    method: str
    url: httpx2.URL
    headers: Mapping[str, str]
    body: bytes | None
    expect: Expect
    timeout_seconds: float
    configured: bool
    attempts_max: int | None = None

    @property
    def shown(self) -> str:
        """What messages call it: without the query and the password, which may be secrets."""
        return f"{self.method} {shown_url(self.url)}"

    def redirected(self, status: int, location: str) -> Asked:
        """Return the message that a redirect asks for. Raises AttemptFailed."""
        try:
            url = self.url.join(location)
        except (httpx2.InvalidURL, ValueError):
            raise refusal(f"{self.shown} was redirected to an address that cannot be read") from None
        check_url(url)
        next_asked = replace(self, url=url, configured=self.configured and same_origin(url, self.url))
        if (status == 303 and self.method != "HEAD") or (status in (301, 302) and self.method == "POST"):
            kept = {k: v for k, v in self.headers.items() if k.lower() != "content-type"}
            next_asked = replace(next_asked, method="GET", body=None, headers=kept)
        if not same_origin(url, self.url):
            kept = {k: v for k, v in next_asked.headers.items() if k.lower() in HARMLESS}
            next_asked = replace(next_asked, headers=kept)
        return next_asked


def refusal(message: str, kind: str = "http") -> AttemptFailed:
    """Return the failure of a request that no attempt will mend."""
    return AttemptFailed(message, again=False, kind=kind)


def shown_url(url: httpx2.URL) -> str:
    """Return an address without its query, fragment and password."""
    return f"{url.scheme}://{url.netloc.decode('ascii', 'replace')}{url.path}"


@lru_cache(maxsize=256)
def _parsed(text: str) -> httpx2.URL:
    """Return an address; each attempt needs it twice, and many ask the same one."""
    return httpx2.URL(text)


def same_origin(a: httpx2.URL, b: httpx2.URL) -> bool:
    """Tell whether two addresses are of one server."""
    return (a.scheme, a.host, port_of(a)) == (b.scheme, b.host, port_of(b))


def port_of(url: httpx2.URL) -> int:
    """Return the port that an address means."""
    return url.port or (443 if url.scheme == "https" else 80)


def check_url(url: httpx2.URL) -> None:
    """Raise AttemptFailed for an address that is not one of the web."""
    if url.scheme not in ("http", "https"):
        raise refusal(f"only http:// and https:// can be asked, not {url.scheme or 'nothing'}://")
    if port_of(url) > 65_535:
        raise refusal(f"the address {shown_url(url)} names a port that cannot be")
    if not url.host:
        raise refusal(f"the address {shown_url(url)} names no host")


class Reader:
    """Reads payloads. `base_url` is what an address that begins with / is put behind."""

    def __init__(self, base_url: str, tools: Mapping[str, HttpTool], timeout_seconds: float) -> None:
        self._base = base_url.rstrip("/")
        self._tools = tools
        self._timeout = timeout_seconds
        self._agent = f"Stepwell/{stepwell_version()}"

    def tool(self, payload: Mapping[str, Value]) -> HttpTool | None:
        """Return the tool that a payload names, or None where it names none that is here."""
        name = payload.get("tool")
        return self._tools.get(name.lower()) if isinstance(name, str) else None

    def url_of(self, payload: Mapping[str, Value]) -> httpx2.URL:
        """Return the address a payload asks, of a tool without its parameters. Raises AttemptFailed."""
        if "tool" in payload:
            return self.address(PLACEHOLDER.sub("", self._tool_of(payload).url))[0]
        return self.address(payload.get("url"))[0]

    def read(self, payload: Mapping[str, Value], key: str) -> Asked:
        """Return the message a payload asks for; `key` is the request's own. Raises AttemptFailed."""
        if "tool" in payload:
            return self._of_tool(payload, key)
        method = str(payload.get("method") or "GET").upper()
        if method not in METHODS:
            raise refusal(f"“{method[:20]}” is no method of HTTP")
        url, configured = self.address(payload.get("url"))
        headers = self.headers(payload.get("headers"), key)
        body = write_body(payload.get("body"), payload.get("body_kind"), headers)
        if body is None and method in WITH_BODY:
            body = b""
        expect: Expect = "envelope" if payload.get("expect") == "envelope" else "body"
        seconds = payload.get("timeout_seconds")
        timeout = float(seconds) if isinstance(seconds, int | float) and seconds > 0 else self._timeout
        return self._signed(Asked(method, url, headers, body, expect, timeout, configured))

    def _of_tool(self, payload: Mapping[str, Value], key: str) -> Asked:
        tool, name = self._tool_of(payload), to_text(payload.get("tool"))
        given = arguments_by_name(name, tool.parameters, payload.get("arguments"))
        written = PLACEHOLDER.sub(lambda m: quoted(name, m[1], given.get(m[1])), tool.url)
        rest = {k: v for k, v in given.items() if f"{{{k}}}" not in tool.url}
        headers = self.headers(dict(tool.headers), key)
        url, _ = self.address(written)
        body: bytes | None = None
        if tool.method in WITH_BODY:
            body = write_body(rest.get("", rest), None, headers)
        elif rest:
            query = {k: to_text(v) for k, v in rest.items() if v is not None}
            url = url.copy_merge_params(query) if query else url
        seconds, attempts = tool.timeout_seconds or self._timeout, tool.attempts_max or None
        return self._signed(Asked(tool.method, url, headers, body, "body", seconds, True, attempts))

    def _tool_of(self, payload: Mapping[str, Value]) -> HttpTool:
        tool = self.tool(payload)
        if tool is None:
            name = to_text(payload.get("tool"))
            raise refusal(f"there is no tool {name} of kind http in the configuration of this daemon", "tool")
        return tool

    def address(self, written: Value) -> tuple[httpx2.URL, bool]:
        """Return an address, percent-encoded where it must be, and whether it is below the configured base.

        Raises AttemptFailed.
        """
        if not isinstance(written, str) or not written.strip():
            raise refusal("an HTTP request needs an address, and this one is empty")
        text, configured = written.strip(), False
        if text.startswith("/") and not text.startswith("//"):
            if not self._base:
                raise refusal(f"{text.partition('?')[0]} is an address below web.base_url, which is not configured")
            text, configured = self._base + text, True
        try:
            url = _parsed(text)
            check_url(url)
        except (httpx2.InvalidURL, UnicodeError, ValueError):
            raise refusal(f"“{text.partition('?')[0][:200]}” is no address of the web") from None
        return url, configured

    def headers(self, given: Value, key: str) -> dict[str, str]:
        """Return the headers to send: those given, and ours. Raises AttemptFailed for one that cannot be sent."""
        if given is not None and not isinstance(given, dict):
            raise refusal("the headers of an HTTP request must be an object")
        headers: dict[str, str] = {}
        for name, value in (given or {}).items():
            text = to_text(value).strip()
            if not HEADER_NAME.match(name) or not HEADER_VALUE.match(text):
                raise refusal(f"“{name[:100]}” cannot be sent as a header: its name or value has forbidden characters")
            if name.lower() in OURS:
                continue
            for same in [n for n in headers if n.lower() == name.lower()]:
                del headers[same]
            headers[name] = text
        known = {name.lower() for name in headers}
        for name, text in (("Accept", "application/json, text/*;q=0.9, */*;q=0.8"), ("User-Agent", self._agent)):
            if name.lower() not in known:
                headers[name] = text
        return headers | {"Accept-Encoding": "gzip, deflate", "Idempotency-Key": key}

    def _signed(self, asked: Asked) -> Asked:
        """Return the message with the name and password of its address as a header."""
        url = asked.url
        if not url.userinfo:
            return asked
        headers = dict(asked.headers)
        if "authorization" not in {name.lower() for name in headers}:
            pair = f"{unquote(url.username or '')}:{unquote(url.password or '')}".encode()
            headers["Authorization"] = "Basic " + base64.b64encode(pair).decode()
        return replace(asked, url=url.copy_with(username=None, password=None), headers=headers)


def arguments_by_name(tool: str, parameters: Sequence[str], given: Value) -> dict[str, Value]:
    """Return a tool's arguments by name; those of a tool without parameters are its body, under "".

    Raises AttemptFailed for too many, or for a name it does not have.
    """
    if isinstance(given, dict):
        if unknown := [name for name in given if parameters and name not in parameters]:
            raise refusal(f"{tool} has no parameter {unknown[0]}; it has {', '.join(parameters)}", "tool")
        return given
    values = given if isinstance(given, list) else []
    names = parameters or [""]
    if len(values) > len(names):
        raise refusal(f"{tool} takes {len(names)} argument{'s' * (len(names) != 1)} and is given {len(values)}", "tool")
    return dict(zip(names, values, strict=False))


def quoted(tool: str, parameter: str, value: Value) -> str:
    """Return an argument for its place in a tool's address. Raises AttemptFailed for one that would move the rest."""
    text = to_text(value)
    if text in (".", ".."):
        raise refusal(f"{parameter} of {tool} cannot be “{text}”: it would name another address", "tool")
    return quote(text, safe="")


def write_body(body: Value, kind: Value, headers: dict[str, str]) -> bytes | None:
    """Return a body as bytes, naming its type in the headers where they do not. Raises AttemptFailed.

    A text is sent as it is, everything else as JSON, an object as a form where the headers or `kind` say so.
    """
    if body is None or body == {}:
        return None
    named = next((v.lower() for k, v in headers.items() if k.lower() == "content-type"), "")
    if isinstance(body, dict) and (kind == "form" or named.startswith("application/x-www-form-urlencoded")):
        headers.setdefault("Content-Type", "application/x-www-form-urlencoded") if not named else None
        return urlencode({k: _form_value(v) for k, v in body.items() if v is not None}, doseq=True).encode()
    if isinstance(body, str) and kind != "json":
        if not named:
            headers["Content-Type"] = "application/json" if _is_json(body) else "text/plain; charset=utf-8"
        return body.encode("utf-8", "replace")
    if not named:
        headers["Content-Type"] = "application/json"
    try:
        return json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    except ValueError:  # not finite, or half of a character
        raise refusal("the body of the request cannot be written as JSON") from None


def _form_value(value: Value) -> str | list[str]:
    return [to_text(item) for item in value] if isinstance(value, list) else to_text(value)


def _is_json(text: str) -> bool:
    if not re.match(r"\s*[\[{]", text):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
