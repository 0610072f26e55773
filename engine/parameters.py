"""What a script is given: the types of PARAM, their JSON schema, and the checking of arguments against them.

The schema is JSON Schema as the function calls of language models and MCP take it: an object with `properties`
and `required` (JSON Schema 2020-12, https://json-schema.org/draft/2020-12/schema).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import cast

from engine.answers.words import NO, YES
from engine.dates import parse_date
from engine.errors import ScriptError
from engine.values import Value, to_text

# What an author may write -> JSON type and format. A type that is none of these is text.
_WRITTEN: dict[str, str] = {
    "string": "string text str varchar char phone mobile telephone name zipcode cep cpf cnpj password secret "
    "file image audio video document language color",
    "integer": "integer int long bigint smallint",
    "number": "number float decimal double numeric real money currency amount single",
    "boolean": "boolean bool",
    "array": "array list collection",
    "object": "object json map dictionary",
    "": "any variant value",
    "date": "date",
    "date-time": "datetime timestamp",
    "time": "time hour",
    "email": "email mail",
    "uri": "url link uri",
    "uuid": "uuid guid",
}
TYPES: dict[str, str] = {name: kind for kind, names in _WRITTEN.items() for name in names.split()}
_FORMATS = frozenset({"date", "date-time", "time", "email", "uri", "uuid"})
_SAID = {
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "date": "a date",
    "date-time": "a date and a time",
}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One thing that a script is given. `kind` is a JSON type or a format of text; `choices` are those of an
    enumeration; `required` says that a model must give it."""

    name: str
    kind: str = "string"
    description: str = ""
    example: Value = None
    default: Value = None
    choices: tuple[Value, ...] = ()
    required: bool = True

    def schema(self) -> dict[str, Value]:
        """Return its JSON schema."""
        schema: dict[str, Value] = {}
        if self.kind in _FORMATS:
            schema = {"type": "string", "format": self.kind}
        elif self.kind:
            schema = {"type": self.kind}
        if self.description:
            schema["description"] = self.description
        if self.choices:
            schema["enum"] = list(self.choices)
        if self.example is not None:
            schema["examples"] = [self.example]
        if self.default is not None:
            schema["default"] = self.default
        return schema


def kind_of_type(written: str) -> str:
    """Return the JSON type, or the format of text, that a type in a PARAM means."""
    return TYPES.get(written.lower(), "string")


def schema_of(parameters: Sequence[Parameter]) -> dict[str, Value]:
    """Return the JSON schema of an object that holds the parameters."""
    return {
        "type": "object",
        "properties": {p.name: p.schema() for p in parameters},
        "required": [p.name for p in parameters if p.required],
    }


def check_arguments(schema: Mapping[str, Value], given: Mapping[str, Value]) -> dict[str, Value]:
    """Return arguments by name, typed as a tool's schema says. Raises ScriptError that names the parameter."""
    properties = cast("dict[str, dict[str, Value]]", schema.get("properties") or {})
    names = {name.lower(): name for name in properties}
    checked: dict[str, Value] = {}
    for name, value in given.items():
        known = names.get(name.lower())
        if known is None:
            near = get_close_matches(name.lower(), names, 1, 0.6)
            hint = f"; did you mean {names[near[0]]}?" if near else ""
            raise ScriptError(f"there is no parameter {name}{hint}", "parameter")
        found = properties[known]
        kind = str(found.get("format") or found.get("type") or "")
        choices = found.get("enum")
        checked[known] = check_argument(known, kind, tuple(choices) if isinstance(choices, list) else (), value)
    required = schema.get("required")
    missing = [n for n in (required if isinstance(required, list) else ()) if checked.get(str(n)) is None]
    if missing:
        raise ScriptError(f"the parameter {to_text(missing[0])} is missing", "parameter")
    return checked


def check_argument(name: str, kind: str, choices: tuple[Value, ...], value: Value) -> Value:
    """Return one argument typed; NULL stays NULL. Raises ScriptError that names the parameter."""
    if value is None:
        return None
    typed = _typed(kind, value)
    if typed is None:
        raise ScriptError(f"the parameter {name} must be {_SAID.get(kind, 'text')}, not {_shown(value)}", "parameter")
    if choices and typed not in choices:
        same = [c for c in choices if to_text(c).casefold() == to_text(typed).casefold()]
        if not same:
            listed = ", ".join(map(to_text, choices))
            raise ScriptError(f"the parameter {name} must be one of {listed}, not {_shown(value)}", "parameter")
        return same[0]
    return typed


def _typed(kind: str, value: Value) -> Value:
    """Return the value as that kind holds it, or None where it is none of it."""
    match kind:
        case "integer":
            number = _number(value)
            return int(number) if number is not None and number == int(number) else None
        case "number":
            return _number(value)
        case "boolean":
            return _boolean(value)
        case "array":
            return value if isinstance(value, list) else None
        case "object":
            return value if isinstance(value, dict) else None
        case "date" | "date-time":
            date = parse_date(value) if isinstance(value, str) else None
            if date is None:
                return None
            return date.time.date().isoformat() if kind == "date" else date.text()
        case "":
            return value
        case _:
            return value if isinstance(value, str) else to_text(value)


def _number(value: Value) -> int | float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return value
    if not isinstance(value, str):
        return None
    text = value.strip()
    try:
        return int(text)
    except ValueError:
        pass
    try:
        number = float(text)
    except ValueError:
        return None
    return number if number == number and abs(number) != float("inf") else None


def _boolean(value: Value) -> bool | None:
    if isinstance(value, bool):
        return value
    word = to_text(value).strip().casefold()
    if word in ("1", *YES):
        return True
    return False if word in ("0", *NO) else None


def _shown(value: Value) -> str:
    text = to_text(value)
    return f"“{text[:60]}…”" if len(text) > 60 else f"“{text}”"
