"""The text of mails: who gets them, what is their subject, and templates with places for values. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape

from engine.errors import ScriptError
from engine.values import Value, to_text

SUBJECT_CHARACTERS_MAX = 200  # of a subject that is the first line of a text
_SEPARATOR = re.compile(r'[,;](?=(?:[^"]*"[^"]*")*[^"]*$)')  # not inside the quotes of a name
_HTML = re.compile(r"\s*<(?:!doctype|html|head|body|div|p|table|h[1-6]|br|ul|ol|span|b|strong|center)\b[^>]*>", re.I)
_SUBJECT = re.compile(r"\s*Subject\s*:\s*", re.IGNORECASE)
_PLACE = re.compile(r"\{\{\s*([^\W\d][\w.]*)\s*\}\}|\$\{\s*([^\W\d][\w.]*)\s*\}")


def recipients_of(values: Sequence[Value]) -> list[str]:
    """Return the recipients that texts and lists name, each once, in order; a text may name several, with commas
    between them. Raises ScriptError for what is no text."""
    found: dict[str, None] = {}
    for value in values:
        if isinstance(value, list):
            found.update(dict.fromkeys(recipients_of(value)))
        elif isinstance(value, str):
            found.update(dict.fromkeys(part.strip() for part in _SEPARATOR.split(value) if part.strip()))
        elif value is not None:
            raise ScriptError(f"{to_text(value)[:80]} is no mail address", "mail")
    return list(found)


def files_of(values: Sequence[Value]) -> list[str]:
    """Return the names of files that texts and lists hold; of an object its url, path or name."""
    found: list[str] = []
    for value in values:
        if isinstance(value, list):
            found += files_of(value)
        elif isinstance(value, dict):
            found += files_of([next((value[key] for key in ("url", "path", "name") if value.get(key)), None)])
        elif text := to_text(value).strip():
            found.append(text)
    return found


def subject_and_body(text: str) -> tuple[str, str]:
    """Return the first line of a text as a subject, and the rest of it; a single line is both."""
    first, _, rest = text.strip("\r\n").partition("\n")
    subject = " ".join(_SUBJECT.sub("", first, count=1).split())
    if len(subject) > SUBJECT_CHARACTERS_MAX:
        return subject[:SUBJECT_CHARACTERS_MAX].rstrip() + "…", text
    return subject, rest.lstrip("\r\n") or subject


def is_html(text: str) -> bool:
    """Tell whether a text is HTML: it begins with one of its tags."""
    return _HTML.match(text) is not None


def is_template(text: str) -> bool:
    """Tell whether a text is a template itself, and not the name of one."""
    return "\n" in text or _PLACE.search(text) is not None


def filled(template: str, variables: Mapping[str, Value]) -> tuple[str, str]:
    """Return subject and body of a template with its places filled: `{{name}}` and `${name}`, also `{{a.b}}`.

    The subject is its line `Subject: …` at the top, else the variable of that name, else its first line. What is
    filled in cannot become a header, and is text in HTML too.
    """
    first, _, rest = template.lstrip("\ufeff\r\n").partition("\n")
    named = _SUBJECT.match(first)
    html = is_html(rest if named else template)
    if named:
        return " ".join(_fill(first[named.end() :], variables, html=False).split()), _fill(rest, variables, html=html)
    if (given := _variable("subject", variables)) not in (None, ""):
        return " ".join(to_text(given).split()), _fill(template, variables, html=html)
    if html:
        raise ScriptError("this template has no subject; begin it with a line Subject: …", "mail")
    subject, body = subject_and_body(template)
    return " ".join(_fill(subject, variables, html=False).split()), _fill(body, variables, html=False)


def _fill(text: str, variables: Mapping[str, Value], *, html: bool) -> str:
    def value_of(place: re.Match[str]) -> str:
        value = to_text(_variable(place[1] or place[2], variables))
        return escape(value) if html else value

    return _PLACE.sub(value_of, text)


def _variable(path: str, variables: Mapping[str, Value]) -> Value:
    """Return a variable, or a member of one; the case of its name does not count. NULL where there is none."""
    value: Value = dict(variables)
    for name in path.split("."):
        if not isinstance(value, dict):
            return None
        value = next((held for key, held in value.items() if key.lower() == name.lower()), None)
    return value
