"""The short way through a slice: what has shortcuts is run without the stepper's round for each step.

A part of the stepper: nothing else calls it, and it changes the stepper's own copy of a state. `engine.shortcuts` says
what a shortcut is. Besides acts there are plain questions: a HEAR without choices, events or secrets. Whatever is not
as it usually is, is left to the stepper as it stands.
"""

from __future__ import annotations

from engine.answers import Accepted, Rejected, check_answer
from engine.answers.cleaning import trimmed
from engine.effects import Effect, Reply
from engine.events import MessageReceived
from engine.expressions import Moment
from engine.plan import Plan
from engine.policy import Policy
from engine.shortcuts import Question, text_of
from engine.state import ExecutionState, Frame
from engine.steps import BLOCK_ENDED, ENTERED, Resumed
from engine.values import Value
from engine.waits import ForMessage


class Hurrying:
    """A slice of a turn as far as shortcuts know it: a state of its own, what it did, how many steps it took."""

    __slots__ = ("count", "effects", "moment", "plan", "policy", "state")

    def __init__(self, plan: Plan, state: ExecutionState, moment: Moment, policy: Policy) -> None:
        self.plan = plan
        self.state = state
        self.moment = moment
        self.policy = policy
        self.effects: list[Effect] = [*state.held]  # what the slice before held back
        state.held = ()
        self.count = 0

    def hurry(self, most: int) -> bool:
        """Run what has shortcuts, up to the first step that has none or waits; tell whether there was any.

        Every conversation spends its time here. Raises ScriptError, at the step that failed.
        """
        plan, state = self.plan, self.state
        began = count = self.count
        frame, why = state.frames[-1], state.why
        if state.suggestions or state.frames[frame.base] is not frame:
            return False
        if why is ENTERED:
            point = frame.position
        elif type(why) is Resumed:
            behind = self.heard(frame, why)
            if behind is None:
                return False
            point = behind
            count += 1
        elif why is BLOCK_ENDED:
            point = -frame.position
        else:
            return False
        acts, own, moment = plan.shortcuts, frame.variables, self.moment
        effects = self.effects
        said, lookup, act = len(effects), own.get, acts.get(point)
        if act is None and count == began and point not in plan.questions:
            return False
        state.why = ENTERED  # of a step that fails, too
        try:
            while act is not None and count < most:
                count += 1
                point = act(own, lookup, moment, effects)
                act = acts.get(point)
        finally:
            self.count = count
            frame.position = abs(point)
            if len(effects) > said and type(last := effects[-1]) is Reply:
                state.said = last.content
        if point < 0:
            state.why = BLOCK_ENDED
        elif count < most and point in plan.questions:
            return self.asked(frame, plan.questions[point]) or count > began
        return True

    def heard(self, frame: Frame, why: Resumed) -> int | None:
        """Take the answer to a plain question; return the point behind it, or None where it is not that simple."""
        question, event, wait = self.plan.questions.get(frame.position), why.event, why.wait
        if question is None or type(event) is not MessageReceived or type(wait) is not ForMessage:
            return None
        if wait.choices or self.policy.reserved:
            return None
        if question.type == "text":
            value: Value = trimmed(event.content)
            if not value:
                return None
        else:
            answer = self.checked(question.type, event)  # no type accepts a blank one, which may take a default
            if type(answer) is not Accepted:
                return None
            value = answer.value
        if question.target is not None:
            frame.variables[question.target] = value
        return question.behind

    def checked(self, kind: str, message: MessageReceived) -> Accepted | Rejected:
        """Check an answer that is not just any text; none of these types draws lots."""
        moment, policy = self.moment, self.policy
        return check_answer(
            kind,
            message.content,
            message.attachments,
            (),
            now=moment.now,
            random=moment.random,
            language=policy.language,
            sentences=policy.sentences,
        )

    def asked(self, frame: Frame, question: Question) -> bool:
        """Ask the plain question that is next, and wait: it is named, and shown with its prompt or what was said last.

        Raises ScriptError for a prompt that cannot be said.
        """
        state, moment = self.state, self.moment
        if len(state.frames) > 1 or frame.handlers:
            return False
        self.count += 1
        if question.prompt is not None and (prompt := text_of(question.prompt, frame.variables.get, moment)):
            self.effects.append(Reply(prompt))
            state.said = prompt
        state.asked += 1
        tries = max(1, self.policy.hear_tries if question.tries is None else question.tries)
        deadline = moment.now + question.within if question.within is not None else None
        state.wait = ForMessage(f"{frame.position}.{state.asked}", question.type, state.said, (), tries, deadline)
        state.said = ""
        return True
