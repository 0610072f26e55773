"""SEND MAIL and BEGIN MAIL: mails, performed after the commit under a stable key."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from engine.events import RequestCompleted
from engine.expressions import Expression
from engine.mail_requests import Envelope, clauses_of, first, mail_request, text_of, values_of
from engine.mail_text import files_of, recipients_of, subject_and_body
from engine.steps import NEXT, Here, Misuse, Move, Resumed, Step, Target, Written
from engine.values import Value, to_text

_HEADER = re.compile(r"\s*(to|cc|bcc|subject|attachments?|account)\s*:[ \t]*", re.IGNORECASE)

# Clauses of all statements of mail. A variable may be called `to`, `attachment`, …: then no operand follows it.
_OPERAND = r"""(?=[ ]+(?:["(\[]|(?!(?:AND|OR|MOD|IS|IN|LIKE|CONTAINS|USING|SUBJECT|BODY|CC|BCC)(?!\w))[^\W\d]))"""
CLAUSES = rf"""
        _MAIL_TO.3: /TO{_OPERAND}/i
        MAIL_ATTACHMENT.3: /ATTACHMENTS?{_OPERAND}/i
        _mail_more: "," expression | _mail_clause | "," mail_attachment
        _mail_clause: mail_subject | mail_body | mail_cc | mail_bcc | mail_using | mail_attachment
        mail_subject: "SUBJECT"i expression
        mail_body: "BODY"i expression
        mail_cc: "CC"i expression
        mail_bcc: "BCC"i expression
        mail_using: "USING"i expression
        mail_attachment: MAIL_ATTACHMENT expression
"""


@dataclass(frozen=True, slots=True)
class SendMail(Step):
    """Send a mail: `SEND MAIL to, subject, body[, attachments …]`, also spelled SEND EMAIL.

    Also by name: `SEND MAIL TO a SUBJECT s BODY b`, with `CC`, `BCC`, `ATTACHMENT file` and `USING "account"`. With two
    arguments, `SEND EMAIL to, text`, the first line of the text is the subject. Recipients are a text, with commas
    between several, or a list. A body that begins with a tag is HTML. Attachments come from the folder that
    the configuration names. `x = SEND MAIL …` gives `sent`, `message_id` and, by address, who was `refused`.

    The script waits until the mail is handed over. Every attempt has the same Message-ID. A mail that the server
    refuses is a script error.

    ```basic
    HEAR address AS EMAIL
    SEND MAIL address, "Your order", "It is on its way."
    TALK "Look into your inbox"
    ```
    ```chat
    given mail answers {"sent": true}
    user: ana@example.com
    asks mail ana@example.com: Your order
    | It is on its way.
    bot: Look into your inbox
    ```
    """

    to: tuple[Expression, ...]
    cc: tuple[Expression, ...]
    bcc: tuple[Expression, ...]
    subject: Expression | None
    body: Expression | None
    attachments: tuple[Expression, ...]
    account: Expression | None
    into: Target | None

    HEADS: ClassVar[tuple[str, ...]] = ("SEND MAIL", "SEND EMAIL")
    GRAMMAR: ClassVar[str] = f"""
        send_mail: "SEND"i ("MAIL"i | "EMAIL"i) _MAIL_TO? expression _mail_more*
        {CLAUSES}
    """
    RESULT: ClassVar[bool] = True

    @classmethod
    def build(cls, written: Written) -> Self:
        named = clauses_of(written.parsed)
        plain = list(written.parsed.expressions())
        subject, body = first(named, "mail_subject"), first(named, "mail_body")
        if subject is not None:
            to, rest = plain, []
        else:
            to, rest = plain[:1], plain[1:]
            subject = rest.pop(0) if len(rest) > 1 or (rest and body is not None) else None
            body = body or (rest.pop(0) if rest else None)
        if subject is None and body is None:
            raise Misuse("this mail has neither subject nor text", "SEND MAIL to, subject, body")
        return cls(
            written.place,
            tuple(to),
            tuple(named.get("mail_cc", ())),
            tuple(named.get("mail_bcc", ())),
            subject,
            body,
            (*rest, *named.get("mail_attachment", ())),
            first(named, "mail_using"),
            written.into,
        )

    def run(self, here: Here) -> Move:
        match here.why:
            case Resumed(event=RequestCompleted(value=value)):
                return here.into(self.into, value)
        envelope = Envelope(
            recipients_of(values_of(here, self.to)),
            recipients_of(values_of(here, self.cc)),
            recipients_of(values_of(here, self.bcc)),
            files_of(values_of(here, self.attachments)),
            text_of(here, self.account) or None,
        )
        subject, body = text_of(here, self.subject), text_of(here, self.body)
        if self.subject is None:
            subject, body = subject_and_body(body)
        return mail_request(envelope, subject, body)


@dataclass(frozen=True, slots=True)
class BeginMail(Step):
    """Send the lines that follow as a mail: `BEGIN MAIL to` … `END MAIL`, with `${expression}` in them.

    Lines `Subject: …`, `Cc: …`, `Bcc: …`, `To: …`, `Attachment: …` and `Account: …` at the top belong to the mail's
    head. Without a subject the first line is it. What a value brings stays in its line: it cannot add recipients.

    ```basic
    name = "Ana"
    BEGIN MAIL "ana@example.com"
    Subject: Welcome, ${name}

    Dear ${name},
    good to have you here.
    END MAIL
    ```
    ```chat
    given mail answers {"sent": true}
    asks mail ana@example.com: Welcome, Ana
    | Dear Ana,
    | good to have you here.
    ```
    """

    to: tuple[Expression, ...]
    headers: tuple[str, ...]
    values: tuple[Expression, ...]
    body: Expression

    HEADS: ClassVar[tuple[str, ...]] = ("BEGIN MAIL", "BEGIN EMAIL")
    GRAMMAR: ClassVar[str] = """
        begin_mail: "BEGIN"i ("MAIL"i | "EMAIL"i) _MAIL_TO? [expression ("," expression)*] [mail_using]
    """

    @classmethod
    def build(cls, written: Written) -> Self:
        assert written.lines is not None, "the scanner closes every BEGIN block"
        node = written.lines.node
        assert isinstance(node, ast.Call), "a block is its lines, with line ends between them"
        lines = list(node.args[::2])
        headers: list[tuple[str, Expression]] = []
        named = written.parsed.expression_of("mail_using")
        if named is not None:
            headers.append(("account", named))
        while lines and is_blank(lines[0]):
            lines.pop(0)
        while lines and (header := header_of(lines[0])) is not None:
            line = lines.pop(0)
            headers.append((header[0], Expression("", header[1], line.lineno, line.col_offset)))
        while lines and is_blank(lines[0]):
            lines.pop(0)
        text = Expression(written.lines.text, joined(lines, node), node.lineno, node.col_offset)
        to = written.parsed.expressions()
        if not to and not any(name == "to" for name, _ in headers):
            raise Misuse("this mail has no recipient", 'BEGIN MAIL "ana@example.com"')
        return cls(written.place, to, tuple(name for name, _ in headers), tuple(value for _, value in headers), text)

    def run(self, here: Here) -> Move:
        if isinstance(here.why, Resumed):
            return NEXT
        said: dict[str, list[Value]] = {}
        for name, expression in zip(self.headers, self.values, strict=True):
            said.setdefault(name, []).append(here.value(expression))
        account = [to_text(value) for value in said.get("account", ())]
        envelope = Envelope(
            recipients_of([*values_of(here, self.to), *said.get("to", ())]),
            recipients_of(said.get("cc", [])),
            recipients_of(said.get("bcc", [])),
            files_of([part.strip() for value in said.get("attachment", ()) for part in to_text(value).split(",")]),
            account[0] if account else None,
        )
        body = to_text(here.value(self.body))
        if "subject" in said:
            return mail_request(envelope, to_text(said["subject"][0]), body)
        return mail_request(envelope, *subject_and_body(body))


def header_of(line: ast.expr) -> tuple[str, ast.expr] | None:
    """Return the name and the value of a line that belongs to a mail's head, or None. The name is what the author
    wrote, never what a value brings."""
    begin = line.args[0] if isinstance(line, ast.Call) and line.args else line
    text = begin.value if isinstance(begin, ast.Constant) else None
    match = _HEADER.match(text) if isinstance(text, str) else None
    if match is None or not isinstance(text, str):
        return None
    rest = ast.Constant(text[match.end() :])
    rest.lineno, rest.col_offset = line.lineno, line.col_offset
    name = match[1].lower().removesuffix("s")
    if not isinstance(line, ast.Call):
        return name, rest
    value = ast.Call(line.func, [rest, *line.args[1:]], [])
    value.lineno, value.col_offset = line.lineno, line.col_offset
    return name, value


def joined(lines: Sequence[ast.expr], block: ast.Call) -> ast.expr:
    """Return lines of a block as one text, as the whole block was."""
    parts: list[ast.expr] = []
    for line in lines:
        if parts:
            end = ast.Constant("\n")
            end.lineno, end.col_offset = line.lineno, line.col_offset
            parts.append(end)
        parts.append(line)
    text = ast.Call(block.func, parts, [])
    text.lineno, text.col_offset = block.lineno, block.col_offset
    return text


def is_blank(line: ast.expr) -> bool:
    """Tell whether a line of a block is empty."""
    return isinstance(line, ast.Constant) and not str(line.value).strip()
