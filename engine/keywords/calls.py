"""Calls of procedures, of other scripts and of tools, and the declarations of procedures and parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from engine.effects import Query, Request
from engine.events import QueryAnswered, RequestCompleted
from engine.expressions import Expression
from engine.steps import (
    NEXT,
    Ask,
    Await,
    Call,
    Here,
    Misuse,
    Move,
    Resumed,
    Returned,
    Step,
    Target,
    Written,
)
from engine.values import Value
from engine.waits import ForRequest


@dataclass(frozen=True, slots=True)
class CallProcedure(Step):
    """Call a SUB or FUNCTION of this script, or another script: `CALL greet("Ada")`, `greet "Ada"`,
    `x = twice(21)`, `CALL "other.bas", argument`, `x = CALL "other.bas"`.

    The value is what RETURN gave, else NULL. Arguments of a script go to its PARAMs in order. A procedure
    sees the variables of its script; a name that is new in it is its own. `x = CALL "https://…"` and
    `CALL "/path"[, body]` ask the web: GET without a body, POST with one; the value is the answer's body.

    ```basic
    SUB greet(who)
        TALK "Hello, ${who}"
    END SUB
    CALL greet("Ada")
    greet "Grace"
    ```
    ```chat
    bot: Hello, Ada
    bot: Hello, Grace
    ```
    """

    procedure: str
    arguments: tuple[Expression, ...]
    into: Target | None

    HEADS: ClassVar[tuple[str, ...]] = ("CALL",)
    GRAMMAR: ClassVar[str] = """
        call: "CALL"i expression ("," expression)*
    """
    RESULT: ClassVar[bool] = True

    @classmethod
    def build(cls, written: Written) -> Self:
        raise AssertionError("the compiler resolves calls by name")

    def run(self, here: Here) -> Move:
        if isinstance(here.why, Returned):
            return here.into(self.into, here.why.value)
        return Call(self.procedure, tuple([here.value(e) for e in self.arguments]))


@dataclass(frozen=True, slots=True)
class CallTool(Step):
    """Call a tool that the configuration declares: `SET ticket = CREATE(description)`, `CALL create, text`.

    A PostgreSQL function runs in the turn's own transaction: its effects exist exactly once. An endpoint of the web
    is a request under a stable key, whose value is the answer's body; where it is, and how it is asked, only the
    configuration knows.
    """

    tool: str
    arguments: tuple[Expression, ...]
    into: Target | None
    kind: str = "sql"

    @classmethod
    def build(cls, written: Written) -> Self:
        raise AssertionError("the compiler resolves calls by name")

    def run(self, here: Here) -> Move:
        match here.why:
            case Resumed(event=QueryAnswered(value=value) | RequestCompleted(value=value)):
                return here.into(self.into, value)
            case _:
                arguments = [here.value(e) for e in self.arguments]
                if self.kind == "sql":
                    return Ask(Query(f"tool:{self.tool}", tuple(arguments)))
                payload: Value = {"tool": self.tool, "arguments": [*arguments]}
                policy = here.policy.tools_in_doubt.get(self.tool)
                return Await(ForRequest(self.kind), (Request(self.kind, payload, policy=policy),))


@dataclass(frozen=True, slots=True)
class Define(Step):
    """Declare a procedure: `SUB name(a, b) … END SUB`, `FUNCTION name(a) … RETURN e … END FUNCTION`.

    ```basic
    FUNCTION fact(n)
        IF n < 2 THEN RETURN 1
        RETURN n * fact(n - 1)
    END FUNCTION
    TALK fact(5)
    ```
    ```chat
    bot: 120
    ```
    """

    HEADS: ClassVar[tuple[str, ...]] = ("SUB", "FUNCTION")
    GRAMMAR: ClassVar[str] = """
        define: ("SUB"i | "FUNCTION"i) NAME ["(" [define_parameter ("," define_parameter)*] ")"] [define_as]
        define_parameter: ("BYVAL"i | "BYREF"i)? NAME [define_as]
        define_as: "AS"i NAME
        end_define: "END"i "SUB"i | "END"i "FUNCTION"i
    """
    CLOSERS: ClassVar[dict[str, str]] = {"END SUB": "end_define", "END FUNCTION": "end_define"}

    @classmethod
    def build(cls, written: Written) -> Self:
        raise Misuse("a procedure is declared inside another statement", "move it to the script's own level")

    def run(self, here: Here) -> Move:
        return NEXT
