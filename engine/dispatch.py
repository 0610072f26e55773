"""One logical line to one statement: which keyword it is, and its parts by the grammar.

A line is, in this order: an assignment (`x = …` has no doubt, whatever x is called); a call of a procedure
or tool by its name; the keyword with the longest matching words; a keyword of somebody else, in upper case;
a list method; a call of a name that nobody knows; else an error that names the nearest keyword.
"""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Collection
from contextlib import suppress

from lark import UnexpectedInput

from engine.calling import as_calls
from engine.errors import Problem
from engine.expressions import function_names, is_pure_function
from engine.grammar import Syntax, check_limits, explain, variable_name
from engine.heads import closing_bracket, longest_head, normal_head, with_object
from engine.keyword_lines import KeywordLines
from engine.misspellings import REFUSED, misspelt, misspelt_words, nearest_head
from engine.phrases import EXTENDED, Phrase, is_head_word, is_other_form, lacks_sign, read_phrase
from engine.raw import RawExpression, RawParsed, RawPart, RawSection, RawTarget, Statement, TreeReader
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
_ASSIGNMENT = re.compile(rf"((?:LET|SET|CONST|VAR)\s+)?(\.?[^\W\d]\w*\$?{_ACCESS})\s*=(?!=)\s*", re.IGNORECASE)
_CHANGE = re.compile(rf"([^\W\d]\w*\$?{_ACCESS})\s*(?:(\+\+|--)\s*$|([-+*/&]=|:=)(?!=)\s*)", re.IGNORECASE)
_CHANGES: dict[str, type[ast.operator]] = {"+": ast.Add, "-": ast.Sub, "*": ast.Mult, "/": ast.Div, "&": ast.BitAnd}
_METHOD = re.compile(rf"[^\W\d]\w*\$?{_ACCESS}\s*\(", re.IGNORECASE)
_CALLED = re.compile(r"([^\W\d]\w*\$?)\s*(\(|(?=[\w\"\[{#!.-])|$)", re.IGNORECASE)
_OPERATOR = re.compile(r"\[|\s*(?:[-+*/^=<>&.,)?]|$|(?:AND|OR|MOD)\b)")
_AFTER_CALL = re.compile(r"\s*(?:[-+*/^=<>&.?\[]|(?:AND|OR|MOD)\b)", re.IGNORECASE)
_COMPARED = re.compile(rf"[^\W\d]\w*{_ACCESS}\s*==")
_BEGIN = re.compile(r"BEGIN\s+", re.IGNORECASE)
_WORDS = re.compile(r"[^\W\d]\w*")
_CHANGING_METHODS = ("push", "append", "splice", "sort", "reverse")


