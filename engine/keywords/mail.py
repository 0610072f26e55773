"""SEND MAIL and BEGIN MAIL: mails, performed after the commit under a stable key."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from engine.events import RequestCompleted
from engine.expressions import Expression
from engine.mail_requests import Envelope, clauses_of, first, mail_of_object, mail_request, text_of, values_of
from engine.mail_text import files_of, recipients_of, subject_and_body
from engine.steps import NEXT, Here, Misuse, Move, Resumed, Step, Target, Written
from engine.values import Value, to_text

_HEADER = re.compile(r"\s*(to|cc|bcc|subject|attachments?|account)\s*:[ \t]*", re.IGNORECASE)

# Clauses of all statements of mail. A variable may be called `to`, `subject`, …: then no operand follows it. Where a
# clause cannot be told from a variable but by that (first, and behind a comma), its terminals and rules are others.
_OPERAND = r"""(?=[ ]+(?:["(\[]|(?!(?:AND|OR|MOD|IS|IN|LIKE|CONTAINS|USING|SUBJECT|BODY|CC|BCC)(?!\w))[^\W\d]))"""
CLAUSES = rf"""
        _MAIL_TO.3: /TO{_OPERAND}/i
        _MAIL_SUBJECT.3: /SUBJECT{_OPERAND}/i
        _MAIL_BODY.3: /(?:BODY|MESSAGE){_OPERAND}/i
        _MAIL_CC.3: /CC{_OPERAND}/i
        _MAIL_BCC.3: /BCC{_OPERAND}/i
        _MAIL_USING.3: /USING{_OPERAND}/i
        _MAIL_ATTACHMENT.3: /ATTACHMENTS?{_OPERAND}/i
        _mail_begin: _MAIL_TO? expression | mail_subject__named
        _mail_more: "," expression | "WITH"i? _mail_clause | "," _mail_named
        _mail_clause: mail_to | mail_subject | mail_body | mail_cc | mail_bcc | mail_using | mail_attachment | mail_from
        mail_to: "TO"i expression
        mail_subject: "SUBJECT"i expression
        mail_body: ("BODY"i | "MESSAGE"i) expression
        mail_cc: "CC"i expression
        mail_bcc: "BCC"i expression
        mail_using: "USING"i expression
        mail_from: "FROM"i expression
        mail_attachment: _MAIL_ATTACHMENT expression
        _mail_named: mail_subject__named | mail_body__named | mail_cc__named | mail_bcc__named | mail_using__named
            | mail_attachment
        mail_subject__named: _MAIL_SUBJECT expression
        mail_body__named: _MAIL_BODY expression
        mail_cc__named: _MAIL_CC expression
        mail_bcc__named: _MAIL_BCC expression
        mail_using__named: _MAIL_USING expression
"""


@dataclass(frozen=True, slots=True)
class SendMail(Step):
    """Send a mail: `SEND MAIL to, subject, body[, attachments …]`, also spelled SEND EMAIL.

    Also by name: `SEND MAIL TO a SUBJECT s BODY b`, with `CC`, `BCC`, `ATTACHMENT file`, `USING "account"` and `FROM
    address`, which answers go to: the sender is the account's. An object with these names as its keys will do as well.
    With two arguments, `SEND EMAIL to, text`, the first line of the text is the subject. Recipients are a text, with
    commas between several, or a list. A body that begins with a tag is HTML. Attachments come from the folder that
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
    reply_to: Expression | None
    into: Target | None

    HEADS: ClassVar[tuple[str, ...]] = ("SEND MAIL", "SEND EMAIL")
    GRAMMAR: ClassVar[str] = f"""
        send_mail: "SEND"i ("MAIL"i | "EMAIL"i) _mail_begin _mail_more*
        {CLAUSES}
    """
    RESULT: ClassVar[bool] = True

    @classmethod
    def build(cls, written: Written) -> Self:
        named = clauses_of(written.parsed)
        plain = list(written.parsed.expressions())
        subject, body = first(named, "subject"), first(named, "body")
        to = named.get("to", [])
        if subject is not None:
            to, rest = [*plain, *to], list[Expression]()
        else:
            to, rest = (to, plain) if to else (plain[:1], plain[1:])
            subject = rest.pop(0) if len(rest) > 1 or (rest and body is not None) else None
            body = body or (rest.pop(0) if rest else None)
        if subject is None and body is None and not is_object(to):
            raise Misuse("this mail has neither subject nor text", "SEND MAIL to, subject, body")
        return cls(
            written.place,
            tuple(to),
            tuple(named.get("cc", ())),
            tuple(named.get("bcc", ())),
            subject,
            body,
            (*rest, *named.get("attachment", ())),
            first(named, "using"),
            first(named, "from"),
            written.into,
        )

    def run(self, here: Here) -> Move:
        match here.why:
            case Resumed(event=RequestCompleted(value=value)):
                return here.into(self.into, value)
        to = values_of(here, self.to)
        if self.subject is None and self.body is None:
            return mail_of_object(to[0])
        envelope = Envelope(
            recipients_of(to),
            recipients_of(values_of(here, self.cc)),
            recipients_of(values_of(here, self.bcc)),
            files_of(values_of(here, self.attachments)),
            text_of(here, self.account) or None,
            text_of(here, self.reply_to) or None,
        )
        subject, body = text_of(here, self.subject), text_of(here, self.body)
        if self.subject is None:
            subject, body = subject_and_body(body)
        return mail_request(envelope, subject, body)


def is_object(expressions: Sequence[Expression]) -> bool:
    """Tell whether the only operand of a statement may be an object: it is one, or a variable."""
    match [e.node for e in expressions]:
        case [ast.Name()] | [ast.Call(func=ast.Name(id="$object"))]:
            return True
    return False


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
        to = values_of(here, self.to)
        if len(to) == 2 and "subject" not in said and isinstance(to[1], str) and "@" not in to[1]:
            said["subject"] = [to.pop()]
        envelope = Envelope(
            recipients_of([*to, *said.get("to", ())]),
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
