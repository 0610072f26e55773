"""The short way through a slice: what has shortcuts is run without the stepper's round for each step.

A part of the stepper: nothing else calls it, and it changes the stepper's own copy of a state. `engine.shortcuts` says
what a shortcut is. Besides acts there are plain questions: a HEAR of a text that has nothing to say, count or wait for.
Whatever is not as it usually is, is left to the stepper as it stands.
"""

from __future__ import annotations

from engine.answers.cleaning import trimmed
from engine.effects import Effect, Reply
from engine.events import MessageReceived
from engine.expressions import Moment
from engine.plan import Plan
from engine.policy import Policy
from engine.state import ExecutionState, Frame
from engine.steps import BLOCK_ENDED, ENTERED, Resumed
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
            return self.asked(frame) or count > began
        return True

    def heard(self, frame: Frame, why: Resumed) -> int | None:
        """Take the answer to a plain question; return the point behind it, or None where it is not that simple."""
        question, event, wait = self.plan.questions.get(frame.position), why.event, why.wait
        if question is None or type(event) is not MessageReceived or type(wait) is not ForMessage:
            return None
        if wait.choices or self.policy.reserved:
            return None
        text = trimmed(event.content)
        if not text:
            return None
        if question.target is not None:
            frame.variables[question.target] = text
        return question.behind

    def asked(self, frame: Frame) -> bool:
        """Wait for the answer to the plain question that is next, named and shown with what was said last."""
        state = self.state
        if len(state.frames) > 1 or frame.handlers:
            return False
        state.asked += 1
        tries = max(1, self.policy.hear_tries)
        state.wait = ForMessage(f"{frame.position}.{state.asked}", "text", state.said, (), tries)
        state.said = ""
        self.count += 1
        return True
