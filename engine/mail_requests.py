"""The requests that mails become, and what their statements have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.effects import Request
from engine.errors import ScriptError
from engine.expressions import Expression
from engine.mail_text import files_of, is_html, recipients_of
from engine.steps import Await, Here, Misuse, Move, Parsed
from engine.values import Value, to_text
from engine.waits import ForRequest


@dataclass(frozen=True, slots=True)
class Envelope:
    """What a statement says of a mail beside its subject and text, evaluated."""

    to: list[str]
    cc: list[str]
    bcc: list[str]
    attachments: list[str]
    account: str | None
    reply_to: str | None = None


def mail_request(envelope: Envelope, subject: str, body: str) -> Move:
    """Return the move that asks for a mail. Raises ScriptError where nobody would get it."""
    if not (envelope.to or envelope.cc or envelope.bcc):
        raise ScriptError("this mail has no recipient: its address is empty", "mail")
    payload: Value = {
        "to": list(envelope.to),
        "cc": list(envelope.cc),
        "bcc": list(envelope.bcc),
        "subject": " ".join(subject.split()),
        "body": body,
        "html": is_html(body),
        "attachments": list(envelope.attachments),
        "account": envelope.account,
        "reply_to": envelope.reply_to,
    }
    return Await(ForRequest("mail"), effects=(Request("mail", payload),))


def values_of(here: Here, expressions: Sequence[Expression]) -> list[Value]:
    """Return the values of expressions. Raises ScriptError."""
    return [here.value(e) for e in expressions]


def text_of(here: Here, expression: Expression | None) -> str:
    """Return an expression's value as text; of none "". Raises ScriptError."""
    return "" if expression is None else to_text(here.value(expression))


def mail_of_object(value: Value) -> Move:
    """Return the move that asks for the mail which an object describes. Raises ScriptError."""
    if not isinstance(value, dict):
        raise ScriptError("this mail has neither subject nor text: SEND MAIL to, subject, body", "mail")
    given = {key.lower(): member for key, member in value.items()}
    envelope = Envelope(
        recipients_of([given.get("to")]),
        recipients_of([given.get("cc")]),
        recipients_of([given.get("bcc")]),
        files_of([given.get("attachments") or given.get("attachment")]),
        to_text(given.get("account")) or None,
        to_text(given.get("from")) or None,
    )
    body = given.get("body", given.get("text", given.get("message")))
    return mail_request(envelope, to_text(given.get("subject")), to_text(body))


def clauses_of(parsed: Parsed) -> dict[str, list[Expression]]:
    """Return the operands of a statement's clauses by the clause's name in lower case. Raises Misuse for one that is
    there twice."""
    named: dict[str, list[Expression]] = {}
    for part in parsed.parts:
        if isinstance(part, Parsed):
            name = part.rule.partition("_")[2].removesuffix("__named")
            if name in named and name not in ("to", "attachment", "cc", "bcc"):
                raise Misuse(f"{name.upper()} is there twice")
            named.setdefault(name, []).extend(part.expressions())
    return named


def first(named: dict[str, list[Expression]], name: str) -> Expression | None:
    """Return the operand of a clause, or None where it is absent."""
    return named[name][0] if name in named else None
