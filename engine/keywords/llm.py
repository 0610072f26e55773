"""LLM and REWRITE: what a script asks of a language model."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Self

from engine.effects import Query
from engine.errors import ScriptError
from engine.events import QueryAnswered, QueryFailed
from engine.expressions import Expression
from engine.functions.convert import parse_json
from engine.model_rounds import CONTEXT, MODEL, SYSTEM_PROMPT, TOOLS, ask, go_on
from engine.steps import (
    ENTERED,
    Ask,
    Entered,
    Here,
    Misuse,
    Move,
    Parsed,
    Resumed,
    Step,
    Target,
    Written,
    unit_seconds,
)
from engine.values import Value, show, to_json, to_number, to_text
from engine.waits import ForQuery

TIMEOUT_SECONDS_MAX = 366 * 86_400
REWRITING = (
    "Rewrite the user's text so that it is clear, correct and easy to read. Keep its meaning, its language, its"
    " names, numbers and addresses. Answer with the rewritten text alone."
)

# What an option may be called -> what it is. A name is folded: lower case, underscores for blanks.
_OPTIONS = {
    "optimize_for": "optimize_for",
    "optimise_for": "optimize_for",
    "optimize": "optimize_for",
    "model": "model",
    "temperature": "temperature",
    "max_tokens": "max_tokens",
    "tokens": "max_tokens",
    "system": "system",
    "system_prompt": "system",
    "timeout": "timeout",
    "context": "context",
    "data": "context",
    "max_cost": "max_cost",
    "max_latency": "max_latency",
    "format": "format",
}
_NUMBERS = {"temperature": (0.0, 2.0), "max_tokens": (1, 10_000_000), "max_cost": (0, 1e9), "max_latency": (0, 1e9)}

_MARKDOWN = re.compile(r"\A```(?:json)?\s*(.*?)\s*```\Z", re.DOTALL | re.IGNORECASE)

Options = tuple[tuple[str, Expression], ...]


@dataclass(frozen=True, slots=True)
class Llm(Step):
    """Ask a language model and keep its answer: `x = LLM prompt [WITH OPTIMIZE FOR speed|cost|quality]`.

    Further options, each with or without WITH, in any order: `MODEL "m"`, `TEMPERATURE n`, `MAX TOKENS n`,
    `SYSTEM PROMPT "s"`, `CONTEXT e` (a text or data put behind the prompt), `TIMEOUT n [SECONDS|MINUTES]`, `AS JSON`
    (the answer is JSON, and x what it says). `LLM(prompt)` may also stand inside an expression. The answer is text,
    without blanks around it.

    The tools of the session (USE TOOL) are offered to the model. What it calls is run like a step of the script: a SQL
    tool exactly once, others as requests. A tool's error is told to the model; an endpoint that refuses or does not
    answer is a script error that ON ERROR or TRY can catch.

    ```basic
    summary = LLM "Summarise in one line: the printer on the third floor is on fire" WITH OPTIMIZE FOR speed
    TALK summary
    ```
    ```chat
    given llm answers "Printer on fire, third floor."
    bot: Printer on fire, third floor.
    ```
    """

    prompt: tuple[Expression, ...]
    options: Options
    into: Target | None

    HEADS: ClassVar[tuple[str, ...]] = ("LLM",)
    GRAMMAR: ClassVar[str] = """
        llm: "LLM"i expression ("," expression)* llm_clause*
            | "LLM"i "(" expression ("," expression)+ ")" llm_clause*
        ?llm_clause: _llm_option | "WITH"i _llm_option ("," _llm_option)*
        _llm_option: llm_goal | llm_model | llm_number | llm_system | llm_timeout | llm_context | llm_as | llm_pair
        llm_goal: OPTIMIZE_FOR (NAME | STRING | "(" expression ")")
        llm_model: "MODEL"i expression | "USING"i ["MODEL"i] expression
        llm_number: (TEMPERATURE | MAX_OF) expression
        llm_system: (SYSTEM_PROMPT | "SYSTEM"i) expression
        llm_timeout: "TIMEOUT"i expression [TIME_UNIT]
        llm_context: "CONTEXT"i expression
        llm_as: "AS"i NAME
        llm_pair: NAME "=" expression
        OPTIMIZE_FOR.5: /OPTIMI[SZ]ED?(?:[ _]+FOR)?(?!\\w)/i
        TEMPERATURE.5: /TEMPERATURE(?!\\w)(?![ ]*=(?!=))/i
        MAX_OF.5: /MAX[ _]+(?:TOKENS|COST|LATENCY)(?!\\w)(?![ ]*=(?!=))/i
        SYSTEM_PROMPT.5: /SYSTEM[ _]+PROMPT(?!\\w)/i
    """
    RESULT: ClassVar[bool] = True
    TOLD: ClassVar[bool] = True

    @classmethod
    def build(cls, written: Written) -> Self:
        parsed = written.parsed
        return cls(written.place, parsed.expressions(), _options(parsed), written.into)

    def run(self, here: Here) -> Move:
        match here.why:
            case Resumed(event=QueryAnswered(value=tools), wait=ForQuery()) if here.memo is None:
                return self.ask(here, tools)
            case Resumed(event=QueryFailed(message=message, kind=kind)) if here.memo is None:
                raise ScriptError(message, kind)
            case Entered() if TOOLS not in here.kept and here.moment.session_id:
                return Ask(Query("get_session_variable", (TOOLS,)))  # what the session's other scripts offer
            case Entered():
                return self.ask(here, here.kept.get(TOOLS))
            case _:
                return self.take(here, go_on(here))

    def ask(self, here: Here, tools: Value) -> Move:
        """Begin the conversation with the model, the session's tools at its hand."""
        said = _values(here, self.options)
        messages = _conversation(self.prompt, said.pop("context", None), here)
        system = _system(said.pop("system", None), here)
        if system:
            messages.insert(0, {"role": "system", "content": system})
        asked = _asked(here, said)
        if isinstance(tools, list) and tools:
            asked[TOOLS] = [to_text(t).lower() for t in tools]
        return ask(here, messages, asked, _deadline(here, said))

    def take(self, here: Here, answer: Move | str) -> Move:
        """Store the answer, if that is what has come."""
        if not isinstance(answer, str):
            return answer
        wants_json = any(name == "format" for name, _ in self.options)
        return here.into(self.into, _read_json(answer) if wants_json else answer)


