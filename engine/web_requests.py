"""What HTTP statements ask: the payload of a request of kind http, and the wait for its answer. Pure: the request is
performed after the commit, by whoever performs that kind."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta

from engine.effects import Request
from engine.errors import ScriptError
from engine.expressions import Expression
from engine.steps import Await, Here, Misuse, Parsed, unit_seconds
from engine.values import Value, show, to_number, to_text
from engine.waits import ForRequest

KIND = "http"
HEADERS = "headers"  # what the execution keeps them under
TIMEOUT_SECONDS_MAX = 31_536_000.0

_ADDRESS = re.compile(r"\s*(?:https?://|/(?!/))", re.IGNORECASE)
_HEADER_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")

# A name and its value, both as expressions.
Pair = tuple[Expression, Expression]


def is_address(text: str) -> bool:
    """Tell whether a text is an address of the web: `http(s)://…`, or `/path` below the configured base."""
    return _ADDRESS.match(text) is not None


def ask_web(
    here: Here,
    method: str,
    url: str,
    *,
    body: Value = None,
    envelope: bool,
    headers: Value = None,
    seconds: float | None = None,
) -> Await:
    """Return the move that asks an address and waits for its answer. Raises ScriptError."""
    if not url.strip():
        raise ScriptError(f"{method} needs an address, and this one is empty.", "http")
    all_headers = {**kept_headers(here), **header_values(headers)}
    payload: dict[str, Value] = {
        "method": method,
        "url": url.strip(),
        "headers": dict(all_headers),
        "body": body,
        "body_kind": body_kind(body, all_headers),
        "expect": "envelope" if envelope else "body",
    }
    deadline = None
    if seconds is not None:
        payload["timeout_seconds"] = seconds
        deadline = here.now + timedelta(seconds=seconds)
    return Await(ForRequest(KIND, deadline=deadline), (Request(KIND, payload, deadline=deadline),))


def body_kind(body: Value, headers: Mapping[str, Value]) -> Value:
    """Return how a body is written: a text as it is, an object as a form where the headers say so, else JSON."""
    if body is None:
        return None
    if isinstance(body, str):
        return "text"
    named = next((to_text(v) for k, v in headers.items() if k.lower() == "content-type"), "")
    is_form = named.lower().startswith("application/x-www-form-urlencoded")
    return "form" if is_form and isinstance(body, dict) else "json"


# ── headers ──


def kept_headers(here: Here) -> dict[str, Value]:
    """Return what SET HEADER has put aside."""
    kept = here.kept.get(HEADERS)
    return dict(kept) if isinstance(kept, dict) else {}


def with_header(headers: Mapping[str, Value], name: str, value: Value) -> dict[str, Value]:
    """Return headers with one set; their names have no case. NULL takes it away. Raises ScriptError."""
    name = name.strip().rstrip(":")
    text = to_text(value)
    if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name) or re.search(r"[\x00-\x08\x0a-\x1f\x7f]", text.strip()):
        raise ScriptError(f"{show(name)} cannot be a header: a header is one word and one line.", "http")
    rest = {k: v for k, v in headers.items() if k.lower() != name.lower()}
    return rest if value is None else {**rest, name: text.strip()}


def header_values(value: Value) -> dict[str, Value]:
    """Return the headers of a HEADERS clause. Raises ScriptError."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ScriptError(f'headers are an object, such as {{ "Accept": "text/csv" }}, not {show(value)}.', "http")
    headers: dict[str, Value] = {}
    for name, text in value.items():
        headers = with_header(headers, name, text)
    return headers


def header_name(key: Expression) -> Expression:
    """Return the key of a header: a bare word, also with hyphens, is the text that it is."""
    written = key.text.strip()
    if isinstance(key.node, ast.Name | ast.BinOp) and _HEADER_WORD.fullmatch(written):
        return _constant(key, written)
    return key


def header_pair(expressions: Sequence[Expression]) -> Pair:
    """Return name and value of `SET HEADER k, v`, `k = v` and `k AS v`. Raises Misuse."""
    if len(expressions) == 2:
        return header_name(expressions[0]), expressions[1]
    pair = equality(expressions[0])
    if pair is None:
        raise Misuse("SET HEADER needs a name and a value", 'for example: SET HEADER "Authorization", token')
    return header_name(pair[0]), pair[1]


def equality(expression: Expression) -> Pair | None:
    """Return both sides of `a = b`, or None for another expression."""
    match expression.node:
        case ast.Compare(left=left, ops=[ast.Eq()], comparators=[right]):
            first, _, second = expression.text.partition("=")
            return _part(expression, left, first), _part(expression, right, second)
        case _:
            return None


def pair_of(part: Parsed) -> Pair | None:
    """Return `k AS v` or `k = v` as a pair, its bare key as a text; None where the part is one value."""
    given = part.expressions()
    pair = (given[0], given[1]) if len(given) == 2 else equality(given[0])
    if pair is None:
        return None
    key, value = pair
    if isinstance(key.node, ast.Name):
        spelled = key.text.strip()
        key = _constant(key, spelled if spelled.lower() == key.node.id else key.node.id)
    return key, value


def _constant(like: Expression, text: str) -> Expression:
    node = ast.Constant(text)
    node.lineno, node.col_offset = like.line, like.column
    return Expression(like.text, node, like.line, like.column)


def _part(whole: Expression, node: ast.expr, text: str) -> Expression:
    return Expression(text.strip(), node, whole.line, whole.column)


# ── clauses ──


def timeout_of(parsed: Parsed) -> tuple[Expression | None, int]:
    """Return the length and the unit's seconds of a TIMEOUT clause."""
    clause = parsed.find("http_timeout")
    if clause is None:
        return None, 1
    return clause.expressions()[0], unit_seconds(clause.words()[0]) if clause.words() else 1


def timeout_seconds(here: Here, length: Expression | None, unit: int) -> float | None:
    """Return how long a statement may take in all, or None. Raises ScriptError."""
    if length is None:
        return None
    seconds = float(to_number(here.value(length))) * unit
    if not 0 < seconds <= TIMEOUT_SECONDS_MAX:
        raise ScriptError("TIMEOUT needs a length of time above 0, a year at most.")
    return seconds


def too_late(statement: str, seconds: float | None) -> ScriptError:
    """Return the error of a statement whose answer did not come in time."""
    return ScriptError(f"{statement} had no answer within {seconds or 0:g} seconds.", "timeout")
