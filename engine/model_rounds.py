"""A language model is asked, the tools that it calls are run, and it is asked again, until it answers.

States, kept in the step's memo under `stage`: *model* (its answer is waited for), *tool* (a tool runs: in this turn's
transaction, as a request, as a procedure of the plan or as a child execution), *child* (a script that is no part of
the plan is being started as a child: the answer is its number). Every round is a request row of its own, so a crash
between two rounds repeats nothing. What a tool refuses is told to the model; only what the model's endpoint refuses
is a script error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TypeAlias, cast

from engine.effects import Query, Request
from engine.errors import ScriptError
from engine.events import ChildEnded, Event, QueryAnswered, QueryFailed, RequestCompleted, RequestFailed, TimedOut
from engine.steps import Ask, Await, Call, Caught, Here, Move, Resumed, Returned
from engine.values import Value, check_value, to_json, to_text
from engine.waits import ForChildren, ForRequest

TOOL_RESULT_CHARACTERS_MAX = 50_000
KIND = "llm"

# What the execution keeps, beside its variables.
CONTEXT = "context"  # what SET CONTEXT said: an object of texts
SYSTEM_PROMPT = "system_prompt"  # the text of SYSTEM PROMPT
MODEL = "model"  # the name that USE MODEL gave
TOOLS = "tools"  # the names of the session's tools, in lower case

Memo: TypeAlias = dict[str, Value]


def ask(here: Here, messages: Sequence[Value], asked: Mapping[str, Value], deadline: datetime | None) -> Await:
    """Return the move that begins: `messages` as the chat completions protocol has them, but with the arguments of
    tool calls as objects; `asked` is what else the request says (tools, model, optimize_for, …)."""
    until = deadline.isoformat() if deadline else None
    return _ask_model(here, {"messages": list(messages), "asked": dict(asked), "round": 0, "until": until})


def go_on(here: Here) -> Move | str:
    """Return the next move, or the model's answer, trimmed. Raises ScriptError."""
    memo = here.memo
    assert isinstance(memo, dict), "a model was asked"
    match here.why:
        case Resumed(event=TimedOut()):
            raise ScriptError("the language model did not answer in time", "timeout")
        case Resumed(event=event) if memo["stage"] == "model":
            return _answered(here, memo, event)
        case Resumed(event=event):
            return _tool_answered(here, memo, event)
        case Returned(value=value):
            return _told(here, memo, value)
        case Caught(message=message):
            return _told(here, memo, {"error": message})
        case _:
            raise AssertionError("a step that asks a model has no blocks")


def _ask_model(here: Here, memo: Memo) -> Await:
    payload: dict[str, Value] = {"messages": memo["messages"], **cast(Memo, memo["asked"])}
    if payload.get(TOOLS) and cast(int, memo["round"]) >= here.policy.llm_tool_rounds_max:
        payload["tool_choice"] = "none"
    return _request(KIND, payload, {**memo, "stage": "model"})


def _request(kind: str, payload: Value, memo: Memo, policy: str | None = None) -> Await:
    deadline = _deadline(memo)
    request = Request(kind, payload, deadline=deadline, policy=policy)
    return Await(ForRequest(kind, deadline=deadline), (request,), memo)


def _deadline(memo: Memo) -> datetime | None:
    until = memo["until"]
    return datetime.fromisoformat(until) if isinstance(until, str) else None


def _answered(here: Here, memo: Memo, event: Event) -> Move | str:
    """Take what the model said: its answer, or the tools it calls."""
    if isinstance(event, RequestFailed):
        raise ScriptError(event.message, event.kind)
    assert isinstance(event, RequestCompleted), "a request is what was waited for"
    answer = event.value
    if isinstance(answer, str):
        return answer.strip()
    if not isinstance(answer, dict):
        raise ScriptError("the answer to LLM must be a text, or an object with content", "llm")
    content, calls = answer.get("content"), answer.get("tool_calls") or []
    if not calls:
        return to_text(content).strip()
    if not isinstance(calls, list) or not all(isinstance(c, dict) and isinstance(c.get("name"), str) for c in calls):
        raise ScriptError("the language model called tools in a form that cannot be read", "llm")
    if cast(int, memo["round"]) >= here.policy.llm_tool_rounds_max:
        limit = here.policy.llm_tool_rounds_max
        raise ScriptError(f"the language model called tools {limit} times and still did not answer", "llm")
    named = [{**c, "id": to_text(c.get("id")) or f"call_{n}"} for n, c in enumerate(cast(list[Memo], calls), 1)]
    said = {"role": "assistant", "content": content, "tool_calls": [_as_said(c) for c in named]}
    messages = [*cast(list[Value], memo["messages"]), cast(Value, said)]
    return _next_call(here, {**memo, "messages": messages, "calls": cast(Value, named)})


