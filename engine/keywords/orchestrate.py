"""ORCHESTRATE WORKFLOW with BOT and PARALLEL: work that several scripts share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Self, cast

from engine.effects import Keep, Query
from engine.errors import ScriptError
from engine.events import ChildEnded, QueryAnswered, QueryFailed
from engine.expressions import Expression
from engine.grammar import variable_name
from engine.steps import NEXT, Ask, Assignment, Await, Here, Misuse, Move, Next, Resumed, Step, Target, Written
from engine.values import Value, to_text
from engine.waits import ForChildren

NO_SCRIPT = "There is no bot and no script"  # how the database begins when there is none of that name
WORKFLOW = "workflow"  # what the execution keeps: the name of the workflow it is in


def result_sets(value: Value) -> tuple[Assignment, ...]:
    """Return what a child's result gives its parent: an object its keys, any other value `result`."""
    if isinstance(value, dict):
        named = ((variable_name(key), item) for key, item in value.items())
        return tuple(Assignment(name, item) for name, item in named if name.isidentifier())
    return (Assignment("result", value),)


def check_ended(event: ChildEnded, what: str) -> None:
    """Raise ScriptError for a child that did not complete."""
    if event.status == "failed":
        raise ScriptError(f"{what} has failed: {event.message or 'without a reason'}", "child")
    if event.status != "completed":
        raise ScriptError(f"{what} was {event.status}", "child")


@dataclass(frozen=True, slots=True)
class Orchestrate(Step):
    """Begin a workflow of several bots and people: `ORCHESTRATE WORKFLOW "name" … END WORKFLOW`.

    Its steps run in the order of the text: `STEP n: BOT …`, `STEP n: HUMAN APPROVAL …`, `STEP n: PARALLEL …`, `DELAY`;
    numbers are labels only, and any other statement may stand between. END WORKFLOW may be missing.

    ```basic
    amount = 120
    ORCHESTRATE WORKFLOW "refund"
      STEP 1: PARALLEL
        BRANCH A: fee = amount * 0.1
        BRANCH B: points = amount / 10
      END PARALLEL
      STEP 2: HUMAN APPROVAL FROM "boss@example.com" TIMEOUT 1800
      IF approved THEN TALK "Refund of ${amount - fee}, ${points} points, said ${approver}"
    END WORKFLOW
    ```
    ```chat
    approve: fine
    bot: Refund of 108, 12 points, said boss@example.com
    ```
    """

    name: Expression | None

    HEADS: ClassVar[tuple[str, ...]] = ("ORCHESTRATE WORKFLOW", "ORCHESTRATE", "WORKFLOW")
    GRAMMAR: ClassVar[str] = """
        orchestrate: "ORCHESTRATE"i ["WORKFLOW"i] [expression] | "WORKFLOW"i expression
    """

    @classmethod
    def build(cls, written: Written) -> Self:
        expressions = written.parsed.expressions()
        return cls(written.place, expressions[0] if expressions else None)

    def run(self, here: Here) -> Move:
        return Next(effects=(Keep(WORKFLOW, to_text(here.value(self.name)) if self.name else None),))


@dataclass(frozen=True, slots=True)
class EndWorkflow(Step):
    """End a workflow: `END WORKFLOW`. It may be missing.

    ```basic
    ORCHESTRATE WORKFLOW "greeting"
      STEP 1: TALK "hello"
    END WORKFLOW
    ```
    ```chat
    bot: hello
    ```
    """

    HEADS: ClassVar[tuple[str, ...]] = ("END WORKFLOW", "END ORCHESTRATE")
    GRAMMAR: ClassVar[str] = """
        end_workflow: "END"i "WORKFLOW"i | "END"i "ORCHESTRATE"i
    """

    @classmethod
    def build(cls, written: Written) -> Self:
        return cls(written.place)

    def run(self, here: Here) -> Move:
        return Next(effects=(Keep(WORKFLOW, None),))


