"""URL and UUID: names of the web."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from engine.answers.cleaning import plain
from engine.answers.outcomes import Accepted, Answer, as_text
from engine.answers.people import is_domain

URL_CHARS_MAX = 2_000

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_UUID = re.compile(r"([0-9a-f]{8})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{12})")


def check_url(answer: Answer) -> Accepted | None:
    """Accept an http or https address without a password in it; `https://` is added where no scheme is."""
    text = answer.raw if answer.raw.isprintable() and " " not in answer.raw else ""
    if not text or "\\" in text:
        return None
    if not _SCHEME.match(text):
        text = "https://" + text.removeprefix("//")
    try:
        parts = urlsplit(text)
        host, port = plain(parts.hostname or "").lower().rstrip("."), parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or "@" in parts.netloc or not _is_host(host):
        return None
    netloc = f"[{host}]" if ":" in host else host
    netloc += "" if port is None else f":{port}"
    url = parts._replace(netloc=netloc).geturl()
    return as_text(url if len(url) <= URL_CHARS_MAX else None)


def _is_host(host: str) -> bool:
    # Host names have no underscores (RFC 1123), but the web has hosts with them.
    if host == "localhost" or is_domain(host.replace("_", "-").strip("-")):
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def check_uuid(answer: Answer) -> Accepted | None:
    """Accept a UUID with or without hyphens, braces and `urn:uuid:`; the value is RFC 9562's, lower case."""
    text = answer.text.lower().removeprefix("urn:uuid:")
    if text.startswith("{") and text.endswith("}"):
        text = text[1:-1]
    match = _UUID.fullmatch(text)
    return as_text("-".join(match.groups()) if match else None)
