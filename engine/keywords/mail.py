"""SEND MAIL, BEGIN MAIL, SEND TEMPLATE and CREATE DRAFT: mails, performed after the commit under a stable key."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar, Self

from engine.effects import Request
from engine.errors import ScriptError
from engine.events import RequestCompleted, TimedOut
from engine.expressions import Expression
from engine.mail_text import files_of, filled, is_html, is_template, recipients_of, subject_and_body
from engine.steps import NEXT, Await, Here, Misuse, Move, Parsed, Resumed, Step, Target, Written
from engine.values import Value, to_text
from engine.waits import ForRequest

_HEADER = re.compile(r"\s*(to|cc|bcc|subject|attachments?|account)\s*:[ \t]*", re.IGNORECASE)


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


# Clauses of all statements here. A variable may be called `to`, `attachment`, …: then no operand follows it.
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


@dataclass(frozen=True, slots=True)
class SendTemplate(Step):
    """Send a mail by a template: `SEND TEMPLATE name, to[, variables]`, or `SEND TEMPLATE name TO a WITH variables`.

    The template is a file of the folder that the configuration names (`name.txt`, `name.html`), or a text itself.
    `{{name}}` and `${name}` in it become the values of the variables, an object. Its first line may be
    `Subject: …`. Where there is no such file, or a recipient is no mail address, the statement is one for the bot
    server, like every other keyword.

    ```basic
    SEND TEMPLATE "welcome", "ana@example.com", { name: "Ana" }
    TALK "Sent"
    ```
    ```chat
    given mail welcome answers {"sent": true}
    bot: Sent
    ```
    """

    template: Expression
    to: tuple[Expression, ...]
    variables: Expression | None
    account: Expression | None
    into: Target | None

    HEADS: ClassVar[tuple[str, ...]] = ("SEND TEMPLATE", "SEND MAIL TEMPLATE", "SEND EMAIL TEMPLATE")
    GRAMMAR: ClassVar[str] = """
        send_template: "SEND"i ("MAIL"i | "EMAIL"i)? "TEMPLATE"i expression _template_more*
        _template_more: "," expression | template_to | template_with | mail_using
        template_to: "TO"i expression ("," expression)*
        template_with: ("WITH"i | "DATA"i) expression
    """
    RESULT: ClassVar[bool] = True

    @classmethod
    def build(cls, written: Written) -> Self:
        template, *rest = written.parsed.expressions()
        named = clauses_of(written.parsed)
        to = list(named.get("template_to", ()))
        variables = first(named, "template_with")
        if not to and rest:
            to = [rest.pop(0)]
        elif len(to) > 1 and variables is None:
            variables = to.pop()
        if not to:
            raise Misuse("this template goes to nobody", 'SEND TEMPLATE "welcome", to, variables')
        if variables is None and rest:
            variables = rest.pop(0)
        if rest:
            raise Misuse("SEND TEMPLATE takes a template, its recipients and an object of variables")
        return cls(written.place, template, tuple(to), variables, first(named, "mail_using"), written.into)

    def run(self, here: Here) -> Move:
        match here.why:
            case Resumed(event=RequestCompleted(value={"missing": "template"})):
                return self.ask_server(here)
            case Resumed(event=RequestCompleted(value=value)):
                return here.into(self.into, value)
            case Resumed(event=TimedOut()):
                raise unanswered("SEND TEMPLATE")
        to = recipients_of(values_of(here, self.to))
        template, variables = text_of(here, self.template), self.given(here)
        if any("@" not in who for who in to) or not template.strip():
            return self.ask_server(here)
        envelope = Envelope(to, [], [], [], text_of(here, self.account) or None)
        if is_template(template):
            return mail_request(envelope, *filled(template, variables))
        payload: Value = {"to": list(to), "template": template, "variables": variables, "account": envelope.account}
        return Await(ForRequest("mail"), effects=(Request("mail", payload),))

    def given(self, here: Here) -> dict[str, Value]:
        """Return the template's variables. Raises ScriptError."""
        value = here.value(self.variables) if self.variables else {}
        if not isinstance(value, dict | None):
            raise ScriptError('the variables of a template are an object: { name: "Ana" }', "mail")
        return value or {}

    def ask_server(self, here: Here) -> Move:
        """Return the move that leaves the statement to the bot server."""
        to = values_of(here, self.to)
        arguments = [here.value(self.template), *to, *([self.given(here)] if self.variables else [])]
        return ask_server(here, "SEND TEMPLATE", arguments, {})


@dataclass(frozen=True, slots=True)
class CreateDraft(Step):
    """Have the bot server put a mail among the drafts: `CREATE DRAFT to, subject, body[, attachments …]`.

    ```basic
    draft = CREATE DRAFT "ana@example.com", "Your offer", "Dear Ana …"
    TALK "Draft ${draft.id}"
    ```
    ```chat
    given CREATE DRAFT answers {"id": 7}
    bot: Draft 7
    ```
    """

    arguments: tuple[Expression, ...]
    clauses: tuple[tuple[str, tuple[Expression, ...]], ...]
    into: Target | None

    HEADS: ClassVar[tuple[str, ...]] = ("CREATE DRAFT",)
    GRAMMAR: ClassVar[str] = """
        create_draft: "CREATE"i "DRAFT"i _MAIL_TO? expression _mail_more*
    """
    RESULT: ClassVar[bool] = True

    @classmethod
    def build(cls, written: Written) -> Self:
        named = clauses_of(written.parsed)
        arguments = list(written.parsed.expressions())
        for rule in ("mail_subject", "mail_body"):
            arguments += named.pop(rule, [])
        arguments += named.pop("mail_attachment", [])
        clauses = tuple((rule.removeprefix("mail_").upper(), tuple(values)) for rule, values in named.items())
        return cls(written.place, tuple(arguments), clauses, written.into)

    def run(self, here: Here) -> Move:
        match here.why:
            case Resumed(event=RequestCompleted(value=value)):
                return here.into(self.into, value)
            case Resumed(event=TimedOut()):
                raise unanswered("CREATE DRAFT")
        clauses: dict[str, Value] = {name: values_of(here, values) for name, values in self.clauses}
        return ask_server(here, "CREATE DRAFT", values_of(here, self.arguments), clauses)


def ask_server(here: Here, words: str, arguments: list[Value], clauses: dict[str, Value]) -> Move:
    """Return the move that leaves a statement to the bot server, as every keyword that is none of ours."""
    deadline = here.now + timedelta(seconds=here.policy.keyword_seconds_max)
    payload: Value = {"arguments": arguments, "clauses": clauses}
    return Await(ForRequest(words, deadline=deadline), (Request(words, payload, deadline=deadline),))


def unanswered(words: str) -> ScriptError:
    """Return the error of a statement that no bot server took in time."""
    return ScriptError(f"nobody has answered {words} in time: is a program running that performs it?", "timeout")
