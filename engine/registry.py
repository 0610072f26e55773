"""Which keywords there are: every Step subclass in a module of engine/keywords, found by being there.

From them come the words a statement may begin with, and the grammar of all statements: the keywords' own
rules joined to the expression grammar, one start symbol for each kind of line.
"""

from __future__ import annotations

import hashlib
import importlib
import pkgutil
import re
import sys
from functools import cache
from typing import Protocol

import lark
from lark import Lark

from engine import keywords as keywords_package
from engine.expression_rules import WORD_RULES
from engine.grammar import EXPRESSION_GRAMMAR, ExpressionParser, build_parser
from engine.steps import Step

# Terminals that may follow an expression must not overlap: the lexer of a LALR parser cannot tell them apart
# there. So what several keywords need stands here once.
SHARED_GRAMMAR = """
TIME_UNIT.5: /(SECOND|MINUTE|HOUR|DAY|WEEK)S?(?!\\w)/i
target: NAME target_part*
arguments: expression ("," expression)*
data_where: "WHERE"i expression
data_order: "ORDER"i "BY"i data_key ("," data_key)*
data_key: expression [data_desc | data_asc]
data_desc: _DESC
data_asc: _ASC
_DESC.3: /DESC(?:ENDING)?(?![\\w$])/i
_ASC.3: /ASC(?:ENDING)?(?![\\w$])/i
data_limit: "LIMIT"i expression
data_first: "FIRST"i
data_by: ("BY"i | "ON"i) expression ("," expression)*
data_with: "WITH"i data_pair ("," data_pair)*
data_set: "SET"i data_pair ("," data_pair)*
data_pair: (NAME | STRING) ("AS"i | "=") expression
target_part: ("." | "?.") WORD | "[" expression "]"
"""

_RULE = re.compile(r"^\s*([a-z_]+)\s*:", re.MULTILINE)


@cache
def keyword_classes() -> tuple[type[Step], ...]:
    """Return every kind of step, by module and then as written there."""
    found: list[type[Step]] = []
    for info in sorted(pkgutil.iter_modules(keywords_package.__path__), key=lambda i: i.name):
        module = importlib.import_module(f"{keywords_package.__name__}.{info.name}")
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, Step) and value.__module__ == module.__name__:
                found.append(value)
    return tuple(found)


@cache
def classes_by_head() -> dict[str, tuple[type[Step], ...]]:
    """Return the kinds of step by the words they begin with; where several share them, all are tried."""
    found: dict[str, tuple[type[Step], ...]] = {}
    for kind in keyword_classes():
        for head in kind.HEADS:
            found[head] = (*found.get(head, ()), kind)
    return found


@cache
def class_named(name: str) -> type[Step]:
    """Return the kind of step of that class name. Raises KeyError."""
    for kind in keyword_classes():
        if kind.__name__ == name:
            return kind
    raise KeyError(name)


@cache
def closers() -> dict[str, str]:
    """Return the words that close a block, with the rule of such a line."""
    return {words: rule for kind in keyword_classes() for words, rule in kind.CLOSERS.items()}


@cache
def sections() -> dict[str, str]:
    """Return the words that open a further section of a block, with the rule of such a line."""
    return {words: rule for kind in keyword_classes() for words, rule in kind.SECTIONS.items()}


def start_rule(kind: type[Step]) -> str:
    """Return the rule of a statement of this kind: the first one of its grammar."""
    match = _RULE.search(kind.GRAMMAR)
    assert match, f"{kind.__name__} has no grammar"
    return match[1]


def _grammar() -> tuple[str, list[str]]:
    """Return the grammar of all kinds of lines, and its start symbols."""
    grammars = [EXPRESSION_GRAMMAR, SHARED_GRAMMAR, *(k.GRAMMAR for k in keyword_classes())]
    starts = {"expression", "value", "target", "arguments", *closers().values(), *sections().values()}
    starts.update(start_rule(k) for k in keyword_classes() if k.GRAMMAR)
    return "\n".join(grammars), sorted(starts)


class TablesKept(Protocol):
    """Where the parser's tables outlive a process: they take seconds of CPU to build, and a moment to read."""

    def read(self, name: str) -> Lark | None:
        """Return the parser kept under a name; None where none that can be trusted was, or it cannot be read."""

    def write(self, name: str, parser: Lark) -> None:
        """Keep a parser's tables under a name, if that is possible."""


_kept: TablesKept | None = None


def keep_tables(kept: TablesKept) -> None:
    """Say where the parser's tables are kept."""
    global _kept
    _kept = kept


def tables_name() -> str:
    """Return the name of the tables that this grammar and these versions of lark and Python make."""
    said = repr((_grammar(), WORD_RULES, lark.__version__, sys.version_info[:3]))
    return hashlib.sha256(said.encode()).hexdigest()[:32]


@cache
def statement_parser() -> Lark:
    """Return the parser of all kinds of lines, built on first use or read from where its tables are kept."""
    parser = _kept.read(tables_name()) if _kept else None
    if parser is None:
        parser = build_parser(*_grammar())
        if _kept is not None:
            _kept.write(tables_name(), parser)
    return parser


@cache
def expression_reader() -> ExpressionParser:
    """Return the parser of the expressions inside strings, over the same tables."""
    return ExpressionParser(statement_parser())
