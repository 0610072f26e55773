"""POST, PUT, PATCH, DELETE HTTP, GRAPHQL, CALL of an address, and the headers that go with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from engine.effects import Keep
from engine.errors import ScriptError
from engine.events import RequestCompleted, TimedOut
from engine.expressions import Expression
from engine.steps import Here, Misuse, Move, Next, Parsed, Resumed, Step, Target, Written
from engine.values import Value, show, to_text
from engine.web_requests import (
    HEADERS,
    Pair,
    ask_web,
    header_name,
    header_pair,
    header_values,
    is_address,
    kept_headers,
    pair_of,
    timeout_of,
    timeout_seconds,
    too_late,
    with_header,
)


@dataclass(frozen=True, slots=True)
class Post(Step):
    """Send data to the web: `POST url, data`, `x = POST url, data`, also PUT and PATCH, `POST url WITH k AS v, …`,
    `… HEADERS object`, `… TIMEOUT n [SECONDS]`.

    The answer is `{status, statusText, headers, data}`, whatever its status; a member that it lacks is looked up in
    its data, so `answer.id` is `answer.data.id`. An object or a list is sent as JSON (as a form where the header
    Content-Type says so), a text as it is. `/path` stands behind the configured base. docs/http.md says what is tried
    again and under which key.

    ```basic
    order = POST "/orders", { "item": "tea" }
    TALK "Order ${order.id}: ${order.status} ${order.statusText}"
    changed = PATCH "/orders/${order.id}" WITH count = 2
    IF changed.status <> 200 THEN TALK "Not changed: ${changed.error}"
    ```
    ```chat
    given http POST /orders answers 201 {"id": 7}
    given http PATCH /orders/7 answers 409 {"error": "it is packed already"}
    asks http POST /orders {"item": "tea"}
    bot: Order 7: 201 Created
    asks http PATCH /orders/7 {"count": 2}
    bot: Not changed: it is packed already
    ```
    """

    method: str
    url: Expression
    body: Expression | None
    pairs: tuple[Pair, ...]
    headers: Expression | None
    timeout: Expression | None
    unit_seconds: int
    into: Target | None

    HEADS: ClassVar[tuple[str, ...]] = ("POST", "PUT", "PATCH")
    GRAMMAR: ClassVar[str] = """
        post: "POST"i http_sending
            | "PUT"i http_sending -> put
            | "PATCH"i http_sending -> patch
        http_sending: expression ("," expression)* [http_with] http_clause*
        http_with: ("WITH"i | "DATA"i | "BODY"i) http_pair ("," http_pair)*
        http_pair: expression ["AS"i expression]
        ?http_clause: http_headers | http_timeout
        http_headers: "HEADERS"i expression
        http_timeout: "TIMEOUT"i expression [TIME_UNIT]
    """
    RESULT: ClassVar[bool] = True

    @classmethod
    def build(cls, written: Written) -> Self:
        return cls(written.place, written.parsed.rule.upper(), *sending(written.parsed), written.into)

    def run(self, here: Here) -> Move:
        seconds = timeout_seconds(here, self.timeout, self.unit_seconds)
        match here.why:
            case Resumed(event=RequestCompleted(value=value)):
                return here.into(self.into, value)
            case Resumed(event=TimedOut()):
                raise too_late(f"{self.method} {self.url.text}", seconds)
            case _:
                url, body = to_text(here.value(self.url)), sent_body(here, self.body, self.pairs)
                headers = here.value(self.headers) if self.headers else None
                return ask_web(here, self.method, url, body=body, envelope=True, headers=headers, seconds=seconds)


@dataclass(frozen=True, slots=True)
class DeleteHttp(Step):
    """Delete what an address names: `DELETE HTTP url`, `x = DELETE HTTP url[, data]`.

    The answer is `{status, statusText, headers, data}`, as of POST.

    ```basic
    gone = DELETE HTTP "https://api.example.com/orders/7"
    TALK gone.status
    ```
    ```chat
    given http DELETE https://api.example.com/orders/7 answers 204
    bot: 204
    ```
    """

    url: Expression
    body: Expression | None
    pairs: tuple[Pair, ...]
    headers: Expression | None
    timeout: Expression | None
    unit_seconds: int
    into: Target | None

    HEADS: ClassVar[tuple[str, ...]] = ("DELETE HTTP",)
    GRAMMAR: ClassVar[str] = """
        delete_http: "DELETE"i "HTTP"i http_sending
    """
    RESULT: ClassVar[bool] = True

    @classmethod
    def build(cls, written: Written) -> Self:
        return cls(written.place, *sending(written.parsed), written.into)

    def run(self, here: Here) -> Move:
        seconds = timeout_seconds(here, self.timeout, self.unit_seconds)
        match here.why:
            case Resumed(event=RequestCompleted(value=value)):
                return here.into(self.into, value)
            case Resumed(event=TimedOut()):
                raise too_late(f"DELETE HTTP {self.url.text}", seconds)
            case _:
                url, body = to_text(here.value(self.url)), sent_body(here, self.body, self.pairs)
                headers = here.value(self.headers) if self.headers else None
                return ask_web(here, "DELETE", url, body=body, envelope=True, headers=headers, seconds=seconds)


@dataclass(frozen=True, slots=True)
class Graphql(Step):
    """Ask a GraphQL endpoint: `x = GRAPHQL url, query[, variables]`, `… WITH k AS v, …`.

    The answer is `{status, statusText, headers, data}`, as of POST; its data is what the endpoint said:
    `{data, errors}`.

    ```basic
    answer = GRAPHQL "https://api.example.com/graphql", "query($id: ID!) { user(id: $id) { name } }", { "id": 7 }
    TALK answer.data.data.user.name
    ```
    ```chat
    given http POST https://api.example.com/graphql answers {"data": {"user": {"name": "Ada"}}}
    bot: Ada
    ```
    """

    url: Expression
    query: Expression
    variables: Expression | None
    pairs: tuple[Pair, ...]
    headers: Expression | None
    timeout: Expression | None
    unit_seconds: int
    into: Target | None

    HEADS: ClassVar[tuple[str, ...]] = ("GRAPHQL",)
    GRAMMAR: ClassVar[str] = """
        graphql: "GRAPHQL"i http_sending
    """
    RESULT: ClassVar[bool] = True

    @classmethod
    def build(cls, written: Written) -> Self:
        part = _sending_part(written.parsed)
        given = part.expressions()
        if len(given) not in (2, 3):
            raise Misuse("GRAPHQL needs an address and a query", "GRAPHQL url, query[, variables]")
        variables, pairs = _with_of(part)
        variables = given[2] if len(given) == 3 else variables
        headers, timeout, unit = _clauses_of(part)
        return cls(written.place, given[0], given[1], variables, pairs, headers, timeout, unit, written.into)

    def run(self, here: Here) -> Move:
        seconds = timeout_seconds(here, self.timeout, self.unit_seconds)
        match here.why:
            case Resumed(event=RequestCompleted(value=value)):
                return here.into(self.into, value)
            case Resumed(event=TimedOut()):
                raise too_late(f"GRAPHQL {self.url.text}", seconds)
            case _:
                variables = sent_body(here, self.variables, self.pairs)
                body: Value = {"query": to_text(here.value(self.query)), "variables": variables or {}}
                url = to_text(here.value(self.url))
                headers = here.value(self.headers) if self.headers else None
                return ask_web(here, "POST", url, body=body, envelope=True, headers=headers, seconds=seconds)


@dataclass(frozen=True, slots=True)
class CallAddress(Step):
    """Call an address of the web: `x = CALL "https://…"[, body]`, `CALL "/path"[, body]`.

    GET without a body, POST with one. The value is the answer's body; a status that is no success is a script
    error. `/path` stands behind the configured base.

    ```basic
    rate = CALL "https://api.example.com/rate"
    total = CALL "/totals", { "items": [1, 2] }
    TALK "${rate.rate}, ${total}"
    ```
    ```chat
    given http GET https://api.example.com/rate answers {"rate": 5.25}
    given http POST /totals answers 3
    bot: 5.25, 3
    ```
    """

    url: Expression
    body: Expression | None
    into: Target | None

    @classmethod
    def build(cls, written: Written) -> Self:
        raise AssertionError("the compiler resolves calls by name")

    def run(self, here: Here) -> Move:
        match here.why:
            case Resumed(event=RequestCompleted(value=value)):
                return here.into(self.into, value)
            case _:
                url = to_text(here.value(self.url))
                if not is_address(url):
                    raise ScriptError(
                        f"CALL {self.url.text} should name what is called, and it is {show(url)}: an address begins "
                        "with https:// or /, and scripts and tools are called by the names they are written with.",
                        "call",
                    )
                body = here.value(self.body) if self.body is not None else None
                return ask_web(here, "GET" if self.body is None else "POST", url, body=body, envelope=False)


@dataclass(frozen=True, slots=True)
class SetHeader(Step):
    """Send a header with every HTTP request from here on: `SET HEADER k, v`, `k = v`, `k AS v`; NULL takes it away.
    `SET HEADERS object` sets several.

    ```basic
    SET HEADER "Authorization", "Bearer abc"
    SET HEADER Accept-Language = "pt"
    greeting = GET "https://api.example.com/greeting"
    TALK greeting
    ```
    ```chat
    given http GET https://api.example.com/greeting answers olá
    bot: olá
    ```
    """

    name: Expression
    value: Expression | None

    HEADS: ClassVar[tuple[str, ...]] = ("SET HEADER", "SET HEADERS")
    GRAMMAR: ClassVar[str] = """
        set_header: "SET"i "HEADER"i expression [("," | "AS"i) expression]
            | "SET"i "HEADERS"i expression [("," | "AS"i) expression] -> set_headers
    """

    @classmethod
    def build(cls, written: Written) -> Self:
        given = written.parsed.expressions()
        if written.parsed.rule == "set_headers" and len(given) == 1:
            return cls(written.place, given[0], None)
        name, value = header_pair(given)
        return cls(written.place, name, value)

    def run(self, here: Here) -> Move:
        if self.value is None:
            new = {**kept_headers(here), **header_values(here.value(self.name))}
        else:
            new = with_header(kept_headers(here), to_text(here.value(self.name)), here.value(self.value))
        return Next(effects=(Keep(HEADERS, dict(new) or None),))


@dataclass(frozen=True, slots=True)
class ClearHeaders(Step):
    """Send the headers of SET HEADER no more: `CLEAR HEADERS`, or one of them: `CLEAR HEADER k`.

    ```basic
    SET HEADER "X-Draft", "yes"
    CLEAR HEADERS
    answer = POST "https://api.example.com/notes", "hello"
    TALK answer.data
    ```
    ```chat
    given http POST https://api.example.com/notes answers taken
    bot: taken
    ```
    """

    name: Expression | None

    HEADS: ClassVar[tuple[str, ...]] = ("CLEAR HEADERS", "CLEAR HEADER")
    GRAMMAR: ClassVar[str] = """
        clear_headers: "CLEAR"i "HEADERS"i
            | "CLEAR"i "HEADER"i [expression]
    """

    @classmethod
    def build(cls, written: Written) -> Self:
        given = written.parsed.expressions()
        return cls(written.place, header_name(given[0]) if given else None)

    def run(self, here: Here) -> Move:
        left: dict[str, Value] = {}
        if self.name is not None:
            left = with_header(kept_headers(here), to_text(here.value(self.name)), None)
        return Next(effects=(Keep(HEADERS, dict(left) or None),))


# ── the parts of a statement that sends ──


def sending(
    parsed: Parsed,
) -> tuple[Expression, Expression | None, tuple[Pair, ...], Expression | None, Expression | None, int]:
    """Return address, body, pairs, headers, time-out and its unit of `url[, data[, headers]] [WITH …] …`."""
    part = _sending_part(parsed)
    url, *given = part.expressions()
    body, pairs = _with_of(part)
    headers, timeout, unit = _clauses_of(part)
    if len(given) > 2 or (given and (body or pairs)):
        raise Misuse("this takes an address and one value to send", "send several as an object: { a: 1, b: 2 }")
    body = given[0] if given else body
    headers = given[1] if len(given) == 2 else headers
    return url, body, pairs, headers, timeout, unit


def sent_body(here: Here, body: Expression | None, pairs: tuple[Pair, ...]) -> Value:
    """Return the value to send: an object of the pairs, or the one value."""
    if pairs:
        return {to_text(here.value(key)): here.value(value) for key, value in pairs}
    return here.value(body) if body is not None else None


def _sending_part(parsed: Parsed) -> Parsed:
    part = parsed.find("http_sending")
    assert part is not None, "the grammar has it"
    return part


def _with_of(part: Parsed) -> tuple[Expression | None, tuple[Pair, ...]]:
    """Return what WITH gives: one value, or pairs. Raises Misuse."""
    clause = part.find("http_with")
    if clause is None:
        return None, ()
    parts = [p for p in clause.parts if isinstance(p, Parsed)]
    pairs = [pair_of(p) for p in parts]
    if len(parts) == 1 and pairs[0] is None:
        return parts[0].expressions()[0], ()
    if any(pair is None for pair in pairs):
        raise Misuse("WITH needs a name for each of several values", "for example: WITH name AS n, age = 7")
    return None, tuple(pair for pair in pairs if pair is not None)


def _clauses_of(part: Parsed) -> tuple[Expression | None, Expression | None, int]:
    return (part.expression_of("http_headers"), *timeout_of(part))
