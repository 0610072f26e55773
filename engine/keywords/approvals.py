"""HUMAN APPROVAL: a decision that a person makes, by link or by SQL."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Self

from engine.effects import Effect, Query, Reply, Request
from engine.errors import ScriptError
from engine.events import QueryAnswered, RequestCompleted, TimedOut
from engine.expressions import Expression
from engine.steps import (
    NEXT,
    Ask,
    Assignment,
    Await,
    Block,
    BlockEnded,
    Enter,
    Here,
    Misuse,
    Move,
    Next,
    Parsed,
    Resumed,
    Step,
    Target,
    Written,
    unit_seconds,
)
from engine.values import Value, to_number, to_text, truthy
from engine.waits import ForRequest

TIMEOUT_SECONDS_MAX = 100 * 366 * 86_400


@dataclass(frozen=True, slots=True)
class HumanApproval(Step):
    """Wait for a person's decision: `HUMAN APPROVAL FROM "a"[, "b"] [FOR "what"] [TIMEOUT n]`, `x = HUMAN APPROVAL …`.

    One of them decides, by the link or by `workflow_approve`. `approved` is then TRUE or FALSE (x is that too),
    `approver` who decided and `comment` what they said. TIMEOUT counts seconds, or the unit that follows. On a line
    of its own behind it, `ON TIMEOUT:` says what happens then: `APPROVE`, `REJECT`, `ESCALATE TO who` (who is asked for
    the same time once more), or statements, up to the next STEP or END TIMEOUT. Without it the time-out is a
    rejection; `approver` is NULL when nobody decided.

    ```basic
    HUMAN APPROVAL FROM "boss@example.com" TIMEOUT 30 MINUTES
      ON TIMEOUT: ESCALATE TO "director@example.com"
    TALK "${approved}, says ${approver}: ${comment}"
    HUMAN APPROVAL FROM "boss@example.com" TIMEOUT 60
      ON TIMEOUT: TALK "Nobody is there"
    IF NOT approved THEN TALK "Not approved"
    ```
    ```chat
    after 30 minutes
    approve by director@example.com: go ahead
    bot: true, says director@example.com: go ahead
    after 60 seconds
    bot: Nobody is there
    bot: Not approved
    ```
    """

    target: Target | None
    people: tuple[Expression, ...]
    text: Expression | None
    timeout: Expression | None
    unit_seconds: int
    on_timeout: str  # reject, approve, escalate, block
    escalate_to: tuple[Expression, ...]
    otherwise: Block

    HEADS: ClassVar[tuple[str, ...]] = ("HUMAN APPROVAL",)
    GRAMMAR: ClassVar[str] = """
        human_approval: "HUMAN"i "APPROVAL"i approval_clause*
        ?approval_clause: approval_from | approval_for | approval_timeout
        approval_from: "FROM"i expression ("," expression)*
        approval_for: ("FOR"i | "SUBJECT"i | "WITH"i) expression
        approval_timeout: "TIMEOUT"i expression [TIME_UNIT]
        on_timeout: "APPROVE"i -> on_timeout_approve
            | "REJECT"i -> on_timeout_reject
            | "ESCALATE"i "TO"i expression ("," expression)* -> on_timeout_escalate
    """
    RESULT: ClassVar[bool] = True
    SECTIONS: ClassVar[dict[str, str]] = {"ON TIMEOUT": "on_timeout"}

    @classmethod
    def build(cls, written: Written) -> Self:
        parsed = written.parsed
        people = parsed.find("approval_from")
        timeout = parsed.find("approval_timeout")
        unit = timeout.words()[0] if timeout and timeout.words() else "second"
        if len(written.sections) > 2:
            raise Misuse("HUMAN APPROVAL has one ON TIMEOUT", "ON TIMEOUT: ESCALATE TO who")
        late = written.sections[1] if len(written.sections) == 2 else None
        action, escalate_to = _action_of(late.parsed) if late else ("reject", ())
        return cls(
            written.place,
            written.into,
            people.expressions() if people else (),
            parsed.expression_of("approval_for"),
            parsed.expression_of("approval_timeout"),
            unit_seconds(unit),
            action,
            escalate_to,
            late.block if late else (),
        )

    def blocks(self) -> tuple[Block, ...]:
        return (self.otherwise,)

    def run(self, here: Here) -> Move:
        match here.why:
            case BlockEnded():
                return NEXT
            case Resumed(event=QueryAnswered(value=dict(link))):
                return self.ask(here, link)
            case Resumed(event=RequestCompleted(value=dict(answer))):
                return self.decided(here, truthy(answer.get("approved")), answer.get("approver"), answer.get("comment"))
            case Resumed(event=TimedOut()):
                return self.late(here)
            case _:
                return Ask(Query("approval_link", (here.requested + 1,)), {"escalated": False})

    def asked(self, here: Here) -> tuple[Expression, ...]:
        """Return who is asked now: those of FROM, or after their time those of ESCALATE TO."""
        return self.escalate_to if isinstance(here.memo, dict) and here.memo.get("escalated") else self.people

    def ask(self, here: Here, link: dict[str, Value]) -> Move:
        """Make the request, and tell those who are asked where to decide."""
        people = _people(here, self.asked(here))
        workflow = here.kept.get("workflow")
        text = to_text(here.value(self.text)) if self.text else to_text(workflow or "")
        payload: dict[str, Value] = {
            "people": people,
            "text": text,
            "workflow": workflow,
            "token": link.get("token"),
            "link": link.get("link"),
        }
        deadline = self.deadline(here, link.get("timeout"))
        effects: list[Effect] = [Request("approval", payload, deadline=deadline)]
        if link.get("link"):
            said = f"Please decide{f': {text}' if text else ''}. {to_text(link['link'])}"
            effects += [Reply(said, (), to_text(person)) for person in people]
            mailed = [person for person in people if "@" in to_text(person)]
            if link.get("mail") and mailed:
                subject = f"Approval{f': {text}' if text else ''}"
                mail: dict[str, Value] = {"to": mailed, "subject": subject, "body": said, "attachments": []}
                effects.append(Request("mail", mail))
        return Await(ForRequest("approval", here.requested + 1, deadline), tuple(effects))

    def deadline(self, here: Here, seconds_default: Value) -> datetime | None:
        """Return until when the decision is waited for; None: for ever. Raises ScriptError for an impossible time."""
        if self.timeout is None:
            seconds = float(to_number(seconds_default or 0))
            return here.now + timedelta(seconds=seconds) if seconds > 0 else None
        seconds = float(to_number(here.value(self.timeout))) * self.unit_seconds
        if not 0 <= seconds <= TIMEOUT_SECONDS_MAX:
            raise ScriptError("a TIMEOUT lies between 0 and a hundred years")
        return here.now + timedelta(seconds=seconds)

    def late(self, here: Here) -> Move:
        """Do what ON TIMEOUT says."""
        escalated = isinstance(here.memo, dict) and here.memo.get("escalated")
        if self.on_timeout == "escalate" and not escalated:
            return Ask(Query("approval_link", (here.requested + 1,)), {"escalated": True})
        decided = self.decided(here, self.on_timeout == "approve", None, None)
        if self.on_timeout == "block":
            return Enter(0, sets=decided.sets)
        return decided

    def decided(self, here: Here, approved: bool, approver: Value, comment: Value) -> Next:
        """Keep the decision and go on."""
        own = (here.assignment(self.target, approved),) if self.target else ()
        named = {"approved": approved, "approver": approver, "comment": comment}
        return Next(sets=(*(Assignment(name, value) for name, value in named.items()), *own))

    def assigns(self) -> Iterator[str]:
        yield from Step.assigns(self)
        yield from ("approved", "approver", "comment")


def _action_of(parsed: Parsed) -> tuple[str, tuple[Expression, ...]]:
    action = parsed.rule.removeprefix("on_timeout_")
    return (action, parsed.expressions()) if action in ("approve", "reject", "escalate") else ("block", ())


def _people(here: Here, expressions: tuple[Expression, ...]) -> list[Value]:
    """Return who is asked, as texts; a list among them gives its items."""
    people: list[Value] = []
    for expression in expressions:
        value = here.value(expression)
        people += [to_text(v).strip() for v in value] if isinstance(value, list) else [to_text(value).strip()]
    return [person for person in people if person]
