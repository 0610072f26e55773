"""PARAM and DESCRIPTION: what makes a script a tool, with parameters that are checked and typed."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import ClassVar, Self

from engine.expressions import Expression
from engine.parameters import Parameter, check_argument, kind_of_type
from engine.steps import NEXT, Here, Misuse, Move, Next, Parsed, Step, Target, Written, constant_of
from engine.values import Value, to_text

# Text without quotes runs to the end of the line or to the next clause. A number, a list, an object and what stands
# in quotes are expressions; everything else is meant as it is written, for these clauses are read by compilers only.
_CLAUSES = "AS|LIKE|DESCRIPTION|OPTIONAL|REQUIRED|DEFAULT|ENUM"
_PROSE = rf"""
        PROSE.9: /(?!["'\[{{(])(?!-?[\d.]+\s*(?:$|[A-Z]))\S.*?(?=\s+(?:{_CLAUSES})(?!\w)|\s*$)/i
"""


@dataclass(frozen=True, slots=True)
class Param(Step):
    """Declare what the script is given: `PARAM name [AS type] [LIKE example] [DESCRIPTION d] [OPTIONAL] [DEFAULT e]`.

    Missing is DEFAULT, else NULL. A value is made to fit its type, or the script fails with a sentence that names
    the parameter. `AS "a", "b"` or `ENUM ["a", "b"]` lists the values, `AS "a long text"` describes. LIKE and
    DESCRIPTION need no quotes. Arguments of `CALL "script.bas", …` follow the order of the PARAMs. With DESCRIPTION,
    PARAMs make a script a tool that a language model may call: `stepwell tools` prints its JSON schema.

    ```basic
    PARAM colour AS STRING LIKE red DESCRIPTION "The colour of the car" DEFAULT "blue"
    PARAM doors AS INTEGER DEFAULT "4"
    PARAM size AS "small", "large" OPTIONAL
    TALK "A ${colour} car with ${doors + 1} doors"
    ```
    ```chat
    bot: A blue car with 5 doors
    ```
    """

    variable: str
    type: str
    description: str
    example: Expression | str | None
    default: Expression | None
    choices: tuple[Expression, ...]
    required: bool

    HEADS: ClassVar[tuple[str, ...]] = ("PARAM",)
    GRAMMAR: ClassVar[str] = (
        """
        param: "PARAM"i NAME param_clause*
        ?param_clause: param_as | param_enum | param_like | param_description | param_default | param_optional
            | param_required
        param_as: "AS"i NAME ["(" NUMBER ")"]
            | "AS"i STRING ("," STRING)* -> param_as_text
        param_enum: "ENUM"i expression ("," expression)*
        param_like: "LIKE"i (expression | PROSE)
        param_description: "DESCRIPTION"i (expression | PROSE)
        param_default: "DEFAULT"i expression
        param_optional: "OPTIONAL"i
        param_required: "REQUIRED"i
    """
        + _PROSE
    )

    @classmethod
    def build(cls, written: Written) -> Self:
        parsed = written.parsed
        kind, choices, description = _type_of(parsed)
        default = parsed.expression_of("param_default")
        example = _example(parsed)
        like = default.node if default else None
        if isinstance(like, ast.Call) and isinstance(like.func, ast.Name) and like.func.id == "$like" and default:
            # `DEFAULT 1 LIKE 5` is two clauses here, not a comparison.
            example = example or Expression(default.text, like.args[1], default.line, default.column)
            default = Expression(default.text, like.args[0], default.line, default.column)
        enum = parsed.find("param_enum")
        required = parsed.find("param_optional") is None and default is None
        return cls(
            written.place,
            parsed.words()[0].lower(),
            kind,
            _prose(parsed, "param_description") or description,
            example,
            default,
            enum.expressions() if enum else choices,
            required or parsed.find("param_required") is not None,
        )

    def parameter(self) -> Parameter:
        """Return what a caller must know of it. A default that is no literal is not told."""
        choices = tuple(v for e in self.choices for v in _listed(static_value(e)))
        example = static_value(self.example) if isinstance(self.example, Expression) else self.example
        kind = kind_of_type(self.type)
        if choices and all(isinstance(c, int) and not isinstance(c, bool) for c in choices):
            kind = "integer"
        default = static_value(self.default) if self.default else None
        return Parameter(self.variable, kind, self.description, example, default, choices, self.required)

    def run(self, here: Here) -> Move:
        given = here.lookup(self.variable)
        if given is None and self.default is not None:
            given = here.value(self.default)
        choices = tuple(v for e in self.choices for v in _listed(here.value(e)))
        typed = check_argument(self.variable, kind_of_type(self.type) if self.type else "", choices, given)
        return NEXT if typed is None else Next(sets=(here.assignment(Target(self.variable), typed),))


@dataclass(frozen=True, slots=True)
class Description(Step):
    """Say what the script does, for whoever may call it as a tool: `DESCRIPTION "…"`, with or without quotes.

    ```basic
    DESCRIPTION Says how the weather is
    PARAM city AS STRING LIKE "Recife" DEFAULT "Lisbon"
    TALK "Sunny in ${city}"
    ```
    ```chat
    bot: Sunny in Lisbon
    ```
    """

    text: str

    HEADS: ClassVar[tuple[str, ...]] = ("DESCRIPTION",)
    GRAMMAR: ClassVar[str] = """
        description: "DESCRIPTION"i (expression | PROSE)
    """

    @classmethod
    def build(cls, written: Written) -> Self:
        return cls(written.place, _prose(Parsed("", (written.parsed,)), written.parsed.rule))

    def run(self, here: Here) -> Move:
        return NEXT


def static_value(expression: Expression) -> Value:
    """Return the value of an expression made of literals alone; NULL for every other."""
    return _static(expression.node)


def _static(node: ast.expr) -> Value:
    match node:
        case ast.Constant(value=str() | int() | float() | None as value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
            return -value
        case ast.List(elts=items):
            return [_static(item) for item in items]
        case ast.Call(func=ast.Name(id="$text"), args=parts) if all(isinstance(p, ast.Constant) for p in parts):
            return "".join(to_text(_static(part)) for part in parts)
        case _:
            return None


def _listed(value: Value) -> list[Value]:
    return value if isinstance(value, list) else [value]


def _type_of(parsed: Parsed) -> tuple[str, tuple[Expression, ...], str]:
    """Return the type, the choices and the description that the AS clause means."""
    named = parsed.find("param_as")
    if named is not None:
        return named.words()[0], (), ""
    texts = parsed.find("param_as_text")
    if texts is None:
        return "", (), ""
    if len(texts.expressions()) > 1:
        return "string", texts.expressions(), ""
    return "string", (), to_text(static_value(texts.expressions()[0]))


def _example(parsed: Parsed) -> Expression | str | None:
    clause = parsed.find("param_like")
    if clause is None:
        return None
    return clause.expressions()[0] if clause.expressions() else clause.words()[0].strip()


def _prose(parsed: Parsed, rule: str) -> str:
    """Return the text of a clause, written with quotes or without."""
    clause = parsed.find(rule)
    if clause is None:
        return ""
    if not clause.expressions():
        return clause.words()[0].strip()
    expression = clause.expressions()[0]
    text = static_value(expression)
    if text is None and constant_of(expression) is None:
        raise Misuse("a description is a text without variables", 'DESCRIPTION "What the script does"')
    return to_text(text)
