"""One logical line to one statement: which keyword it is, and its parts by the grammar.

A line is, in this order: an assignment (`x = …` has no doubt, whatever x is called); a call of a procedure
or tool by its name; a list method; the keyword with the longest matching words; else an error that names
the nearest keyword.
"""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Collection

from lark import UnexpectedInput

from engine.expressions import is_pure_function
from engine.grammar import Syntax, check_limits, explain, variable_name
from engine.later import LATER
from engine.raw import RawExpression, RawParsed, RawPart, RawTarget, Statement, TreeReader
from engine.registry import (
    class_named,
    classes_by_head,
    closers,
    expression_reader,
    sections,
    start_rule,
    statement_parser,
)
from engine.source import LogicalLine, Source
from engine.steps import Step

_ACCESS = r"(?:\s*(?:\?\.|\.)\s*[^\W\d]\w*\$?|\s*\[(?:[^\[\]]|\[[^\[\]]*\])*\])*"
_ASSIGNMENT = re.compile(rf"((?:LET|SET)\s+)?(\.?[^\W\d]\w*\$?{_ACCESS})\s*=(?!=)\s*", re.IGNORECASE)
_METHOD = re.compile(rf"[^\W\d]\w*\$?{_ACCESS}\s*\(", re.IGNORECASE)
_CALLED = re.compile(r"([^\W\d]\w*\$?)\s*(\(|(?=[\w\"\[{#!.-])|$)", re.IGNORECASE)
_WORDS = re.compile(r"[^\W\d]\w*")
_CHANGING_METHODS = ("push", "append", "splice")


def head_pattern(head: str) -> re.Pattern[str]:
    """Return what a line that begins with these words looks like; blanks and underscores join words."""
    if head.endswith('"'):
        return re.compile(rf'{head[:-2]}(?=\s*\()?\s*\(?\s*(?=")', re.IGNORECASE)
    return re.compile(r"[\s_]+".join(map(re.escape, re.split(r"[ _]", head))) + r"(?![\w$]|\.[^\W\d])", re.IGNORECASE)


_PATTERNS: dict[str, re.Pattern[str]] = {}


def longest_head(text: str, heads: Collection[str]) -> str | None:
    """Return the longest of `heads` that the text begins with, or None."""
    found = None
    for head in heads:
        pattern = _PATTERNS.get(head)
        if pattern is None:
            pattern = _PATTERNS[head] = head_pattern(head)
        if (found is None or len(head) > len(found)) and pattern.match(text):
            found = head
    return found