def _as_said(call: Memo) -> Memo:
    return {"id": call["id"], "name": call["name"], "arguments": call.get("arguments") or {}}


def _next_call(here: Here, memo: Memo) -> Move:
    """Run the first of the calls that are left, or ask the model again when none is."""
    calls = cast(list[Memo], memo["calls"])
    if not calls:
        return _ask_model(here, {**memo, "round": cast(int, memo["round"]) + 1})
    call = calls[0]
    offered = cast(list[Value], cast(Memo, memo["asked"]).get(TOOLS) or [])
    name = to_text(call["name"]).lower()
    if call.get("error"):
        return _told(here, memo, {"error": call["error"]})
    if name not in offered:
        return _told(here, memo, {"error": f"There is no tool {name}. There are: {', '.join(map(to_text, offered))}."})
    memo = {**memo, "stage": "tool"}
    given = call.get("arguments")
    arguments = given if isinstance(given, dict) else {}
    match call.get("kind"):
        case "http" | "mcp" as kind:
            policy = here.policy.tools_in_doubt.get(name)
            return _request(str(kind), {"tool": name, "arguments": arguments}, memo, policy)
        case "script":
            return _run_script(here, memo, to_text(call.get("script")) or name, arguments)
        case "sql":
            pass
        case _ if (path := _script_in_plan(here, name)) is not None:  # whoever answered did not say the kind
            return _run_script(here, memo, path, arguments)
    values = call.get("values")
    positional = values if isinstance(values, list) else list(arguments.values())
    return Ask(Query(f"tool:{name}", tuple(positional)), memo)


def _script_in_plan(here: Here, name: str) -> str | None:
    return next((path for path in (name, f"{name}.bas") if here.parameters_of(path) is not None), None)


def _run_script(here: Here, memo: Memo, path: str, arguments: Memo) -> Move:
    """Run a script that is a tool: in this conversation where the plan holds it, else as a child execution."""
    given = {name.lower(): value for name, value in arguments.items()}
    parameters = here.parameters_of(path)
    if parameters is not None:
        return Call(path, tuple(given.get(name) for name in parameters), memo)
    return Ask(Query("start_child", (path, given, "")), {**memo, "stage": "child"})


def _tool_answered(here: Here, memo: Memo, event: Event) -> Move:
    match event:
        case QueryAnswered(value=number) if memo["stage"] == "child":
            return Await(ForChildren((cast(int, number),), _deadline(memo)), memo={**memo, "stage": "tool"})
        case QueryAnswered(value=value) | RequestCompleted(value=value):
            return _told(here, memo, value)
        case QueryFailed(message=message) | RequestFailed(message=message):
            return _told(here, memo, {"error": message})
        case ChildEnded(status="completed", value=value):
            return _told(here, memo, value)
        case ChildEnded(status=status, message=message):
            return _told(here, memo, {"error": message or f"The tool's script ended as {status}."})
        case _:
            raise AssertionError("a tool waits for no message and no published event")


def _told(here: Here, memo: Memo, value: Value) -> Move:
    """Put the first call's result into the conversation and go on with what is left."""
    call, *rest = cast(list[Memo], memo["calls"])
    content = value if isinstance(value, str) else to_json(check_value(value))
    if len(content) > TOOL_RESULT_CHARACTERS_MAX:
        content = f"{content[:TOOL_RESULT_CHARACTERS_MAX]}\n[cut: the result has {len(content):,} characters]"
    result: Memo = {"role": "tool", "tool_call_id": call["id"], "content": content}
    messages = [*cast(list[Value], memo["messages"]), cast(Value, result)]
    return _next_call(here, {**memo, "messages": messages, "calls": cast(Value, rest)})