@dataclass(frozen=True, slots=True)
class Rewrite(Step):
    """Have a language model rewrite a text clearly, in its own language: `x = REWRITE text`.

    It takes the options of LLM. The system prompt and the tools of the session play no part in it.

    ```basic
    note = REWRITE "we is open at 9 tommorow"
    TALK note
    ```
    ```chat
    given llm answers "We open at 9 tomorrow."
    bot: We open at 9 tomorrow.
    ```
    """

    prompt: tuple[Expression, ...]
    options: Options
    into: Target | None

    HEADS: ClassVar[tuple[str, ...]] = ("REWRITE",)
    GRAMMAR: ClassVar[str] = """
        rewrite: "REWRITE"i expression llm_clause*
    """
    RESULT: ClassVar[bool] = True

    @classmethod
    def build(cls, written: Written) -> Self:
        parsed = written.parsed
        return cls(written.place, parsed.expressions(), _options(parsed), written.into)

    def run(self, here: Here) -> Move:
        if here.why != ENTERED:
            answer = go_on(here)
            return here.into(self.into, answer) if isinstance(answer, str) else answer
        said = _values(here, self.options)
        messages = _conversation(self.prompt, said.pop("context", None), here)
        instruction = "\n".join(filter(None, (REWRITING, to_text(said.pop("system", None)))))
        messages.insert(0, {"role": "system", "content": instruction})
        return ask(here, messages, _asked(here, said), _deadline(here, said))


# ── what was written ───────────────────────────────────────────────────────────────────────────────


def _options(parsed: Parsed) -> Options:
    """Return the options of a statement, in order, by their names. Raises Misuse."""
    like = parsed.expressions()[0]
    clauses = [p for p in parsed.parts if isinstance(p, Parsed)]
    parts = [part for c in clauses for part in (c.parts if c.rule == "llm_clause" else (c,))]
    found = [_option(part, like) for part in parts if isinstance(part, Parsed)]
    return tuple(option for option in found if option is not None)