class LineReader:
    """Reads the lines of one file as statements. `callables` are the names of procedures and tools."""

    def __init__(self, source: Source, callables: Collection[str]) -> None:
        self.source = source
        self.callables = callables
        self.parser = expression_reader()

    # ── the grammar ──

    def parse(self, rule: str, line: LogicalLine, text: str, at: int) -> RawParsed:
        """Return the parts of `text`, which stands at offset `at`, by a statement's rule. Raises Syntax."""
        parsed = self.part(rule, line, text, at)
        return parsed if isinstance(parsed, RawParsed) else RawParsed(rule, (parsed,))

    def part(self, rule: str, line: LogicalLine, text: str, at: int) -> RawPart:
        """Return what `text`, which stands at offset `at`, is by a rule. Raises Syntax."""
        check_limits(text, at)
        try:
            tree = statement_parser().parse(text, start=rule)
        except UnexpectedInput as error:
            offset, message = explain(error, text)
            raise Syntax(at + offset, message) from None
        except RecursionError:
            raise Syntax(at, "this is nested too deep", "split it into several statements") from None
        return TreeReader(self.parser, self.source, line).part(tree, at)

    def parse_keyword(self, head: str, line: LogicalLine, text: str, at: int) -> tuple[type[Step], RawParsed]:
        """Return the first kind of step under `head` whose grammar takes the text. Raises the Syntax of the
        one that came farthest."""
        text = normal_head(head, text)
        farthest: Syntax | None = None
        for kind in classes_by_head()[head]:
            try:
                return kind, self.parse(start_rule(kind), line, text, at)
            except Syntax as error:
                if farthest is None or error.offset > farthest.offset:
                    farthest = error
        assert farthest is not None
        raise farthest

    # ── lines ──

    def statement(self, line: LogicalLine, text: str, at: int, within: RawTarget | None) -> Statement:
        """Return the statement that a line, or a part of one, is. Raises Syntax.

        `within` is the object of the enclosing WITH block, whose members an assignment sets.
        """
        assignment = _ASSIGNMENT.match(text)
        if assignment:
            return self.assignment(line, text, at, assignment, within)
        head = longest_head(text, classes_by_head())
        called = _CALLED.match(text)
        if called and variable_name(called[1]) in self.callables and not (head and called[2] != "("):
            return self.call(line, text, at, called)
        if head is None and _METHOD.match(text):
            changed = self.method(line, text, at)
            if changed is not None:
                return changed
        later = longest_head(text, LATER)
        if head is not None and (later is None or len(later) <= len(head)):
            kind, parsed = self.parse_keyword(head, line, text, at)
            return Statement(kind, parsed, line, at, block=line.block)
        if later is not None:
            raise Syntax(
                at,
                f"this version does not have {later}: its {LATER[later]} statements come later",
                "`stepwell keywords` lists the statements it has",
            )
        raise self.unknown(text, at, called)

    def assignment(
        self, line: LogicalLine, text: str, at: int, match: re.Match[str], within: RawTarget | None
    ) -> Statement:
        """Return an assignment, or the keyword that gives the value (`x = HEAR …`)."""
        start, end = match.span(2)
        member = text[start] == "."
        if member and within is None:
            raise Syntax(at + start, "a member alone can be set only inside WITH … END WITH", "name the object")
        offset = at + start + (1 if member else 0)
        target = self.part("target", line, text[offset - at : end], offset)
        assert isinstance(target, RawTarget)
        if within is not None and not match[1]:
            spelled = text[offset - at : offset - at + len(target.name)]
            first = RawExpression(_constant(spelled, self.source, offset), spelled, offset)
            target = RawTarget(within.name, (*within.path, first, *target.path), offset)
        right, right_at = text[match.end() :], at + match.end()
        head = longest_head(right, [h for h, kinds in classes_by_head().items() if any(k.RESULT for k in kinds)])
        if head is not None and not self.is_operand(head, right):
            kind, parsed = self.parse_keyword(head, line, right, right_at)
            return Statement(kind, parsed, line, at, into=target)
        later = longest_head(right, LATER)
        if later is not None and not re.match(r"\s*(?:[-+*/^=<>&.,()?\[]|$|(?:AND|OR|MOD)\b)", right[len(later) :]):
            raise Syntax(right_at, f"this version does not have {later}: its {LATER[later]} statements come later")
        value = self.parse("value", line, right, right_at)
        return Statement(class_named("Assign"), RawParsed("assign", (target, *value.parts)), line, at)

    def is_operand(self, head: str, right: str) -> bool:
        """Tell whether a keyword's words at the beginning of a right-hand side are a variable or a function."""
        rest = right[len(head) :]
        if rest.lstrip().startswith("(") and is_pure_function(head.replace(" ", "_")):
            return True
        return re.match(r"\[|\s*(?:[-+*/^=<>&.,)?]|$|(?:AND|OR|MOD)\b)", rest) is not None

    def call(self, line: LogicalLine, text: str, at: int, match: re.Match[str]) -> Statement:
        """Return the call of a procedure or tool by its bare name, with or without brackets."""
        kind = class_named("CallProcedure")
        if match[2] == "(":
            parsed = self.parse("expression", line, text, at)
            return Statement(kind, RawParsed("call", parsed.parts), line, at)
        name = RawExpression(_name(match[1], self.source, at), match[1], at)
        rest = text[match.end(1) :]
        shift = at + match.end(1) + len(rest) - len(rest.lstrip())
        if not rest.strip():
            return Statement(kind, RawParsed("call", (name,)), line, at)
        arguments = self.parse("arguments", line, rest.lstrip(), shift)
        return Statement(kind, RawParsed("call", (name, *arguments.parts)), line, at)

    def method(self, line: LogicalLine, text: str, at: int) -> Statement | None:
        """Return `list.push(x)` as the assignment it is, or None where the text is something else."""
        expression = self.part("expression", line, text, at)
        assert isinstance(expression, RawExpression)
        node = expression.node
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id.startswith(".")):
            return None
        if node.func.id[1:].lower() not in _CHANGING_METHODS:
            message = f"{node.func.id[1:]}() gives a value and changes nothing"
            raise Syntax(at, message, "assign it: x = …")
        target = target_of(node.args[0], at)
        if target is None:
            raise Syntax(at, "only a variable, or a place inside one, can be changed so")
        return Statement(class_named("Assign"), RawParsed("assign", (target, expression)), line, at)

    def unknown(self, text: str, at: int, called: re.Match[str] | None) -> Syntax:
        """Return the error of a line that is no statement, with the nearest keyword or name."""
        words = _WORDS.findall(text) if _WORDS.match(text) else []
        first = words[0] if words else text.split()[0][:20]
        if called and called[2] == "(":
            close = difflib.get_close_matches(variable_name(called[1]), list(self.callables), 1, 0.6)
            hint = f"did you mean {close[0]}?" if close else "declare it with SUB or FUNCTION, or as a tool"
            return Syntax(at, f"“{called[1]}” is no procedure of this script and no tool", hint)
        near = nearest_head(words)
        message = f"“{first}” begins no statement of the dialect"
        if words and first.isupper() and len(words) > 1 and not near:
            message = f"this version does not have “{first}”: statements of the bot server come later"
        return Syntax(at, message, f"did you mean {near}?" if near else "")


