"""SEND TEMPLATE and CREATE DRAFT: mails of which the bot server may do its part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from engine.effects import Request
from engine.errors import ScriptError
from engine.events import RequestCompleted, TimedOut
from engine.expressions import Expression
from engine.keyword_requests import ask_for, unanswered
from engine.mail_requests import Envelope, clauses_of, first, mail_request, text_of, values_of
from engine.mail_text import filled, is_template, recipients_of
from engine.steps import Await, Here, Misuse, Move, Resumed, Step, Target, Written
from engine.values import Value
from engine.waits import ForRequest


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
                raise unanswered("SEND TEMPLATE", here.policy.keyword_seconds_max)
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
        return ask_for(here, "SEND TEMPLATE", arguments, {}, here.policy.keyword_seconds_max)


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
                raise unanswered("CREATE DRAFT", here.policy.keyword_seconds_max)
        clauses: dict[str, Value] = {name: values_of(here, values) for name, values in self.clauses}
        seconds = here.policy.keyword_seconds_max
        return ask_for(here, "CREATE DRAFT", values_of(here, self.arguments), clauses, seconds)
