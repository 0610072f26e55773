"""What a `.chat` file says of the world outside: what it answers (`given`), and what it must be asked (`asks`).

given http GET https://api.example.com/rate answers {"rate": 5.25}
given http POST /orders answers 201 {"id": 7}
given llm summary answers A short summary
given mail fails: the mailbox is full
given SEND FILE answers {"url": "https://example.com/f"}
given SEND SMS never answers
asks http POST /orders {"item": "tea"}
asks mail ana@example.com: Your order
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import cast
from urllib.parse import urlsplit

from engine.values import Value

KINDS = ("http", "llm", "mail", "mcp")
_VERB = re.compile(r'"(?:\\.|[^"\\])*"|\s(never\s+answers|answers(?=\s|$)|fails(?=\s*:|\s*$))', re.IGNORECASE)
_KEYWORD = re.compile(r"[^\W\da-z][^\Wa-z]*(?:\s+[^\W\da-z][^\Wa-z]*)*(?=\s|$)")
_STATUS = re.compile(r"([1-5]\d\d)(?:\s+(.*))?", re.DOTALL)
_METHOD = re.compile(r"(GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS|\*)(?:\s+|$)", re.IGNORECASE)
_LOOKS_LIKE_JSON = ("{", "[", '"')


class Unreadable(Exception):
    """A line that says nothing; the message is a sentence."""


@dataclass(frozen=True, slots=True)
class Given:
    """An answer of the world outside: to the requests of `kind` that `pattern` fits, or "" for all of them.

    `error` is why such a request fails; else `value` is its answer, of HTTP with `status`. `rows` is how many
    lines of the file it takes. One that is `never` answered is waited for until its deadline.
    """

    kind: str
    pattern: str
    value: Value = None
    status: int = 200
    error: str | None = None
    never: bool = False
    line: int = field(default=0, compare=False)
    rows: int = field(default=1, compare=False)


@dataclass(frozen=True, slots=True)
class Asks:
    """What the script asks the world: of HTTP method, address and body; of mail `to: subject` and the text."""

    kind: str
    text: str = ""
    line: int = field(default=0, compare=False)


# ── reading ────────────────────────────────────────────────────────────────────────────────────────


def read_given(text: str, line: int = 0) -> Given:
    """Return what a line says behind its word `given`. Raises Unreadable."""
    verb = next((m for m in _VERB.finditer(f" {text}") if m[1]), None)
    if verb is None:
        raise Unreadable('given needs answers or fails: given http GET /rate answers {"rate": 5}')
    kind, pattern = _kind(f" {text}"[: verb.start()].strip())
    rest = f" {text}"[verb.end() :].strip()
    rows = text.count("\n") + 1
    if verb[1].lower().startswith("never"):
        return Given(kind, pattern, never=True, line=line, rows=rows)
    if verb[1].lower() == "fails":
        error = " ".join(rest.removeprefix(":").split())
        return Given(kind, pattern, error=error or "refused", line=line, rows=rows)
    status = _STATUS.fullmatch(rest) if kind == "http" else None
    value = _value((status[2] or "") if status else rest)
    return Given(kind, pattern, value, int(status[1]) if status else 200, line=line, rows=rows)


def read_asks(text: str, line: int = 0) -> Asks:
    """Return what a line says behind its word `asks`. Raises Unreadable."""
    first, _, rest = text.partition("\n")
    keyword = _KEYWORD.match(first)
    kind = " ".join(keyword[0].split()) if keyword else _kind(first)[0]
    after = first[keyword.end() if keyword else len(kind) :].strip()
    return Asks(kind, f"{after}\n{rest}" if rest else after, line)


def _kind(text: str) -> tuple[str, str]:
    """Return the kind of request and the pattern that a text names."""
    keyword = _KEYWORD.match(text)
    if keyword:
        return " ".join(keyword[0].replace("_", " ").split()), _unquoted(text[keyword.end() :].strip())
    word, _, pattern = text.partition(" ")
    if word not in KINDS:
        some = ", ".join(KINDS)
        raise Unreadable(f"“{word}” is no kind of request; there are {some}, and keywords in upper case: SEND FILE")
    return word, _unquoted(pattern.strip())


def _unquoted(text: str) -> str:
    value = _value(text) if text.startswith('"') else None
    return value if isinstance(value, str) else text


def _value(text: str) -> Value:
    if not text:
        return None
    try:
        return cast(Value, json.loads(text))
    except ValueError as error:
        if text.startswith(_LOOKS_LIKE_JSON):
            raise Unreadable(f"this answer is no JSON: {error}") from None
        return text


# ── what fits what ─────────────────────────────────────────────────────────────────────────────────


def fits(given: Given, kind: str, payload: Mapping[str, Value]) -> bool:
    """Tell whether a given answers a request."""
    if given.kind != kind:
        return False
    asked = asked_of(kind, payload).text
    if kind == "http":
        method, url, _ = http_parts(asked)
        return _address_fits(given.pattern, method, url)
    return _like(f"*{given.pattern}*", asked)


def asks_agree(expected: Asks, actual: Asks) -> bool:
    """Tell whether what was asked is what the author wrote: what is not written down may be anything."""
    if expected.kind != actual.kind:
        return False
    match expected.kind:
        case "http":
            method, url, body = http_parts(expected.text)
            asked_method, asked_url, asked_body = http_parts(actual.text)
            address = f"{method} {url}".strip()
            return _address_fits(address, asked_method, asked_url) and body in ("", asked_body)
        case "mail":
            head, _, body = expected.text.partition("\n")
            asked_head, _, asked_body = actual.text.partition("\n")
            wanted = head if ": " in head else f"{head}*"
            return _like(wanted, asked_head) and (not body or _lines(body) == _lines(asked_body))
        case _:
            return _like(f"*{expected.text}*", actual.text)


def http_parts(text: str) -> tuple[str, str, str]:
    """Return method (or ""), address and body of an HTTP request as a line tells it; JSON in one spelling."""
    match = _METHOD.match(text)
    method, rest = (match[1].upper(), text[match.end() :]) if match else ("", text)
    address, _, body = rest.partition(" ")
    try:
        body = json.dumps(json.loads(body), ensure_ascii=False, sort_keys=True)
    except ValueError:
        body = body.strip()
    return method, address, body


def _address_fits(pattern: str, method: str, url: str) -> bool:
    wanted_method, wanted, _ = http_parts(pattern)
    if wanted_method not in ("", "*", method):
        return False
    parts = urlsplit(url)
    whole = url.partition("?")[0]
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    return not wanted or any(_like(wanted, candidate) for candidate in (url, whole, path, parts.path))


def _like(pattern: str, text: str) -> bool:
    """Tell whether a text is like a pattern, in which `*` stands for anything and blanks count once."""
    parts = [re.escape(" ".join(part.split())) for part in pattern.split("*")]
    return re.fullmatch(r"\s*.*\s*".join(parts), " ".join(text.split()), re.DOTALL) is not None


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.strip().split("\n")]


# ── what was asked, and what the world answers ─────────────────────────────────────────────────────


def asked_of(kind: str, payload: Mapping[str, Value]) -> Asks:
    """Return a request as a line of a conversation tells it."""
    match kind:
        case "http" if "tool" in payload:
            return Asks(kind, f"{_text(payload['tool'])} {_json(payload.get('arguments'))}")
        case "http":
            body = payload.get("body")
            told = "" if body is None else f" {body if isinstance(body, str) else _json(body)}"
            return Asks(kind, f"{_text(payload.get('method') or 'GET').upper()} {_text(payload.get('url'))}{told}")
        case "mail":
            subject = payload.get("subject") or payload.get("template")
            to = payload.get("to")
            who = ", ".join(map(_text, to)) if isinstance(to, list) else _text(to)
            return Asks(kind, f"{who}: {_text(subject)}\n{_text(payload.get('body'))}".rstrip())
        case "llm":
            messages = payload.get("messages")
            said = [m.get("content") for m in messages if isinstance(m, dict)] if isinstance(messages, list) else []
            texts = [*said, payload.get("prompt")]
            return Asks(kind, "\n".join(_text(text) for text in texts if text))
        case "mcp":
            return Asks(kind, f"{_text(payload.get('tool'))} {_json(payload.get('arguments'))}")
        case _:
            arguments = payload.get("arguments")
            everything: Value = {**payload}
            if not isinstance(arguments, list):
                return Asks(kind, _json(everything))
            rest: Value = {k: v for k, v in payload.items() if k not in ("arguments", "words", "keyword") and v}
            return Asks(kind, " ".join([", ".join(map(_json, arguments)), *([_json(rest)] if rest else [])]))


def _text(value: Value) -> str:
    return "" if value is None else value if isinstance(value, str) else _json(value)


def _json(value: Value) -> str:
    return json.dumps(value, ensure_ascii=False)


class GivenFailure(Exception):
    """A request fails, as the file says, or because the file says nothing of it (`missing`)."""

    def __init__(self, message: str, *, missing: bool = False) -> None:
        self.message = message
        self.missing = missing
        super().__init__(message)


class NeverAnswered(Exception):
    """A request has no answer, and never will."""


@dataclass(slots=True)
class Givens:
    """The answers that a conversation has for the world outside.

    Of several that fit a request the longest pattern answers; of several with the same pattern one after the
    other, and the last one repeats.
    """

    known: dict[tuple[str, str], list[Given]] = field(default_factory=dict)
    used: set[tuple[str, str]] = field(default_factory=set)

    def add(self, given: Given) -> None:
        """Know one more answer from now on."""
        self.known.setdefault((given.kind, given.pattern), []).append(given)

    def answer(self, kind: str, payload: Mapping[str, Value]) -> Value:
        """Return the answer to a request. Raises GivenFailure and NeverAnswered."""
        fitting = [key for key, several in self.known.items() if fits(several[0], kind, payload)]
        if not fitting:
            raise GivenFailure(_missing(kind, payload), missing=True)
        key = max(fitting, key=lambda k: len(k[1].replace("*", "")))
        several = self.known[key]
        if key in self.used and len(several) > 1:
            several.pop(0)
        self.used.add(key)
        if several[0].never:
            raise NeverAnswered
        if several[0].error is not None:
            raise GivenFailure(several[0].error)
        return _answer(several[0], payload)


def _answer(given: Given, payload: Mapping[str, Value]) -> Value:
    """Return a given answer in the shape that the performer of its kind gives."""
    value = given.value
    match given.kind:
        case "http":
            phrase = HTTPStatus(given.status).phrase if given.status in {s.value for s in HTTPStatus} else ""
            if payload.get("expect") == "envelope":
                return {"status": given.status, "statusText": phrase, "headers": {}, "data": value}
            if not 200 <= given.status < 300:
                method, url = _text(payload.get("method") or "GET").upper(), _text(payload.get("url"))
                raise GivenFailure(f"{method} {url} answered {given.status} {phrase}".rstrip())
            return value
        case "llm":
            if isinstance(value, dict) and ("content" in value or "tool_calls" in value):
                return {"content": "", "tool_calls": [], **value}
            return {"content": _text(value), "tool_calls": []}
        case "mail":
            return {"sent": True} if value is None else value
        case _:
            return value


def _missing(kind: str, payload: Mapping[str, Value]) -> str:
    """Return the sentence about a request that no line answers: which line to add."""
    if kind == "http":
        method, url, _ = http_parts(asked_of(kind, payload).text)
        what = " ".join(f"http {method} {url}".split())
    else:
        what = kind
    answer = "A short answer" if kind == "llm" else '{"sent": true}' if kind == "mail" else '{"id": 1}'
    return f"nothing here answers {what}; add a line above: given {what} answers {answer}"
