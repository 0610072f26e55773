"""A mail request as a message: its addresses checked, its headers safe, its attachments from one folder only.

Everything here may read files, so it runs in a thread. What is wrong is an Unmailable with a sentence.
"""

from __future__ import annotations

import mimetypes
import os
import re
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from html.parser import HTMLParser
from pathlib import Path

from engine.errors import ScriptError
from engine.mail_text import filled, is_html
from engine.values import Value

ADDRESS_CHARACTERS_MAX = 254
LOCAL_CHARACTERS_MAX = 64
RECIPIENTS_MAX = 500
SUBJECT_CHARACTERS_MAX = 900
TEMPLATE_BYTES_MAX = 1_000_000
TEMPLATE_SUFFIXES = ("", ".html", ".txt", ".md")

_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")
_NAMED = re.compile(r"([^<>]*)<([^<>\s]+)>")
_LOCAL = re.compile(r"[^\s\x00-\x20\x7f<>()\[\],;:\\\"@]+")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.IGNORECASE)


class Unmailable(Exception):
    """This request makes no mail; the message is a sentence for the script's author."""


class NoTemplate(Exception):
    """There is no file of the template's name."""


@dataclass(frozen=True, slots=True)
class Folders:
    """Where files of mails come from; None where nothing may. `bytes_max` is the limit of all attachments of one."""

    attachments: Path | None
    templates: Path | None
    bytes_max: int


@dataclass(frozen=True, slots=True)
class Mail:
    """A message, and to whom it really goes: the hidden recipients are not in its headers."""

    message: EmailMessage
    sender: str
    recipients: tuple[str, ...]


def compose(key: str, created_at: datetime, payload: Mapping[str, Value], sender: str, folders: Folders) -> Mail:
    """Return the message of a request. The same request makes the same Message-ID and Date in every attempt.

    Raises Unmailable, NoTemplate, and OSError for a folder that cannot be read.
    """
    subject, body = _texts(payload, folders.templates)
    origin = address_of(sender)
    to, cc, bcc = (_addresses(payload.get(name)) for name in ("to", "cc", "bcc"))
    everybody = tuple(dict.fromkeys(address.addr_spec for address in (*to, *cc, *bcc)))
    if not everybody:
        raise Unmailable("this mail has no recipient")
    if len(everybody) > RECIPIENTS_MAX:
        raise Unmailable(f"this mail has {len(everybody)} recipients; {RECIPIENTS_MAX} is the most")
    message = EmailMessage(policy=SMTP)
    message["From"] = origin
    if to:
        message["To"] = to
    if cc:
        message["Cc"] = cc
    message["Subject"] = _one_line(subject)[:SUBJECT_CHARACTERS_MAX]
    message["Date"] = format_datetime(created_at)
    message["Message-ID"] = message_id(key, origin)
    if is_html(body) or payload.get("html") is True:
        message.set_content(text_of_html(body))
        message.add_alternative(body, subtype="html")
    else:
        message.set_content(body)
    names = payload.get("attachments")
    _attach(message, [str(name) for name in names] if isinstance(names, list) else [], folders)
    return Mail(message, origin.addr_spec, everybody)


def message_id(key: str, sender: Address) -> str:
    """Return the Message-ID of a request: its stable key at the sender's domain."""
    return f"<{key}@{sender.domain}>"


def _texts(payload: Mapping[str, Value], templates: Path | None) -> tuple[str, str]:
    """Return subject and body. Raises Unmailable and NoTemplate."""
    name = payload.get("template")
    if not isinstance(name, str):
        return str(payload.get("subject") or ""), str(payload.get("body") or "")
    variables = payload.get("variables")
    try:
        return filled(_read_template(name, templates), variables if isinstance(variables, dict) else {})
    except ScriptError as error:
        raise Unmailable(f"the template “{_shown(name)}”: {error.message}") from None


def _one_line(text: str) -> str:
    return " ".join(_CONTROL.sub(" ", text).split())


def _shown(text: str) -> str:
    """Return a user's text as a sentence may show it."""
    line = _one_line(text)
    return line if len(line) <= 100 else line[:100] + "…"


# ── addresses ──────────────────────────────────────────────────────────────────────────────────────


