"""The grammar of expressions, and how any grammar that contains it is made into a parser.

Keyword modules add their statements to EXPRESSION_GRAMMAR. They use the rules `expression` and `value` (a
right-hand side: an expression, or a call without brackets as `MAX a, b`) and the terminals NAME, WORD (a name
that may also be an operator's word), NUMBER and STRING. A word in quotes and `i`, as `"TALK"i`, is a keyword:
`build_parser` sees to it that it matches whole words only.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

from lark import Lark
from lark.lexer import PatternRE, PatternStr, TerminalDef

from engine.literals import MARKS
from engine.source import MASK

RESERVED = ("AND", "OR", "NOT", "MOD", "TRUE", "FALSE", "NULL")
"""The only words that are never a variable. They may be members and keys."""

_WORD_END = rf"(?![\w${MARKS}])"
_KEYWORD_END = _WORD_END + r"(?!\.[^\W\d])(?![ ]*=(?!=))(?!\[[^\]]*\][ ]*=(?!=))(?![ ]*(?:[&/\\^)\]},]|<>))"
_NOT_AN_OPERAND = (
    "AND OR NOT MOD IS IN LIKE ILIKE CONTAINS STARTS ENDS BETWEEN THEN ELSE DO AS TO STEP WITH FROM BY WHERE"
    " SET VALUES INTO ORDER LIMIT AT USING TIMEOUT SUBJECT BODY DATA TEMPLATE DEFAULT RETRIES DESC ASC"
).replace(" ", "|")
_BEFORE_OPERAND = rf"(?=[ ]+(?:[\"0-9.\[]|(?!(?:{_NOT_AN_OPERAND})(?!\w))[^\W\d]))"

WORD_RULES = (RESERVED, _WORD_END, _KEYWORD_END)
"""What makes a keyword's terminal besides the grammar: kept tables are of no use once it has changed."""

