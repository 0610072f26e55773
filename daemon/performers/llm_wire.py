"""The chat completions protocol: what is sent, and what an answer says, made safe to be held by a variable."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from daemon.offered_tools import OfferedTool, open_schema
from engine.errors import ScriptError
from engine.parameters import check_arguments
from engine.values import Value, check_value

MESSAGE_CHARACTERS_MAX = 500
TOOL_CALLS_MAX = 64
TOKENS_MAX = 1_000_000_000  # what counts more is no count
NAME_CHARACTERS_MAX = 200
PASSED_ON = ("temperature", "max_tokens", "tool_choice")

Json: TypeAlias = dict[str, Any]

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]+")
_HALVES = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer: the value that the script's step gets, and what it cost."""

    value: Value
    model: str
    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Unusable:
    """An answer with a good status and nothing in it: judged as though it had come with `status`."""

    status: int
    message: str
    code: str = ""


# ── what is sent ───────────────────────────────────────────────────────────────────────────────────


def wire_names(tools: Sequence[OfferedTool]) -> dict[str, OfferedTool]:
    """Return the tools by the names the model gets: of letters, digits, - and _, at most 64, each one only once."""
    named: dict[str, OfferedTool] = {}
    for tool in tools:
        name = stem = _NOT_IN_NAMES.sub("_", tool.name)[:60] or "tool"
        number = 1
        while name in named:
            number += 1
            name = f"{stem}_{number}"
        named[name] = tool
    return named


def wire_body(
    payload: Mapping[str, Value], tools: Mapping[str, OfferedTool], model: str, tokens_max: int
) -> Mapping[str, object]:
    """Return the body of a request. `tokens_max` 0 leaves the length of the answer to the endpoint."""
    names = {tool.name: name for name, tool in tools.items()}
    messages = payload.get("messages")
    body: Json = (
        {"messages": [_message(m, names) for m in messages if isinstance(m, dict)]}
        if isinstance(messages, list)
        else {}
    )
    if model:
        body["model"] = model
    body.update({key: payload[key] for key in PASSED_ON if payload.get(key) is not None})
    if tokens_max and "max_tokens" not in body:
        body["max_tokens"] = tokens_max
    if payload.get("format") == "json":
        body["response_format"] = {"type": "json_object"}
    if tools:
        body["tools"] = [_tool(name, tool) for name, tool in tools.items()]
    else:
        body.pop("tool_choice", None)
    return body


def _message(message: Mapping[str, Value], names: Mapping[str, str]) -> Json:
    calls = message.get("tool_calls")
    if not isinstance(calls, list):
        return dict(message)
    made = [_call(c, names) for c in calls if isinstance(c, dict)]
    return {"role": "assistant", "content": message.get("content"), "tool_calls": made}


def _call(call: Mapping[str, Value], names: Mapping[str, str]) -> Json:
    name = str(call.get("name"))
    arguments = json.dumps(call.get("arguments") or {}, ensure_ascii=False)
    function = {"name": names.get(name.lower(), _NOT_IN_NAMES.sub("_", name)[:64] or "tool"), "arguments": arguments}
    return {"id": call.get("id"), "type": "function", "function": function}


def _tool(name: str, tool: OfferedTool) -> Json:
    function = {
        "name": name,
        "description": tool.description,
        "parameters": tool.schema or open_schema(tool.parameters),
    }
    return {"type": "function", "function": function}


# ── what comes back ────────────────────────────────────────────────────────────────────────────────


def read_answer(content: bytes, tools: Mapping[str, OfferedTool], asked_model: str) -> Answered | Unusable:
    """Return what the body of an answer says; `tools` are by the names the model got."""
    data = _json_of(content)
    if not isinstance(data, dict):
        said = shown(content.decode("utf-8", "replace")) or "nothing"
        return Unusable(400, f"no JSON object of chat completions, but {said}")
    choices = data.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(message, dict):
        words, code = _error_in(data)
        status = int(code) if re.fullmatch(r"[45]\d\d", code) else 400
        return Unusable(status, words or "an answer without choices", code)
    usage = data.get("usage")
    counts = (
        {k: v for k, v in usage.items() if type(v) is int and 0 <= v <= TOKENS_MAX} if isinstance(usage, dict) else {}
    )
    text = _text_of(message.get("content"))
    refused = message.get("refusal")
    if text is None and isinstance(refused, str):
        text = clean(refused)
    value: Json = {
        "content": text,
        "tool_calls": _calls_of(message.get("tool_calls"), tools),
        "usage": counts,
        "finish_reason": _name(choice.get("finish_reason")) if isinstance(choice, dict) else "",
        "model": _name(data.get("model") or asked_model),
    }
    prompt, completion = counts.get("prompt_tokens", 0), counts.get("completion_tokens", 0)
    return Answered(value, asked_model or value["model"], prompt, completion)


def error_of(content: bytes) -> tuple[str, str]:
    """Return the endpoint's own words in the body of a refusal, and its code; "" where there is none."""
    data = _json_of(content)
    if isinstance(data, dict):
        return _error_in(data)
    return shown(content.decode("utf-8", "replace")), ""


