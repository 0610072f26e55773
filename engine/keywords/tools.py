"""USE TOOL, ADD TOOL, CLEAR TOOLS: which tools a language model is offered in this session."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Self

from engine.effects import Keep, Query
from engine.errors import ScriptError
from engine.events import QueryAnswered
from engine.expressions import Expression
from engine.steps import Ask, Here, Move, Next, Resumed, Step, Written
from engine.values import Value, to_text

SESSION_KEY = "tools"  # the session variable in which other scripts and the bot server find them


@dataclass(frozen=True, slots=True)
class UseTool(Step):
    """Offer a tool to the language model for the rest of the session: `USE TOOL "create"`, also ADD TOOL.

    A tool is one of the configuration, or a script of the bot with PARAM and DESCRIPTION; `stepwell tools` lists
    them. The names are kept in the session variable `tools`, so that later scripts of the session offer them too.

    ```basic
    USE TOOL "weather.bas"
    ADD TOOL "create"
    tools = GET "session.tools"
    TALK tools
    ```
    ```chat
    bot: ["weather","create"]
    ```
    """

    names: tuple[Expression, ...]

    HEADS: ClassVar[tuple[str, ...]] = ("USE TOOL", "USE TOOLS", "ADD TOOL", "ADD TOOLS")
    GRAMMAR: ClassVar[str] = """
        use_tool: ("USE"i | "ADD"i) ("TOOL"i | "TOOLS"i) expression ("," expression)*
    """

    @classmethod
    def build(cls, written: Written) -> Self:
        return cls(written.place, written.parsed.expressions())

    def run(self, here: Here) -> Move:
        new = _tools(here, self.names)
        return _change(here, lambda old: [*old, *(name for name in dict.fromkeys(new) if name not in old)])


@dataclass(frozen=True, slots=True)
class RemoveTool(Step):
    """Offer a tool no more: `REMOVE TOOL "create"`.

    ```basic
    USE TOOL "weather", "create"
    REMOVE TOOL "weather"
    tools = GET "session.tools"
    TALK tools
    ```
    ```chat
    bot: ["create"]
    ```
    """

    names: tuple[Expression, ...]

    HEADS: ClassVar[tuple[str, ...]] = ("REMOVE TOOL",)
    GRAMMAR: ClassVar[str] = """
        remove_tool: "REMOVE"i "TOOL"i expression ("," expression)*
    """

    @classmethod
    def build(cls, written: Written) -> Self:
        return cls(written.place, written.parsed.expressions())

    def run(self, here: Here) -> Move:
        gone = _tools(here, self.names)
        return _change(here, lambda old: [name for name in old if name not in gone])


@dataclass(frozen=True, slots=True)
class ClearTools(Step):
    """Offer no tools any more: `CLEAR TOOLS`.

    ```basic
    USE TOOL "weather"
    CLEAR TOOLS
    tools = GET "session.tools"
    TALK LEN(tools)
    ```
    ```chat
    bot: 0
    ```
    """

    HEADS: ClassVar[tuple[str, ...]] = ("CLEAR TOOLS", "CLEAR TOOL")
    GRAMMAR: ClassVar[str] = """
        clear_tools: "CLEAR"i ("TOOLS"i | "TOOL"i)
    """

    @classmethod
    def build(cls, written: Written) -> Self:
        return cls(written.place)

    def run(self, here: Here) -> Move:
        return _change(here, lambda old: [])


def _change(here: Here, change: Callable[[list[str]], list[str]]) -> Move:
    """Read the session's list, write it changed, and keep it for this execution; without a session, only that."""
    if isinstance(here.memo, list):  # it is written
        return Next(effects=(Keep("tools", here.memo),))
    if isinstance(here.why, Resumed) and isinstance(here.why.event, QueryAnswered):
        new: list[Value] = [*change(_names(here.why.event.value))]
        return Ask(Query("set_session_variable", (SESSION_KEY, new)), memo=new)
    if here.moment.session_id:
        return Ask(Query("get_session_variable", (SESSION_KEY,)))
    return Next(effects=(Keep("tools", [*change(_names(here.kept.get("tools")))]),))


def _names(value: Value) -> list[str]:
    return [to_text(v) for v in value] if isinstance(value, list) else []


def _tools(here: Here, names: tuple[Expression, ...]) -> list[str]:
    """Return the names that a statement means: texts, lists of texts, `weather.bas` and `weather` without quotes."""
    found: list[str] = []
    for expression in names:
        value = here.value(expression)
        if value is None and isinstance(expression.node, ast.Name | ast.Subscript):
            value = expression.text
        found += [_tool(v) for v in (value if isinstance(value, list) else [value])]
    return found


def _tool(value: Value) -> str:
    name = to_text(value).strip().lower().rpartition("/")[2].removesuffix(".bas")
    if not name:
        raise ScriptError('a tool needs a name, such as USE TOOL "create"', "tool")
    return name