class LineReader:
    """Reads the lines of one file as statements. `callables` are the names of procedures and tools, `given` the
    variables of the file as spelled. What is odd and compiles all the same goes to `warnings`."""

    def __init__(self, source: Source, callables: Collection[str], given: Collection[str] = ()) -> None:
        self.source = source
        self.callables = callables
        self.given = frozenset(given)
        self.parser = expression_reader()
        self.warnings: list[Problem] = []

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
            called = as_calls(text)
            if called != text:
                with suppress(Syntax):
                    return self.part(rule, line, called, at)
            offset, message = explain(error, text)
            raise Syntax(at + offset, message) from None
        except RecursionError:
            raise Syntax(at, "this is nested too deep", "split it into several statements") from None
        return TreeReader(self.parser, self.source, line).part(tree, at)

    def parse_keyword(self, head: str, line: LogicalLine, text: str, at: int) -> tuple[type[Step], RawParsed]:
        """Return the first kind of step under `head` whose grammar takes the text. Raises the Syntax of the
        one that came farthest."""
        text = with_object(head, normal_head(head, text))
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
        change = _CHANGE.match(text)
        if change:
            return self.change(line, text, at, change)
        assignment = _ASSIGNMENT.match(text)
        if assignment:
            return self.assignment(line, text, at, assignment, within)
        head = longest_head(text, classes_by_head())
        called = _CALLED.match(text)
        if called and variable_name(called[1]) in self.callables and not (head and called[2] != "("):
            try:
                return self.call(line, text, at, called)
            except Syntax:  # CREATE TASK t, where a tool is called create
                phrase = read_phrase(text, self.given, self.functions)
                if phrase is None or " " not in phrase.words:
                    raise
        if head is not None:
            return self.known(head, line, text, at)
        other = self.keyword(line, text, at)
        if other is not None:
            return other
        if _METHOD.match(text):
            method = self.method(line, text, at)
            if method is not None:
                return method
            if called and called[2] == "(" and not self.near(variable_name(called[1])):
                return self.call(line, text, at, called)
        raise self.unknown(text, at, called)

    def known(self, head: str, line: LogicalLine, text: str, at: int, into: RawTarget | None = None) -> Statement:
        """Return a statement of one of our keywords; where its grammar takes it not and further upper-case words
        follow (CREATE SITE, SET "name.xlsx"), it is a keyword of somebody else."""
        others = head.split()[0].rstrip('"') in EXTENDED
        try:
            if head == 'SET "' and not self.is_session_key(line, text, at):
                raise Syntax(at, "this is no variable of the session")
            kind, parsed = self.parse_keyword(head, line, text, at)
            return Statement(kind, parsed, line, at, into=into, block=line.block)
        except Syntax as error:
            phrase = read_phrase(text, self.given, self.functions) if others else None
            if phrase is None or (phrase.words in classes_by_head() and not is_other_form(phrase, text)):
                raise
            if not phrase.words.startswith(head.strip('" ')):
                raise  # ON ERROR RESUME NXET is no keyword ON
            self.refuse_slip(phrase, at)
            if lacks_sign(phrase, text, self.given):
                raise Syntax(error.offset, error.message, 'an assignment has a "=": SET x = 5') from None
            try:
                return KeywordLines(self, line, text, at).statement(phrase, into)
            except Syntax:
                raise error from None

    def is_session_key(self, line: LogicalLine, text: str, at: int) -> bool:
        """Tell whether the text behind SET begins with the name of a session's variable."""
        literal = line.literals.get(at + text.index('"'))
        first = literal.parts[0] if literal and literal.parts else ""
        return isinstance(first, str) and first.lower().startswith(("session.", "user."))

    def keyword(self, line: LogicalLine, text: str, at: int, into: RawTarget | None = None) -> Statement | None:
        """Return a keyword of somebody else; None for what is not written as one. Raises Syntax."""
        begin = _BEGIN.match(text) if line.block else None
        shift = begin.end() if begin else 0
        phrase = read_phrase(text[shift:], self.given, self.functions)
        if phrase is None:
            return None
        first = phrase.words.split()[0]
        if first in REFUSED:
            raise Syntax(at, *REFUSED[first])
        function = next((f for f in (phrase.words.lower().replace(" ", j) for j in "_ ") if f in self.functions), None)
        operands = KeywordLines(self, line, text[shift:], at + shift)
        if function is not None and (given := operands.plain(phrase)) is not None:
            return self.function(function, operands, phrase.words, given, into)
        if into is not None and first in classes_by_head() and first not in EXTENDED:
            return None
        self.refuse_slip(phrase, at)
        near = difflib.get_close_matches(phrase.words, self.known_words(), 1, 0.85)
        if near:
            message = f"{phrase.words} is a keyword of the bot server: a request that it must answer"
            self.warn(at, message, f"did you mean {near[0]}?")
        return operands.statement(phrase, into)

    def refuse_slip(self, phrase: Phrase, at: int) -> None:
        """Raise Syntax where the words are plainly a slip of the hand for those of a statement of ours."""
        known = self.known_words()
        first = phrase.words.split()[0]
        wrong = misspelt_words(phrase.words, known) or misspelt(first, known)
        if wrong is not None:
            raise Syntax(at, f"“{first}” begins no statement of the dialect", f"did you mean {wrong}?")

    def function(
        self, name: str, operands: KeywordLines, words: str, given: list[RawExpression], into: RawTarget | None
    ) -> Statement:
        """Return a pure function called without brackets: `x = TRIM a`. As a statement it has no effect."""
        line, at = operands.line, operands.at
        node = _placed(ast.Call(_name(name, self.source, at), [e.node for e in given], []), self.source, at)
        value = RawExpression(node, operands.text, at)
        if into is not None:
            return Statement(class_named("Assign"), RawParsed("assign", (into, value)), line, at)
        self.warn(at, f"{words} gives a value and changes nothing", "assign it: x = …")
        parsed = RawParsed("if", (value,))
        return Statement(class_named("If"), parsed, line, at, sections=[RawSection(parsed, line)])

    @property
    def functions(self) -> Collection[str]:
        """The names of the pure functions."""
        return function_names()

    def known_words(self) -> list[str]:
        """Return the words that statements begin with, and the names that can be called, in upper case."""
        heads = {h.rstrip(' "') for h in (*classes_by_head(), *closers(), *sections())}
        return sorted(heads | {c.upper() for c in self.callables})

    def near(self, name: str) -> str | None:
        """Return the name that can be called, or the keyword, which a name is nearest to."""
        known = [*self.callables, *(h.rstrip(' "').lower() for h in classes_by_head())]
        return next(iter(difflib.get_close_matches(name, known, 1, 0.75)), None)

    def warn(self, offset: int, message: str, hint: str) -> None:
        """Record what is odd at an offset of the file."""
        self.warnings.append(self.source.problem(offset, message, hint, warning=True))

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
        if head is not None and (self.is_bare_hear(right) or not _is_operand(head.rstrip(' "'), right)):
            statement = self.known(head, line, right, right_at, target)
            return Statement(statement.kind, statement.parsed, line, at, into=target, block=line.block)
        called = _CALLED.match(right)
        if called and variable_name(called[1]) in self.callables and called[2] == "" and right[called.end() :].strip():
            with suppress(Syntax):
                statement = self.call(line, right, right_at, called)
                return Statement(statement.kind, statement.parsed, line, at, into=target)
        try:
            value = self.parse("value", line, right, right_at)
        except Syntax:
            other = self.keyword(line, right, right_at, target)
            if other is None:
                raise
            return Statement(other.kind, other.parsed, line, at, into=target)
        return Statement(class_named("Assign"), RawParsed("assign", (target, *value.parts)), line, at)

    def is_bare_hear(self, right: str) -> bool:
        """Tell whether a right-hand side is the keyword HEAR alone, and no variable of that name."""
        return right.upper() == "HEAR" and not any(variable_name(name) == "hear" for name in self.given)

    def change(self, line: LogicalLine, text: str, at: int, match: re.Match[str]) -> Statement:
        """Return `x += e` or `x++` as the assignment that it is; `x := e` is one."""
        target = self.part("target", line, match[1], at)
        old = self.part("expression", line, match[1], at)
        assert isinstance(target, RawTarget) and isinstance(old, RawExpression)
        sign = match[2] or match[3]
        if sign in ("++", "--"):
            right = RawExpression(_placed(ast.Constant(1), self.source, at), "1", at)
        else:
            value = self.parse("value", line, text[match.end() :], at + match.end()).parts[0]
            assert isinstance(value, RawExpression)
            right = value
        node = right.node
        if sign != ":=":
            node = _placed(ast.BinOp(old.node, _CHANGES[sign[0]](), right.node), self.source, at)
        return Statement(class_named("Assign"), RawParsed("assign", (target, RawExpression(node, text, at))), line, at)

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
            if not is_pure_function(node.func.id):
                raise Syntax(at, message, "assign it: x = …")
            self.warn(at, message, "assign it: x = …")
            parsed = RawParsed("if", (expression,))
            return Statement(class_named("If"), parsed, line, at, sections=[RawSection(parsed, line)])
        target = target_of(node.args[0], at)
        if target is None:
            raise Syntax(at, "only a variable, or a place inside one, can be changed so")
        return Statement(class_named("Assign"), RawParsed("assign", (target, expression)), line, at)

    def unknown(self, text: str, at: int, called: re.Match[str] | None) -> Syntax:
        """Return the error of a line that is no statement, with the nearest keyword or name."""
        words = _WORDS.findall(text) if _WORDS.match(text) else []
        first = words[0] if words else (text.split() or [""])[0][:20]
        if called and called[2] == "(":
            close = self.near(variable_name(called[1]))
            hint = f"did you mean {close}?" if close else "declare it with SUB or FUNCTION, or as a tool"
            return Syntax(at, f"“{called[1]}” is no procedure of this script and no tool", hint)
        if re.fullmatch(r"[^\W\d]\w*\s*:", text):
            return Syntax(at, *REFUSED["GOTO"])
        if first.upper() in REFUSED:
            return Syntax(at, *REFUSED[first.upper()])
        hints = []
        near = nearest_head(words, [*classes_by_head(), *closers(), *sections(), *(c.upper() for c in self.callables)])
        if near:
            hints.append(f"did you mean {near}?")
        if _COMPARED.match(text) or first in self.given:
            hints.append('an assignment has one "=": x = 5')
        elif first.isdecimal():
            hints.append("lines have no numbers here")
        elif len(words) > 1 and not is_head_word(first) and (not near or first.upper() in near.split()):
            hints.append("keywords of the bot server are written in upper case")
        return Syntax(at, f"“{first}” begins no statement of the dialect", " -- ".join(hints))