def target_of(node: ast.expr, offset: int) -> RawTarget | None:
    """Return the place that an expression reads as the target of an assignment, or None."""
    path: list[RawExpression] = []
    while isinstance(node, ast.Subscript):
        path.insert(0, RawExpression(node.slice, "", offset))
        node = node.value
    return RawTarget(node.id, tuple(path), offset) if isinstance(node, ast.Name) else None


def normal_head(head: str, text: str) -> str:
    """Return the text with the underscores of its head as blanks and brackets around all its arguments
    as blanks: `SET_BOT_MEMORY("k", v)` is `SET BOT MEMORY "k", v`. Same length."""
    words = head.rstrip(' "')
    match = head_pattern(words).match(text)
    if not match:
        return text
    begin, rest = match[0].replace("_", " "), text[match.end() :]
    inner = rest.strip()
    if "_" in match[0] and inner.startswith("(") and inner.endswith(")"):
        at = rest.index("(")
        end = rest.rindex(")")
        rest = rest[:at] + " " + rest[at + 1 : end] + " " + rest[end + 1 :]
    return begin + rest


def nearest_head(words: list[str]) -> str | None:
    """Return the keyword nearest to the first words of a line, or None."""
    heads = {h.rstrip(' "') for h in (*classes_by_head(), *closers(), *sections())}
    for count in (3, 2, 1):
        near = difflib.get_close_matches(" ".join(words[:count]).upper(), sorted(heads), 1, 0.7)
        if near and len(near[0].split()) == count:
            return near[0]
    return None


def _constant(value: str, source: Source, offset: int) -> ast.expr:
    node = ast.Constant(value)
    node.lineno, node.col_offset = source.place(offset)
    return node


def _name(spelled: str, source: Source, offset: int) -> ast.expr:
    node = ast.Name(variable_name(spelled))
    node.lineno, node.col_offset = source.place(offset)
    return node
