"""What comes back over HTTP, as a value: JSON parsed, text decoded, anything else as a data: address.

Every size is bounded while the bytes arrive, before and after they are unpacked: an answer may never end, and a
small one may unpack to gigabytes.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import zlib
from collections.abc import AsyncIterable, Iterable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from engine.errors import ScriptError
from engine.values import Value, check_value

# Above this many bytes an answer is read in a thread, so that its size stalls nobody.
INLINE_BYTES_MAX = 65_536
RETRY_AFTER_SECONDS_MAX = 86_400.0
BEGINNING_CHARACTERS_MAX = 300

_JSON_TYPE = re.compile(r"^(application|text)/([\w.-]+\+)?json$")
_TEXT_TYPE = re.compile(r"^text/|[/+](xml|javascript|ecmascript|x-www-form-urlencoded|yaml|x-yaml|x-ndjson|graphql)$")
_MAYBE_JSON_TYPE = frozenset({"", "text/plain", "text/javascript", "application/octet-stream"})


class AnswerRefused(Exception):
    """The answer cannot be taken: too large, packed in an unknown way, or no value of a variable."""


class Headers:
    """The headers of an answer: names in lower case, those of one name joined."""

    def __init__(self, raw: Iterable[tuple[bytes, bytes]]) -> None:
        self.values: dict[str, str] = {}
        for name, value in raw:
            key, text = name.decode("latin-1").lower(), value.decode("latin-1")
            self.values[key] = f"{self.values[key]}, {text}" if key in self.values else text

    def get(self, name: str) -> str:
        """Return a header's value, "" where it is absent."""
        return self.values.get(name, "")

    def media_type(self) -> str:
        """Return the type of the body without its parameters, in lower case."""
        return self.get("content-type").partition(";")[0].strip().lower()

    def charset(self) -> str:
        """Return the charset that the body's type names, or ""."""
        match = re.search(r"charset\s*=\s*[\"']?([\w.:-]+)", self.get("content-type"), re.IGNORECASE)
        return match[1] if match else ""


async def read_bytes(headers: Headers, stream: AsyncIterable[bytes], bytes_max: int) -> bytes:
    """Return the body, unpacked. Raises AnswerRefused as soon as it is larger than `bytes_max`."""
    too_large = AnswerRefused(f"is larger than {bytes_max:,} bytes (web.response_bytes_max)")
    length = headers.get("content-length")
    if length.isascii() and length.isdigit() and int(length[:20]) > bytes_max:
        raise too_large
    packed = headers.get("content-encoding").strip().lower()
    if packed not in ("", "identity", "gzip", "x-gzip", "deflate"):
        raise AnswerRefused(f"is packed as “{packed[:40]}”, which was not asked for")
    unpacker = _Unpacker(packed) if packed not in ("", "identity") else None
    received, body = 0, bytearray()
    async for chunk in stream:
        received += len(chunk)
        body += unpacker.feed(chunk, bytes_max + 1 - len(body)) if unpacker else chunk
        if received > bytes_max or len(body) > bytes_max:
            raise too_large
    if unpacker and received and not unpacker.whole:
        raise AnswerRefused("is packed, and ends in the middle")
    return bytes(body)


class _Unpacker:
    """Unpacks gzip and deflate within a limit; a deflate may come with or without its zlib header."""

    def __init__(self, packed: str) -> None:
        self._deflate = packed == "deflate"
        self._stream = zlib.decompressobj(zlib.MAX_WBITS if self._deflate else zlib.MAX_WBITS | 16)
        self._begun = False

    @property
    def whole(self) -> bool:
        """Whether the end has been seen."""
        return self._stream.eof

    def feed(self, chunk: bytes, bytes_max: int) -> bytes:
        """Return what a chunk unpacks to, of `bytes_max` bytes at most. Raises AnswerRefused."""
        begun, self._begun = self._begun, True
        try:
            return self._stream.decompress(chunk, bytes_max)
        except zlib.error:
            if begun or not self._deflate:
                raise AnswerRefused("is packed in a way that cannot be unpacked") from None
        self._stream = zlib.decompressobj(-zlib.MAX_WBITS)
        return self.feed(chunk, bytes_max)


async def read_value(headers: Headers, body: bytes) -> Value:
    """Return the value of a body. Raises AnswerRefused for one that no variable can hold."""
    if len(body) <= INLINE_BYTES_MAX:
        return _value_of(headers, body)
    return await asyncio.to_thread(_value_of, headers, body)


def _value_of(headers: Headers, body: bytes) -> Value:
    if not body:
        return None
    kind = headers.media_type()
    text = _text_of(headers, kind, body)
    if text is None:
        value: Value = f"data:{kind or 'application/octet-stream'};base64,{base64.b64encode(body).decode()}"
    elif _JSON_TYPE.match(kind):
        value = _json_of(text, declared=True)
    elif kind in _MAYBE_JSON_TYPE and text.lstrip()[:1] in ("{", "["):
        value = _json_of(text, declared=False)
    else:
        value = text
    try:
        return check_value(value)
    except ScriptError as error:
        raise AnswerRefused(f"is nothing that a variable can hold: {error.message}") from None


def _json_of(text: str, *, declared: bool) -> Value:
    """Return JSON as a value; what claims to be JSON and is not stays the text that it is."""
    try:
        value: Value = json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise AnswerRefused("is nested too deep") from None
    except ValueError as error:
        if "4300 digits" in str(error) or "integer string conversion" in str(error):
            raise AnswerRefused("holds a number of thousands of digits") from None
        return text
    return value


def _refuse_constant(name: str) -> Value:
    raise AnswerRefused(f"holds {name}, which is no number in JSON and none that a variable can hold")


def _text_of(headers: Headers, kind: str, body: bytes) -> str | None:
    """Return a body as text, or None where it is none."""
    textual = bool(_JSON_TYPE.match(kind) or _TEXT_TYPE.search(kind))
    charset = headers.charset()
    if charset and (textual or kind in _MAYBE_JSON_TYPE):
        try:
            return body.decode(charset, "replace").removeprefix("\ufeff")
        except (LookupError, UnicodeError):  # a charset nobody knows, or no charset at all (rot13)
            pass
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        return body.decode("cp1252", "replace") if textual else None
    return text if textual or (kind in _MAYBE_JSON_TYPE and "\0" not in text) else None


def reason_of(status: int, given: bytes) -> str:
    """Return the words beside a status: the server's own, else the usual ones."""
    text = re.sub(r"[^\x20-\x7e]", "", given.decode("latin-1")).strip()[:100]
    if text:
        return text
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def beginning_of(value: Value) -> str:
    """Return the beginning of an answer's body, for the sentence of an error; "" for an empty one."""
    text = value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False)
    text = " ".join(text.split())
    return text if len(text) <= BEGINNING_CHARACTERS_MAX else text[:BEGINNING_CHARACTERS_MAX] + "…"


def retry_after(headers: Headers) -> float | None:
    """Return after how many seconds the server asks to be asked again, at most a day; None where it does not say.

    A date is read against the server's own clock where it tells it (RFC 9110, 10.2.3).
    """
    text = headers.get("retry-after").strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), RETRY_AFTER_SECONDS_MAX)
    then = _date_of(text)
    if then is None:
        return None
    now = _date_of(headers.get("date")) or datetime.now(UTC)
    return min(max((then - now).total_seconds(), 0.0), RETRY_AFTER_SECONDS_MAX)


def _date_of(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