def _is_operand(head: str, right: str) -> bool:
    """Tell whether the words of a keyword that begin a right-hand side are a name here: that of a variable or of a
    pure function, or an operator follows the brackets of their call (`LLM("a") + LLM("b")`, `GET(url).rate`)."""
    rest = right[len(head) :]
    if head == "SELECT" and re.match(r"\s*\*\s*(?:,|FROM\b)", rest, re.IGNORECASE):
        return False
    if rest.lstrip().startswith("(") and is_pure_function(head.lower().replace(" ", "_")):
        return True
    end = closing_bracket(rest, 0) if rest.startswith("(") else None
    if end is not None and _AFTER_CALL.match(rest, end + 1):
        return True
    return _OPERATOR.match(rest) is not None


def target_of(node: ast.expr, offset: int) -> RawTarget | None:
    """Return the place that an expression reads as the target of an assignment, or None."""
    path: list[RawExpression] = []
    while isinstance(node, ast.Subscript):
        path.insert(0, RawExpression(node.slice, "", offset))
        node = node.value
    return RawTarget(node.id, tuple(path), offset) if isinstance(node, ast.Name) else None


def _placed(node: ast.expr, source: Source, offset: int) -> ast.expr:
    node.lineno, node.col_offset = source.place(offset)
    return node


def _constant(value: str, source: Source, offset: int) -> ast.expr:
    node = ast.Constant(value)
    node.lineno, node.col_offset = source.place(offset)
    return node


def _name(spelled: str, source: Source, offset: int) -> ast.expr:
    node = ast.Name(variable_name(spelled))
    node.lineno, node.col_offset = source.place(offset)
    return node
