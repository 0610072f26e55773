"""What is wrong with a statement's syntax, in a sentence for its author."""

from __future__ import annotations

import difflib
import re

from lark import UnexpectedInput
from lark.exceptions import UnexpectedCharacters, UnexpectedToken

from engine.source import MASK

EXPRESSION_CHARACTERS_MAX = 10_000
BRACKETS_MAX = 50
WORDS_SHOWN_MAX = 6

_SIGNS = {"RPAR": ")", "RSQB": "]", "RBRACE": "}", "COLON": ":", "COMMA": ",", "EQUAL": "="}
_VALUES = frozenset({"NAME", "NUMBER", "STRING"})
# The operators of an expression: after a value they may always stand, so they are not worth naming.
_OPERATORS = frozenset(
    re.findall(
        r"\w+",
        "AND OR NOT MOD IS IN LIKE ILIKE CONTAINS STARTS ENDS BETWEEN PLUS MINUS STAR SLASH BACKSLASH PERCENT"
        " CIRCUMFLEX AMPERSAND EQUAL LESSTHAN MORETHAN DOT QMARK LPAR LSQB BANG NAME WORD NUMBER STRING"
        " BARE_CALL FORMAT_CALL NEW_OBJECT NEW_ARRAY ERROR_MESSAGE TRUE FALSE NULL LBRACE",
    )
)
_TOKEN = re.compile(rf'"{MASK}*"|[\w$]+|<>|[<>=!]=|&&|\|\||\?\?|\?\.|\S')
_LAST = re.compile(rf'(?:"{MASK}*"|[\w$]+|<>|[<>=!]=|&&|\|\||\?\?|\?\.|\S)$')


class Syntax(Exception):
    """A statement that does not parse: `offset` in the file, `message` and `hint` for the author."""

    def __init__(self, offset: int, message: str, hint: str = "") -> None:
        self.offset, self.message, self.hint = offset, message, hint
        super().__init__(message)


def check_limits(text: str, start: int) -> None:
    """Raise Syntax for a statement too long, or with brackets too deep, to be worth parsing. What stands in quotes is
    masked and does not count: a long prompt is one text."""
    if len(text) > EXPRESSION_CHARACTERS_MAX < len(text) - text.count(MASK):
        message = f"this is longer than {EXPRESSION_CHARACTERS_MAX:,} characters"
        raise Syntax(start, message, "split it into several statements")
    depth = 0
    for found in re.finditer(r"[(\[{]|[)\]}]", text):
        depth += 1 if found[0] in "([{" else -1
        if depth > BRACKETS_MAX:
            message = f"brackets stand more than {BRACKETS_MAX} deep here"
            raise Syntax(start + found.start(), message, "put the inner parts into variables first")


def explain(error: UnexpectedInput, text: str) -> tuple[int, str]:
    """Return where in `text` (one masked statement) the error is, and a sentence on what may stand there."""
    if isinstance(error, UnexpectedToken) and error.token.type == "$END":
        offset = len(text.rstrip())
    else:
        offset = error.pos_in_stream if error.pos_in_stream is not None else len(text)
    found, before = _shown(_TOKEN.match(text, offset)), _shown(_LAST.search(text[:offset].rstrip()))
    return offset, _sentence(_accepted(error), found, before)


def _accepted(error: UnexpectedInput) -> frozenset[str]:
    parser = getattr(error, "interactive_parser", None)
    if parser is not None:
        return frozenset(parser.accepts())
    if isinstance(error, UnexpectedToken):
        return frozenset(error.expected)
    return frozenset(error.allowed or ()) if isinstance(error, UnexpectedCharacters) else frozenset()


def _shown(found: re.Match[str] | None) -> str:
    if found is None:
        return ""
    return "the text" if found[0].startswith('"') else f'"{found[0]}"'


def _sentence(accepted: frozenset[str], found: str, before: str) -> str:
    after = f" after {before}" if before else ""
    instead = f", not {found}" if found else ""
    if accepted >= _VALUES:
        return f"a value is expected{after or ' here'}{instead}"
    if {"WORD", "STRING"} <= accepted:
        return f"a key is expected{after}{instead}"
    if "NAME" in accepted or "WORD" in accepted:
        return f"a name is expected{after or ' here'}{instead}"
    wanted = _listed(accepted)
    if not found:
        return f"{wanted} is missing here" if wanted else f"something is missing{after or ' here'}"
    if wanted and "$END" not in accepted:
        return f"{wanted} is expected{after or ' here'}{instead}"
    if near := difflib.get_close_matches(found.strip('"').upper(), [n for n in accepted if n.isalpha()], 1, 0.7):
        return f"{found} cannot stand{after or ' here'}: did you mean {near[0]}?"
    if before and re.match(r'"?[\w(\[{]|the text', found) and not re.fullmatch(r'"\W+"', before):
        return f"{found} cannot follow {before}: an operator or a comma is missing between them"
    or_else = f"; {wanted} may" if wanted else ""
    return f"{found} cannot stand{after or ' here'}{or_else}"


def _listed(accepted: frozenset[str]) -> str:
    signs = [f'"{_SIGNS[name]}"' for name in sorted(accepted & _SIGNS.keys()) if name not in _OPERATORS]
    words = [
        f'"{name}"'
        for name in sorted(accepted - _SIGNS.keys() - _OPERATORS)
        if not name.startswith(("$", "_")) and name.isupper()
    ]
    shown = (words + signs)[:WORDS_SHOWN_MAX]
    return " or ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)