@dataclass(frozen=True, slots=True)
class Bot(Step):
    """Have another bot, or another script of this one, do something, and wait for it: `BOT "name" "task"`,
    `x = BOT "name", task`.

    It runs as a child with this script's variables and `task`, in the same session, so it may ask the user. What it
    RETURNs comes back: the keys of an object become variables, any other value `result`. A child that fails is a
    script error here. A tool of the configuration that is a PostgreSQL function is called, with the task.

    ```basic
    TRY
        BOT "nobody" "sort the complaints"
    CATCH problem
        TALK "There is no such bot"
    END TRY
    ```
    ```chat
    bot: There is no such bot
    ```
    """

    name: Expression
    task: Expression | None
    target: Target | None

    HEADS: ClassVar[tuple[str, ...]] = ("BOT",)
    GRAMMAR: ClassVar[str] = """
        bot: "BOT"i expression [STRING | ("," | "WITH"i) expression]
    """
    RESULT: ClassVar[bool] = True
    TOLD: ClassVar[bool] = True

    @classmethod
    def build(cls, written: Written) -> Self:
        name, *task = written.parsed.expressions()
        return cls(written.place, name, task[0] if task else None, written.into)

    def run(self, here: Here) -> Move:
        match here.why:
            case Resumed(event=QueryFailed(message=message, kind=kind)):
                if here.memo is not None or not message.startswith(NO_SCRIPT):
                    raise ScriptError(to_text(here.memo or message), kind)
                given: tuple[Value, ...] = (here.value(self.task),) if self.task else ()
                return Ask(Query(f"tool:{to_text(here.value(self.name)).strip().lower()}", given), message)
            case Resumed(event=QueryAnswered(value=value)) if here.memo is not None:  # of the tool
                return self.returned(here, value)
            case Resumed(event=QueryAnswered(value=number)):
                return Await(ForChildren((cast(int, number),)))
            case Resumed(event=ChildEnded() as ended):
                check_ended(ended, f"the bot {to_text(here.value(self.name))}")
                return self.returned(here, ended.value)
            case _:
                name = to_text(here.value(self.name)).strip()
                if not name:
                    raise ScriptError('BOT needs the name of a bot or a script: BOT "refunds" "process"')
                task = here.value(self.task) if self.task else None
                return Ask(Query("start_child", (name, {**here.everything(), "task": task}, "")))

    def returned(self, here: Here, value: Value) -> Move:
        """Take what came back, and go on."""
        return here.into(self.target, value) if self.target else Next(sets=result_sets(value))

    def assigns(self) -> Iterator[str]:
        yield from Step.assigns(self) if self.target else ("result",)


@dataclass(frozen=True, slots=True)
class Parallel(Step):
    """Run branches side by side and wait for all of them: `PARALLEL`, `BRANCH A: …`, `END PARALLEL`.

    Each branch has the variables as they are here; what it changes is there when all have ended (of two that change
    the same one, the later in the text counts). When one fails, the others still run to their end; then the error of
    the first that failed is raised here.

    ```basic
    x = 2
    PARALLEL
      BRANCH A: double = x * 2
      BRANCH B:
        square = x * x
        x = 10
    END PARALLEL
    TALK "${double} ${square} ${x}"
    ```
    ```chat
    bot: 4 4 10
    ```
    """

    branches: tuple[str, ...]

    APART: ClassVar[bool] = True
    HEADS: ClassVar[tuple[str, ...]] = ("PARALLEL",)
    GRAMMAR: ClassVar[str] = """
        parallel: "PARALLEL"i
        branch: "BRANCH"i
        end_parallel: "END"i "PARALLEL"i
    """
    SECTIONS: ClassVar[dict[str, str]] = {"BRANCH": "branch"}
    CLOSERS: ClassVar[dict[str, str]] = {"END PARALLEL": "end_parallel"}

    @classmethod
    def build(cls, written: Written) -> Self:
        own, *branches = written.sections
        if own.procedure:
            raise Misuse("a statement of PARALLEL stands in no branch", "begin the branch with BRANCH A:")
        return cls(written.place, tuple(b.procedure for b in branches))

    def run(self, here: Here) -> Move:
        memo = here.memo if isinstance(here.memo, dict) else {"started": [], "ended": []}
        started, ended = cast(list[Value], memo["started"]), cast(list[Value], memo["ended"])
        match here.why:
            case Resumed(event=QueryAnswered(value=number)):
                started = [*started, number]
            case Resumed(event=ChildEnded() as event):
                ended = [*ended, self.outcome(here, event)]
            case _:
                started, ended = [], []
        memo = {"started": started, "ended": ended}
        if len(started) < len(self.branches):
            branch = self.branches[len(started)]
            return Ask(Query("start_child", ("", here.everything(), branch)), memo)
        over = {cast(list[Value], one)[0] for one in ended}
        left = tuple(cast(int, number) for number in started if number not in over)
        return Await(ForChildren(left), memo=memo) if left else self.joined(started, ended)

    def outcome(self, here: Here, event: ChildEnded) -> Value:
        """Return what the end of a branch means, as the memo keeps it: its number, its error, what it changed."""
        try:
            check_ended(event, "a branch")
        except ScriptError as error:
            return [event.number, error.message, None]
        if not isinstance(event.value, dict):
            return [event.number, None, event.value]
        before = here.everything()
        changed = {k: v for k, v in event.value.items() if k not in before or before[k] != v}
        return [event.number, None, changed]

    def joined(self, started: list[Value], ended: list[Value]) -> Move:
        """Take over what the branches changed, in the order of the text."""
        by_number = {cast(list[Value], one)[0]: cast(list[Value], one) for one in ended}
        for number, message, _ in (cast(list[Value], one) for one in ended):
            if message is not None:
                raise ScriptError(f"branch {started.index(number) + 1} of PARALLEL: {to_text(message)}", "child")
        sets: list[Assignment] = []
        for number in started:
            changed = by_number[number][2]
            sets += result_sets(changed) if changed is not None else ()
        return Next(sets=tuple(sets)) if sets else NEXT
