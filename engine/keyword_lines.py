"""A keyword of somebody else as a statement: the operands of its phrase parsed as expressions."""

from __future__ import annotations

import ast
import re
from typing import Protocol

from engine.grammar import Syntax, variable_name
from engine.phrases import CONDITIONS, TIMED, Clause, Operand, Phrase, Token, is_head_word
from engine.raw import RawExpression, RawParsed, RawPart, RawTarget, Statement
from engine.registry import class_named
from engine.source import LogicalLine, Source

_UNIT = re.compile(r"\s+([^\W\d]+)$")
_TIMEOUT_UNITS = re.compile(r"(?:SECOND|MINUTE|HOUR|DAY|WEEK)S?", re.IGNORECASE)

_CHOICES = (("IF", "", "THEN"), ("IF", "", "THEN", "ELSE"))


class Reader(Protocol):
    """What is asked of the reader of lines."""

    source: Source
    given: frozenset[str]

    def part(self, rule: str, line: LogicalLine, text: str, at: int) -> RawPart:
        """Return what a text is by a rule. Raises Syntax."""


class KeywordLines:
    """Makes the statement of one phrase, whose text stands at offset `at`."""

    def __init__(self, reader: Reader, line: LogicalLine, text: str, at: int) -> None:
        self.reader, self.line, self.text, self.at = reader, line, text, at
        self.folded = {variable_name(name) for name in reader.given}

    def statement(self, phrase: Phrase, into: RawTarget | None) -> Statement:
        """Return the phrase as a statement. Raises Syntax for an operand that is no expression."""
        foreign = next((c for c in phrase.clauses if c.name.split()[:1] in (["THEN"], ["ELSE"], ["ELSEIF"])), None)
        if foreign is not None:
            raise Syntax(self.at + foreign.start, f"{foreign.name.split()[0]} belongs to an IF, and this is none")
        clauses = tuple(RawParsed("clause", (c.name, *self.parts(c))) for c in phrase.clauses)
        parsed = RawParsed("keyword", (phrase.words, *clauses))
        return Statement(class_named("Keyword"), parsed, self.line, self.at, into=into, block=self.line.block)

    def plain(self, phrase: Phrase) -> list[RawExpression] | None:
        """Return the operands of a pure function called without brackets, each an expression as any other: a name is
        a variable, `=` compares. None where there are clauses, which functions have not; but IF c THEN a ELSE b."""
        names = [c.name for c in phrase.clauses]
        if names != [""] and (phrase.words, *names) not in _CHOICES:
            return None
        operands = [operand for clause in phrase.clauses for operand in clause.operands]
        return [self.expression(o.key.start if o.key else o.start, o.end) for o in operands]

    def parts(self, clause: Clause) -> list[RawPart]:
        """Return the operands of a clause; `k = v` as a pair."""
        if clause.name in CONDITIONS and clause.operands:
            return [self.condition(clause.operands[0].start, clause.operands[-1].end)]
        parts: list[RawPart] = []
        for operand in clause.operands:
            start, end = operand.start, operand.end
            unit = _UNIT.search(self.text[start:end]) if clause.name in TIMED else None
            if unit and clause.name == "TIMEOUT":
                if not _TIMEOUT_UNITS.fullmatch(unit[1]):
                    raise Syntax(self.at + start, f"a TIMEOUT has no {unit[1]}", "SECONDS, MINUTES, HOURS or DAYS")
                parts.append(RawParsed("unit", (unit[1],)))
            if unit:
                end = start + unit.start()
            value = self.value(operand) if end == operand.end else self.expression(start, end)
            if unit and clause.name != "TIMEOUT":
                value = RawExpression(
                    self.call("$text", [value.node, self.constant(f" {unit[1].lower()}", start)], start),
                    self.said(start, operand.end),
                    self.at + start,
                )
            parts.append(RawParsed("pair", (self.key(operand.key), value)) if operand.key else value)
        return parts

    def value(self, operand: Operand) -> RawExpression:
        """Return an operand: an upper-case word that is no variable means itself, and so does a name that has no
        value when the statement runs."""
        word = operand.word
        folded = variable_name(word)
        is_word = bool(word) and folded not in ("true", "false", "null", "error") and word not in self.reader.given
        if is_word and is_head_word(word) and folded not in self.folded:
            return RawExpression(self.constant(word, operand.start), word, self.at + operand.start)
        found = self.expression(operand.start, operand.end)
        if is_word and folded not in self.folded and isinstance(found.node, ast.Name):
            node = self.call("$coalesce", [found.node, self.constant(word, operand.start)], operand.start)
            return RawExpression(node, word, found.offset)
        return found

    def condition(self, start: int, end: int) -> RawExpression:
        """Return a condition as the text it was written as, with the values of its names; a text as it is."""
        text = self.said(start, end)
        try:
            node = self.expression(start, end).node
        except Syntax:
            return RawExpression(self.constant(text, start), text, self.at + start)
        if not isinstance(node, ast.Compare | ast.BoolOp | ast.UnaryOp):
            return RawExpression(node, text, self.at + start)
        names = sorted({n.id for n in ast.walk(node) if isinstance(n, ast.Name) and n.id[0] not in "$."} & self.folded)
        values = [part for n in names for part in (self.constant(n, start), self.name(n, start))]
        members = [self.constant("text", start), self.constant(text, start)]
        members += [self.constant("values", start), self.call("$object", values, start)]
        return RawExpression(self.call("$object", members, start), text, self.at + start)

    def key(self, token: Token) -> RawExpression:
        """Return the key of a pair: a word means itself."""
        if token.kind == "text":
            return self.expression(token.start, token.end)
        return RawExpression(self.constant(token.text, token.start), token.text, self.at + token.start)

    def expression(self, start: int, end: int) -> RawExpression:
        """Return a part of the text as an expression. Raises Syntax."""
        found = self.reader.part("expression", self.line, self.text[start:end], self.at + start)
        assert isinstance(found, RawExpression)
        return found

    def said(self, start: int, end: int) -> str:
        """Return a part of the text as its author wrote it."""
        return self.reader.source.text[self.at + start : self.at + end]

    def constant(self, value: str, start: int) -> ast.expr:
        return self.placed(ast.Constant(value), start)

    def name(self, name: str, start: int) -> ast.expr:
        return self.placed(ast.Name(name), start)

    def call(self, function: str, arguments: list[ast.expr], start: int) -> ast.expr:
        return self.placed(ast.Call(self.name(function, start), arguments, []), start)

    def placed(self, node: ast.expr, start: int) -> ast.expr:
        node.lineno, node.col_offset = self.reader.source.place(self.at + start)
        return node