def _error_in(data: Json) -> tuple[str, str]:
    for key in ("error", "message", "detail", "errors"):
        error = data.get(key)
        if isinstance(error, dict):
            words = error.get("message") or error.get("detail") or json.dumps(error)
            return shown(str(words)), str(error.get("code") or error.get("type") or "")
        if error:
            return shown(error if isinstance(error, str) else json.dumps(error)), str(data.get("code") or "")
    return "", ""


def _json_of(content: bytes) -> Any:
    try:
        return json.loads(content.decode("utf-8-sig", "replace"), parse_constant=_no_number)
    except (ValueError, RecursionError):
        return None


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


def _name(value: object) -> str:
    return clean(value)[:NAME_CHARACTERS_MAX] if isinstance(value, str) else ""


def _text_of(content: object) -> str | None:
    """Return a message's text; some endpoints give it in parts."""
    if isinstance(content, list):
        parts = [p.get("text") if isinstance(p, dict) else p for p in content]
        return clean("".join(p for p in parts if isinstance(p, str)))
    return clean(content) if isinstance(content, str) else None


def _calls_of(calls: object, tools: Mapping[str, OfferedTool]) -> list[Json]:
    """Return the tools that the model calls, each with its kind, and what is wrong with its arguments, if anything."""
    if not isinstance(calls, list):
        return []
    functions = [(c, c["function"]) for c in calls if isinstance(c, dict) and isinstance(c.get("function"), dict)]
    return [_call_of(number, c, f, tools) for number, (c, f) in enumerate(functions[:TOOL_CALLS_MAX], 1)]


def _call_of(number: int, call: Json, function: Json, tools: Mapping[str, OfferedTool]) -> Json:
    name = clean(str(function.get("name") or ""))
    tool = tools.get(name)
    identity = clean(str(call.get("id") or f"call_{number}"))
    arguments, wrong = _arguments_of(function.get("arguments"))
    read: Json = {"id": identity, "name": tool.name if tool else name, "arguments": arguments}
    if tool is not None:
        read["kind"] = tool.kind
        if tool.kind == "sql":
            read["values"] = _positional(tool.parameters, arguments)
            wrong = wrong or _unknown_arguments(tool, arguments)
        if tool.script:
            read["script"] = tool.script
            read["arguments"], misfit = _fitted(tool, arguments)
            wrong = wrong or misfit
    if wrong:
        read["error"] = wrong
    return read


def _fitted(tool: OfferedTool, arguments: Json) -> tuple[Json, str]:
    """Return a script's arguments typed as its PARAMs say, and a sentence for the model where they do not fit."""
    if not tool.schema or "properties" not in tool.schema:
        return arguments, ""
    try:
        return check_arguments(tool.schema, arguments), ""
    except ScriptError as error:
        said = error.message[:1].upper() + error.message[1:]
        return arguments, said if said.endswith("?") else f"{said}."


def _arguments_of(written: object) -> tuple[Json, str]:
    """Return a call's arguments, and a sentence where they cannot be read: the model is told it."""
    given: object = written
    if written in (None, ""):
        given = {}
    elif isinstance(written, str):
        try:
            given = json.loads(written, parse_constant=_no_number)
        except (ValueError, RecursionError) as error:
            return {}, f"The arguments are no JSON: {error}."
    if not isinstance(given, dict):
        return {}, "The arguments must be a JSON object."
    try:
        safe = safe_value(given)
        check_value(safe)
    except ScriptError as error:
        return {}, f"The arguments cannot be used: {error.message}"
    except RecursionError:
        return {}, "The arguments are nested too deep."
    return safe, ""


def _unknown_arguments(tool: OfferedTool, arguments: Json) -> str:
    known = {p.lower() for p in tool.parameters}
    unknown = [name for name in arguments if name.lower() not in known]
    if not unknown or not known:
        return ""
    return f"There is no parameter {', '.join(unknown)}; {tool.name} takes {', '.join(tool.parameters)}."


def _positional(parameters: Sequence[str], arguments: Json) -> list[Any]:
    """Return arguments in the order of the parameters; those missing at the end are left out, as defaults need it.

    A tool whose parameters the configuration does not name takes them in the order in which they are given.
    """
    if not parameters:
        return list(arguments.values())
    folded = {name.lower(): value for name, value in arguments.items()}
    values = [folded.get(p.lower()) for p in parameters]
    given = max((i for i, p in enumerate(parameters, 1) if p.lower() in folded), default=0)
    return values[:given]


# ── safe texts ─────────────────────────────────────────────────────────────────────────────────────


def clean(text: str) -> str:
    """Return a text that a variable can hold: no NUL, no half of a surrogate pair."""
    return _HALVES.sub("\ufffd", text.replace("\0", ""))


def safe_value(value: Any) -> Any:
    """Return a value whose texts are clean, inside lists and objects too. Raises RecursionError."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        return [safe_value(v) for v in value]
    if isinstance(value, dict):
        return {clean(k): safe_value(v) for k, v in value.items()}
    return value


def shown(text: str) -> str:
    """Return a text for the sentence of an error: on one line, cut."""
    line = " ".join(_CONTROLS.sub(" ", clean(text)).split())
    return line if len(line) <= MESSAGE_CHARACTERS_MAX else line[:MESSAGE_CHARACTERS_MAX] + "…"