def _option(part: Parsed, like: Expression) -> tuple[str, Expression] | None:
    words, expressions = part.words(), part.expressions()
    match part.rule:
        case "llm_goal":
            return "optimize_for", expressions[0] if expressions else _text(words[-1].lower(), like)
        case "llm_number":
            return "_".join(words[0].lower().replace("_", " ").split()), expressions[0]
        case "llm_timeout":
            return "timeout" if not words else f"timeout {unit_seconds(words[0])}", expressions[0]
        case "llm_as":
            if words[0].upper() not in ("JSON", "TEXT", "STRING"):
                raise Misuse(f"LLM gives text or JSON, not {words[0]}", "for example: x = LLM prompt AS JSON")
            return ("format", _text("json", like)) if words[0].upper() == "JSON" else None
        case "llm_pair":
            name = _OPTIONS.get(words[0].lower())
            if name is None:
                raise Misuse(f"LLM knows no option {words[0]}", f"it knows {', '.join(sorted(set(_OPTIONS.values())))}")
            return name, expressions[0]
        case rule:
            return rule.removeprefix("llm_"), expressions[0]


def _text(text: str, like: Expression) -> Expression:
    """Return a text as an expression with the place of another."""
    node = ast.Constant(text)
    node.lineno, node.col_offset = like.line, like.column
    return Expression(text, node, like.line, like.column)


# ── what is asked ──────────────────────────────────────────────────────────────────────────────────


def _values(here: Here, options: Options) -> dict[str, Value]:
    """Return the options' values, numbers within their limits. Raises ScriptError."""
    values: dict[str, Value] = {}
    for written, expression in options:
        name, _, unit = written.partition(" ")
        value = here.value(expression)
        if value is None or value == "":
            continue
        if name == "timeout":
            seconds = to_number(value) * int(unit or 1)
            if not 0 < seconds <= TIMEOUT_SECONDS_MAX:
                raise ScriptError("the TIMEOUT of LLM lies between 0 and a year")
            value = seconds
        elif name in _NUMBERS:
            number, (least, most) = to_number(value), _NUMBERS[name]
            if not least <= number <= most:
                raise ScriptError(f"{name.replace('_', ' ').upper()} of LLM lies between {least} and {most}")
            value = int(number) if name == "max_tokens" else number
        values[name] = value if name in _NUMBERS or name in ("timeout", "context") else to_text(value)
    return values


def _conversation(prompt: tuple[Expression, ...], context: Value, here: Here) -> list[Value]:
    """Return the messages that a prompt is; a list of objects with role and content is them already."""
    values = [here.value(e) for e in prompt]
    first = values[0]
    messages: list[Value] = []
    if isinstance(first, list) and all(isinstance(m, dict) and {"role", "content"} <= m.keys() for m in first):
        said = [m for m in first if isinstance(m, dict)]
        messages += [{"role": to_text(m["role"]), "content": to_text(m["content"])} for m in said]
        values = values[1:]
    texts = [to_text(v) for v in values]
    if context is not None:
        texts.append(context if isinstance(context, str) else to_json(context))
    text = "\n\n".join(t for t in texts if t.strip())
    if text:
        messages.append({"role": "user", "content": text})
    if not messages:
        raise ScriptError("the prompt is empty: there is nothing to ask the language model", "llm")
    return messages


def _system(own: Value, here: Here) -> str:
    """Return the system prompt: that of the statement, else the one that is kept; then what SET CONTEXT said."""
    texts = [to_text(own or here.kept.get(SYSTEM_PROMPT))]
    context = here.kept.get(CONTEXT)
    for name, value in context.items() if isinstance(context, dict) else ():
        texts.append(f"{name}: {to_text(value)}" if name else to_text(value))
    return "\n\n".join(text for text in texts if text.strip())


def _asked(here: Here, said: dict[str, Value]) -> dict[str, Value]:
    """Return what a request says beside its messages."""
    asked = {k: v for k, v in said.items() if k not in ("timeout", "max_cost", "max_latency")}
    if "model" not in asked and (model := here.kept.get(MODEL)):
        asked["model"] = model
    for name, goal in (("max_cost", "cost"), ("max_latency", "speed")):
        if name in said:
            asked.setdefault("optimize_for", goal)
    return asked


def _deadline(here: Here, said: dict[str, Value]) -> datetime | None:
    seconds = said.get("timeout")
    return here.now + timedelta(seconds=float(seconds)) if isinstance(seconds, int | float) else None


def _read_json(answer: str) -> Value:
    """Return what an answer AS JSON says; models like to put it into a block of Markdown. Raises ScriptError."""
    try:
        return parse_json(_MARKDOWN.sub(r"\1", answer))
    except ScriptError:
        raise ScriptError(f"the language model's answer is no JSON: {show(answer)}", "llm") from None