EXPRESSION_GRAMMAR = rf"""
expression: x_choice
value: x_choice | x_bare

x_bare: BARE_CALL x_choice ("," x_choice)* -> x_bare_call
      | FORMAT_CALL x_sum                  -> x_bare_call

?x_choice: x_or | x_or "?" x_choice ":" x_choice -> x_if
?x_or: x_and | x_and (("OR"i | "||") x_and)+ -> x_any
?x_and: x_not | x_not (("AND"i | "&&") x_not)+ -> x_all
?x_not: x_compare | ("NOT"i | "!") x_not -> x_negate
?x_compare: x_coalesce
    | x_compare "=" x_side                      -> x_eq
    | x_compare "==" x_side                     -> x_eq
    | x_compare "<>" x_side                     -> x_ne
    | x_compare "!=" x_side                     -> x_ne
    | x_compare "<" x_side                      -> x_lt
    | x_compare ("<=" | "=<") x_side            -> x_le
    | x_compare ">" x_side                      -> x_gt
    | x_compare (">=" | "=>") x_side            -> x_ge
    | x_compare "IS"i ("NULL"i | IS_EMPTY)      -> x_is_null
    | x_compare "IS"i "NOT"i ("NULL"i | IS_EMPTY) -> x_is_not_null
    | x_compare "IS"i x_known                   -> x_eq
    | x_compare "IS"i "NOT"i x_known            -> x_ne
    | x_compare "IN"i x_set                     -> x_in
    | x_compare "NOT"i "IN"i x_set              -> x_not_in
    | x_compare "LIKE"i x_coalesce              -> x_like
    | x_compare "NOT"i "LIKE"i x_coalesce       -> x_not_like
    | x_compare "ILIKE"i x_coalesce             -> x_ilike
    | x_compare "NOT"i "ILIKE"i x_coalesce      -> x_not_ilike
    | x_compare "CONTAINS"i x_coalesce          -> x_contains
    | x_compare "NOT"i "CONTAINS"i x_coalesce   -> x_not_contains
    | x_compare _STARTS x_coalesce              -> x_starts
    | x_compare _ENDS x_coalesce                -> x_ends
    | x_compare "NOT"i _STARTS x_coalesce       -> x_not_starts
    | x_compare "NOT"i _ENDS x_coalesce         -> x_not_ends
    | x_compare "BETWEEN"i x_coalesce "AND"i x_coalesce -> x_between
    | x_compare "NOT"i "BETWEEN"i x_coalesce "AND"i x_coalesce -> x_not_between
?x_known: NUMBER -> x_number | STRING -> x_string | "TRUE"i -> x_true | "FALSE"i -> x_false
?x_side: x_coalesce | ("NOT"i | "!") x_coalesce -> x_negate
?x_set: x_coalesce | "(" x_choice ("," x_choice)+ ")" -> x_list
?x_coalesce: x_text | x_coalesce "??" x_text -> x_coalesce
?x_text: x_sum | x_text "&" x_sum -> x_join
?x_sum: x_modulo | x_sum "+" x_modulo -> x_add | x_sum "-" x_modulo -> x_sub
?x_modulo: x_product | x_modulo ("MOD"i | "%") x_product -> x_mod
?x_product: x_sign
    | x_product "*" x_sign  -> x_mul
    | x_product "/" x_sign  -> x_div
    | x_product "\\" x_sign -> x_whole
?x_sign: x_power | "-" x_sign -> x_minus | "+" x_sign -> x_plus
?x_power: x_access
    | x_access "^" x_sign -> x_pow
    | FORMAT_CALL x_sum ("AS"i | ",") x_access -> x_format
?x_access: x_atom
    | x_access ("." | "?.") WORD -> x_member
    | x_access "[" x_choice "]"  -> x_index
    | x_access "(" _x_arguments ")" -> x_call
_x_arguments: (x_choice ("," x_choice)* ","?)?
?x_atom: NAME            -> x_name
    | NUMBER             -> x_number
    | STRING             -> x_string
    | "TRUE"i            -> x_true
    | "FALSE"i           -> x_false
    | "NULL"i            -> x_null
    | NEW_OBJECT         -> x_object
    | NEW_ARRAY          -> x_list
    | ERROR_MESSAGE      -> x_error
    | "(" x_choice ")"
    | "[" _x_arguments "]" -> x_list
    | ("{{" | "#{{") (x_pair ("," x_pair)* ","?)? "}}" -> x_object
x_pair: (WORD | NUMBER | STRING) ":" x_choice

NAME: /(?!(?:{"|".join(RESERVED)})(?![\w$]))[^\W\d][\w{MARKS}]*\$?/i
WORD: /[^\W\d][\w{MARKS}]*\$?/
NUMBER: /(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?(?!\w)/
STRING: /"{MASK}*"/
_STARTS.3: /STARTS[ _]*WITH(?!\w)/i
_ENDS.3: /ENDS[ _]*WITH(?!\w)/i
NEW_OBJECT.3: /NEW[ ]+OBJECT(?!\w)(?:[ ]*\([ ]*\))?/i
NEW_ARRAY.3: /NEW[ ]+ARRAY(?!\w)(?:[ ]*\([ ]*\))?/i
IS_EMPTY.3: /(?:EMPTY|NOTHING|MISSING)(?!\w)/i
ERROR_MESSAGE.3: /ERROR[ ]+MESSAGE(?!\w)/i
BARE_CALL.3: /(?:DATEADD|DATEDIFF|FIRST|LAST|MAX|MIN){_BEFORE_OPERAND}/i
FORMAT_CALL.3: /FORMAT(?:{_BEFORE_OPERAND}|(?=[ ]*\([^()]*\)[ ]+AS(?!\w)))/i
%ignore /[ \t]+/
"""


def whole_words(terminal: TerminalDef) -> None:
    """Make a keyword match a whole word only, before any name: `IFFY` is no IF, `order` stays one word.

    A keyword that is assigned to, or has members, is a variable: `list = 1`, `order.id = 2`, `data[0] = 3`.
    """
    pattern = terminal.pattern
    if isinstance(pattern, PatternStr) and re.fullmatch(r"[^\W\d]\w*", pattern.value):
        is_operator = pattern.value.upper() in (*RESERVED, "IS")
        terminal.pattern = PatternRE(f"{pattern.value}{_WORD_END if is_operator else _KEYWORD_END}", pattern.flags)
        terminal.priority += 1


def build_parser(grammar: str, start: Sequence[str]) -> Lark:
    """Return the parser of a grammar that contains EXPRESSION_GRAMMAR. Raises lark.GrammarError."""
    return Lark(
        grammar,
        parser="lalr",
        lexer="contextual",
        start=list(start),
        propagate_positions=True,
        maybe_placeholders=False,
        edit_terminals=whole_words,
    )


@cache
def expression_parser() -> Lark:
    """Return the parser of bare expressions, built on first use."""
    return build_parser(EXPRESSION_GRAMMAR, ["expression", "value"])
