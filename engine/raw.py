"""Statements as parsed, before calls are lifted out of their expressions and steps are numbered."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TypeAlias

from lark import Token, Tree

from engine.grammar import ExpressionParser, NodeBuilder, variable_name
from engine.source import Block, LogicalLine, Source
from engine.steps import Step


@dataclass(frozen=True, slots=True)
class RawExpression:
    """An expression's tree with the text it was written as and its offset in the file."""

    node: ast.expr
    text: str
    offset: int


@dataclass(frozen=True, slots=True)
class RawTarget:
    """An assignment target whose indexes are still trees."""

    name: str
    path: tuple[RawExpression, ...]
    offset: int


@dataclass(frozen=True, slots=True)
class RawParsed:
    """A rule of the grammar with its parts."""

    rule: str
    parts: tuple[RawPart, ...] = ()

    def expressions(self) -> list[RawExpression]:
        """Return the expressions among the parts, in order."""
        return [p for p in self.parts if isinstance(p, RawExpression)]


RawPart: TypeAlias = "RawExpression | RawTarget | RawParsed | str"


@dataclass(slots=True)
class RawSection:
    """One part of a block statement; its body grows while lines are read."""

    parsed: RawParsed
    line: LogicalLine
    body: list[Statement] = field(default_factory=list)


@dataclass(slots=True)
class Statement:
    """One statement of a script: its kind, what was parsed, and its sections where it holds others."""

    kind: type[Step]
    parsed: RawParsed
    line: LogicalLine
    offset: int
    into: RawTarget | None = None
    sections: list[RawSection] = field(default_factory=list)
    block: Block | None = None
    braces: bool = False


class TreeReader:
    """Turns lark's trees of one logical line into raw parts, with offsets of the file."""

    def __init__(self, parser: ExpressionParser, source: Source, line: LogicalLine) -> None:
        self.parser = parser
        self.source = source
        self.line = line

    def read(self, tree: Tree[Token], base: int) -> RawParsed:
        """Return a rule's tree as a raw part; `base` is the file's offset of the parsed text."""
        parts = tuple(self.part(child, base) for child in tree.children)
        return RawParsed(str(tree.data), parts)

    def part(self, child: Tree[Token] | Token, base: int) -> RawPart:
        """Return one child of a tree as a raw part."""
        if isinstance(child, Token):
            if child.type == "STRING":
                return self.expression(child, base)
            return str(child)
        if child.data in ("expression", "value"):
            return self.expression(child, base)
        if child.data == "target":
            return self.target(child, base)
        return self.read(child, base)

    def expression(self, tree: Tree[Token] | Token, base: int) -> RawExpression:
        """Return an expression's tree as nodes, with the text its author wrote."""
        start, end = extent(tree)
        builder = NodeBuilder(self.parser, self.source, base, self.line.literals)
        if isinstance(tree, Token):
            node = builder.literal(self.line.literals[base + start])
        else:
            node = builder.build(tree)
        return RawExpression(node, self.source.text[base + start : base + end], base + start)

    def target(self, tree: Tree[Token], base: int) -> RawTarget:
        """Return an assignment target: its variable's name folded, its path as nodes."""
        name, *parts = tree.children
        path = []
        for part in parts:
            assert isinstance(part, Tree)
            inner = part.children[0]
            if isinstance(inner, Token):
                at = base + (inner.start_pos or 0)
                path.append(RawExpression(self.placed(ast.Constant(str(inner)), at), str(inner), at))
            else:
                path.append(self.expression(inner, base))
        assert isinstance(name, Token)
        return RawTarget(variable_name(str(name)), tuple(path), base + (name.start_pos or 0))

    def block(self, block: Block) -> RawExpression:
        """Return the verbatim lines of a BEGIN block as one text expression, joined by newlines."""
        builder = NodeBuilder(self.parser, self.source, block.start, self.line.literals)
        parts: list[ast.expr] = []
        for literal in block.lines:
            if parts:
                parts.append(self.placed(ast.Constant("\n"), literal.start))
            parts.append(builder.literal(literal))
        node = ast.Call(self.placed(ast.Name("$text"), block.start), parts, [])
        return RawExpression(self.placed(node, block.start), self.source.text[block.start : block.end], block.start)

    def placed(self, node: ast.expr, offset: int) -> ast.expr:
        """Return the node with the place of an offset."""
        node.lineno, node.col_offset = self.source.place(offset)
        return node


def extent(tree: Tree[Token] | Token) -> tuple[int, int]:
    """Return where a tree begins and ends in the text that was parsed; an empty one at its start."""
    if isinstance(tree, Token):
        return tree.start_pos or 0, tree.end_pos or 0
    if tree.meta.empty:
        return 0, 0
    return tree.meta.start_pos, tree.meta.end_pos