def address_of(text: str) -> Address:
    """Return a mail address, maybe with a name: `Ana <ana@example.com>`; a domain in other letters as DNS has it.
    Raises Unmailable."""
    if _CONTROL.search(text):
        raise Unmailable(f"“{_shown(text)}” is no mail address: it has more than one line")
    named = _NAMED.fullmatch(text.strip())
    name, address = (named[1].strip().strip('"').strip(), named[2]) if named else ("", text.strip())
    local, at, domain = address.rpartition("@")
    try:
        domain = domain.encode("idna").decode()
    except UnicodeError:
        domain = ""
    labels = domain.split(".")
    wrong = not at or not _LOCAL.fullmatch(local) or len(local) > LOCAL_CHARACTERS_MAX
    wrong = wrong or local.startswith((".", "-")) or local.endswith(".") or ".." in local
    if wrong or not all(_LABEL.fullmatch(label) for label in labels) or len(address) > ADDRESS_CHARACTERS_MAX:
        raise Unmailable(f"“{_shown(text)}” is no mail address; one is ana@example.com")
    return Address(name, local, domain)


def _addresses(value: Value) -> list[Address]:
    several = value if isinstance(value, list) else [value] if value else []
    return [address_of(one if isinstance(one, str) else str(one)) for one in several]


# ── files ──────────────────────────────────────────────────────────────────────────────────────────


def _attach(message: EmailMessage, names: Sequence[str], folders: Folders) -> None:
    left = folders.bytes_max
    for name in names:
        if folders.attachments is None:
            raise Unmailable(
                f"“{_shown(name)}” cannot be attached: mail.attachments_directory names no folder for attachments"
            )
        path = _inside(folders.attachments, name)
        if path is None:
            raise Unmailable(f"“{_shown(name)}” cannot be attached: there is no such file in the folder of attachments")
        data = _read(path, left)
        if data is None:
            raise Unmailable(f"the attachments of this mail are larger than {folders.bytes_max:,} bytes together")
        left -= len(data)
        kind, encoding = mimetypes.guess_type(path.name)
        main, _, sub = (kind if kind and not encoding else "application/octet-stream").partition("/")
        message.add_attachment(data, maintype=main, subtype=sub, filename=_one_line(path.name))


def _read_template(name: str, folder: Path | None) -> str:
    """Return a template's text. Raises NoTemplate, Unmailable."""
    for suffix in TEMPLATE_SUFFIXES if folder is not None else ():
        path = _inside(folder, name + suffix) if folder is not None else None
        if path is not None:
            data = _read(path, TEMPLATE_BYTES_MAX)
            if data is None:
                raise Unmailable(f"the template “{_shown(name)}” is larger than {TEMPLATE_BYTES_MAX:,} bytes")
            try:
                return data.decode()
            except UnicodeDecodeError:
                raise Unmailable(f"the template “{_shown(name)}” is not UTF-8 text") from None
    raise NoTemplate(name)


def _inside(folder: Path, name: str) -> Path | None:
    """Return a regular file of the folder or of one below it, links followed; None for everything else."""
    if not name.strip() or "\0" in name or "://" in name:
        return None
    try:
        root = folder.resolve(strict=True)
        path = (root / name).resolve(strict=True)
        regular = stat.S_ISREG(path.stat().st_mode)
    except (OSError, RuntimeError, ValueError):
        return None
    return path if regular and path.is_relative_to(root) else None


def _read(path: Path, bytes_max: int) -> bytes | None:
    """Return a file's bytes, or None where they are more. A link that was put in its place meanwhile is refused."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            data = file.read(bytes_max + 1)
    except OSError as error:
        raise Unmailable(f"the file “{_shown(path.name)}” cannot be read ({error.strerror})") from None
    return data if len(data) <= bytes_max else None


# ── HTML ───────────────────────────────────────────────────────────────────────────────────────────


class _Text(HTMLParser):
    """Collects what a reader of plain text is to see."""

    BREAKS = frozenset({"br", "p", "div", "tr", "li", "h1", "h2", "h3", "h4", "h5", "h6", "table", "ul", "ol"})
    HIDDEN = frozenset({"style", "script", "head", "title"})

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.hidden = 0
        self.link = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.hidden += tag in self.HIDDEN
        if tag in self.BREAKS:
            self.parts.append("\n")
        if tag == "a":
            self.link = dict(attrs).get("href") or ""

    def handle_endtag(self, tag: str) -> None:
        self.hidden = max(0, self.hidden - (tag in self.HIDDEN))
        if tag in self.BREAKS:
            self.parts.append("\n")
        if tag == "a" and self.link.startswith(("http:", "https:")):
            self.parts.append(f" ({self.link})")

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.parts.append(re.sub(r"\s+", " ", data))


def text_of_html(html: str) -> str:
    """Return the text of an HTML body, for readers who show none."""
    parser = _Text()
    parser.feed(html)
    parser.close()
    lines = [" ".join(line.split()) for line in "".join(parser.parts).split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"
