"""The requests that mails become, and what their statements have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.effects import Request
from engine.errors import ScriptError
from engine.expressions import Expression
from engine.mail_text import is_html
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
    }
    return Await(ForRequest("mail"), effects=(Request("mail", payload),))


def values_of(here: Here, expressions: Sequence[Expression]) -> list[Value]:
    """Return the values of expressions. Raises ScriptError."""
    return [here.value(e) for e in expressions]


def text_of(here: Here, expression: Expression | None) -> str:
    """Return an expression's value as text; of none "". Raises ScriptError."""
    return "" if expression is None else to_text(here.value(expression))


def clauses_of(parsed: Parsed) -> dict[str, list[Expression]]:
    """Return the operands of a statement's clauses by the clause's rule. Raises Misuse for one that is there twice."""
    named: dict[str, list[Expression]] = {}
    for part in parsed.parts:
        if isinstance(part, Parsed):
            if part.rule in named and part.rule not in ("mail_attachment", "mail_cc", "mail_bcc"):
                raise Misuse(f"{part.rule.rpartition('_')[2].upper()} is there twice")
            named.setdefault(part.rule, []).extend(part.expressions())
    return named


def first(named: dict[str, list[Expression]], rule: str) -> Expression | None:
    """Return the operand of a clause, or None where it is absent."""
    return named[rule][0] if rule in named else None
