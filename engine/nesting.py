"""Lines to nested statements: which block a line opens, continues or closes.

Every line that does not parse is a problem and the others are read all the same; a block whose opening line
is wrong still nests, so that one mistake gives one error.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field, replace

from engine.dispatch import LineReader
from engine.errors import Problem
from engine.grammar import Syntax
from engine.heads import head_pattern, longest_head
from engine.orchestration_lines import (
    approval_end,
    branch_end,
    ends_late,
    is_action,
    is_end_timeout,
    label_end,
    late_end,
)
from engine.phrases import given_names
from engine.raw import RawParsed, RawSection, RawTarget, Statement
from engine.registry import classes_by_head, closers, sections
from engine.source import LogicalLine, Scan, Source
from engine.steps import Step

NESTING_MAX = 60  # blocks inside each other: more is a mistake, and recursion has an end

_ENDED = re.compile(r"\s*(?:[^\W\d]\w*)?\s*(?:\(\s*\))?\s*")
_ASSIGNED = re.compile(
    r"[^\W\d]\w*(?:\s*\[[^\[\]]*\]|\s*\.\s*\w+)*\s*(?:[-+*/&:]?=(?!=)|(?:\+\+|--)\s*$)"  # what dispatch.py takes so
)
_TOP_WORDS = re.compile(r"[\"()\[\]{}]|[^\W\d]\w*")


@dataclass(slots=True)
class _Open:
    """A block statement whose end has not come yet."""

    statement: Statement
    within: RawTarget | None
    late: bool = False  # the statements of an ON TIMEOUT, which nothing need close
    reopened: bool = False  # an IF on one line, whose ELSE stands on the next one


@dataclass(slots=True)
class Nester:
    """Reads one file's logical lines into its nested statements; what is wrong goes to `problems`."""

    source: Source
    callables: Collection[str]
    problems: list[Problem] = field(default_factory=list)
    statements: list[Statement] = field(default_factory=list)
    stack: list[_Open] = field(default_factory=list)
    unfinished: Statement | None = None

    def read(self, scan: Scan) -> list[Statement]:
        """Return the file's statements, nested."""
        reader = LineReader(self.source, self.callables, given_names(scan))
        for index, line in enumerate(scan.lines):
            following = scan.lines[index + 1].text if index + 1 < len(scan.lines) else ""
            try:
                self.line_of_workflow(reader, line, following)
            except Syntax as error:
                if not line.broken:
                    self.problems.append(self.source.problem(error.offset, error.message, error.hint))
        self.problems.extend(reader.warnings)
        for left in reversed([o for o in self.stack if not o.late]):
            head = left.statement.line
            self.report(head.start, f"{first_words(head.text)} is never closed", closing_hint(left.statement.kind))
        return self.statements

    def report(self, offset: int, message: str, hint: str = "") -> None:
        """Record an error at an offset of the file."""
        self.problems.append(self.source.problem(offset, message, hint))

    # ── lines of a workflow ──

    def line_of_workflow(self, reader: LineReader, line: LogicalLine, following: str) -> None:
        """Take one line, without the label before it (STEP 1:), with what ends or belongs to an approval."""
        text = line.text
        if self.stack and self.stack[-1].late and (ends_late(text) or is_end_timeout(text)):
            self.stack.pop()
            if is_end_timeout(text):
                return
        label = label_end(text)
        split = approval_end(text[label:])
        if label:
            line = replace(line, text=text[label:], start=line.start + label)
        if split:
            self.line(reader, replace(line, text=line.text[:split]), following)
            gap = len(line.text[split:]) - len(line.text[split:].lstrip())
            line = replace(line, text=line.text[split + gap :], start=line.start + split + gap)
        late = late_end(line.text)
        if late and not line.broken:
            self.late_section(reader, line, late)
        elif line.text or line.broken:
            self.line(reader, line, following)

    def late_section(self, reader: LineReader, line: LogicalLine, rest: int) -> None:
        """Take ON TIMEOUT behind the approval it belongs to: a decision, a statement, or the statements that follow."""
        body = self.stack[-1].statement.sections[-1].body if self.stack else self.statements
        last = body[-1] if body else None
        if last is None or "ON TIMEOUT" not in last.kind.SECTIONS:
            raise Syntax(line.start, "ON TIMEOUT stands behind no HUMAN APPROVAL", "put it on the next line")
        if not last.sections:
            last.sections.append(RawSection(last.parsed, last.line))
        text, at = line.text[rest:], line.start + rest
        if is_action(text):
            last.sections.append(RawSection(reader.parse("on_timeout", line, text, at), line))
            return
        last.sections.append(RawSection(RawParsed("on_timeout_block"), line))
        statement = self.statement(reader, line, text, at) if text else None
        if statement is None or (statement.kind.CLOSERS and not statement.sections):
            self.stack.append(_Open(last, None, late=True))
            if statement is not None:
                self.add(statement, line)
        else:
            last.sections[-1].body.append(statement)

    # ── one line ──

    def line(self, reader: LineReader, line: LogicalLine, following: str) -> None:
        """Take one line: a closer, a further section, or a statement."""
        text = line.text
        if line.broken:
            self.open_broken(line, text)
            return
        if text == "}":
            self.close_brace(line, following)
            return
        assignment = _ASSIGNED.match(text)
        closer = None if assignment else longest_head(text, closers())
        if closer is not None and not self.is_statement(closer, text):
            self.close(reader, line, closer)
            return
        section = None if assignment else longest_head(text, sections())
        if section is not None and self.section(reader, line, section, following):
            return
        self.add(self.statement(reader, line, text, line.start), line)
        if self.unfinished is not None:
            self.stack.append(_Open(self.unfinished, None))
            self.unfinished = None

    def is_statement(self, closer: str, text: str) -> bool:
        """Tell whether a longer statement begins with a closer's words."""
        head = longest_head(text, classes_by_head())
        return head is not None and len(head) > len(closer)

    def statement(self, reader: LineReader, line: LogicalLine, text: str, at: int) -> Statement:
        """Return the statement of a line; an IF on one line has its branches in it. Raises Syntax."""
        within = next((o.within for o in reversed(self.stack) if o.within is not None), None)
        split = one_line_if(text)
        if split is None:
            try:
                return reader.statement(line, text, at, within)
            except Syntax:
                self.open_broken(line, text)
                raise
        head, then, otherwise = split
        statement = reader.statement(line, text[slice(*head)], at, within)
        rules = ["if", "else"]
        for part in (then, otherwise):
            if part is None:
                continue
            parsed = statement.parsed if not statement.sections else RawParsed(rules[1])
            section = RawSection(parsed, line)
            for start, end in split_colons(text, *part):
                body = self.statement(reader, line, text[start:end], at + start)
                if body.kind.CLOSERS and not body.sections:
                    words = first_words(text[start:end])
                    raise Syntax(at + start, f"{words} … must stand on a line of its own")
                section.body.append(body)
            statement.sections.append(section)
            if not section.body:  # ELSE at the end of the line: its statements follow, and END IF
                self.unfinished = statement
        return statement

    def open_broken(self, line: LogicalLine, text: str) -> None:
        """Nest what follows an opening line that does not parse."""
        head = longest_head(text, classes_by_head())
        if head is None:
            return
        kind = classes_by_head()[head][0]
        if kind.CLOSERS and (head != "IF" or line.opens_brace or not re.search(r"\bTHEN\s*\S", text, re.I)):
            parsed = RawParsed("broken")
            broken = Statement(kind, parsed, line, line.start, braces=line.opens_brace)
            broken.sections.append(RawSection(parsed, line))
            self.stack.append(_Open(broken, None))

    def add(self, statement: Statement, line: LogicalLine) -> None:
        """Put a statement where the reading is, and open its block where it has one."""
        body = self.stack[-1].statement.sections[-1].body if self.stack else self.statements
        body.append(statement)
        if not statement.kind.CLOSERS or statement.sections:
            return
        statement.sections.append(RawSection(statement.parsed, line))
        statement.braces = line.opens_brace
        if len(self.stack) >= NESTING_MAX:
            raise Syntax(line.start, f"blocks stand more than {NESTING_MAX} deep", "move parts into a SUB")
        target = next((p for p in statement.parsed.parts if isinstance(p, RawTarget)), None)
        within = target if statement.parsed.rule == "with" else None
        self.stack.append(_Open(statement, within))

    # ── sections and ends ──

    def section(self, reader: LineReader, line: LogicalLine, words: str, following: str) -> bool:
        """Take a line such as ELSE or CASE; False where it is none of the innermost block's."""
        depth = next((d for d, o in enumerate(reversed(self.stack)) if words in o.statement.kind.SECTIONS), None)
        if depth is None:
            if words in classes_by_head() or words == "DEFAULT":
                return False
            if not self.reopen(words):
                raise Syntax(line.start, f"{words} stands outside of the block it belongs to")
            depth = 0
        self.leave_open(depth, line, words)
        opened = self.stack[-1].statement
        rule = opened.kind.SECTIONS[words]
        text, rest = split_section(words, line.text)
        try:
            parsed = reader.parse(rule, line, text, line.start)
        except Syntax:
            opened.sections.append(RawSection(RawParsed(rule), line))
            raise
        opened.sections.append(RawSection(parsed, line))
        opened.braces = opened.braces or line.opens_brace
        if rest is not None:
            for start, end in split_colons(line.text, rest, len(line.text)):
                self.add(self.statement(reader, line, line.text[start:end], line.start + start), line)
            goes_on = longest_head(following, (*opened.kind.SECTIONS, *opened.kind.CLOSERS)) is not None
            if self.stack[-1].reopened and not goes_on:
                self.stack.pop()
        return True

    def reopen(self, words: str) -> bool:
        """Open the IF on one line just read again, because the next line is its ELSE. False where there is none."""
        last = self.last_statement()
        if last is None or words not in last.kind.SECTIONS or last.sections[-1].parsed.rule == "else":
            return False
        self.stack.append(_Open(last, None, reopened=True))
        return True

    def last_statement(self) -> Statement | None:
        """Return the statement read last, if it is an IF on one line."""
        body = self.stack[-1].statement.sections[-1].body if self.stack else self.statements
        if not body or body[-1].parsed.rule != "if" or not body[-1].sections[0].body:
            return None
        return body[-1] if body[-1].sections[0].line is body[-1].line else None

    def leave_open(self, depth: int, line: LogicalLine, words: str) -> None:
        """Report and drop the blocks inside the one that a line belongs to."""
        for _ in range(depth):
            left = self.stack.pop().statement
            place = self.source.place(left.line.start)[0]
            self.report(
                line.start,
                f"{words} stands before the end of {first_words(left.line.text)} of line {place}",
                closing_hint(left.kind),
            )

    def close(self, reader: LineReader, line: LogicalLine, words: str) -> None:
        """Take a line that ends a block."""
        depth = next((d for d, o in enumerate(reversed(self.stack)) if words in o.statement.kind.CLOSERS), None)
        if depth is None:
            last = self.last_statement()
            if last is not None and words in last.kind.CLOSERS:
                return  # IF c THEN statement, and its END IF on the next line
            raise Syntax(line.start, f"{words} closes nothing", self.open_here())
        self.leave_open(depth, line, words)
        statement = self.stack.pop().statement
        text = line.text
        if words.startswith("END ") and (ended := _ENDED.fullmatch(text, len(match_head(words, text)))):
            text = words  # ENDIF, END-IF, END FOR EACH, END SUB name
            assert ended
        parsed = reader.parse(statement.kind.CLOSERS[words], line, text, line.start)
        if any(isinstance(p, RawParsed) for p in parsed.parts):
            statement.sections.append(RawSection(parsed, line))

    def open_here(self) -> str:
        """Return which block is open, for the error of a wrong end."""
        if not self.stack:
            return "no block is open here"
        opened = self.stack[-1].statement
        place = self.source.place(opened.line.start)[0]
        return f"{first_words(opened.line.text)} of line {place} is open: {closing_hint(opened.kind)}"

    def close_brace(self, line: LogicalLine, following: str) -> None:
        """Take a line with a closing brace alone: it ends a block, unless ELSE goes on with it."""
        if not self.stack or not self.stack[-1].statement.braces:
            raise Syntax(line.start, "} closes nothing", "blocks in braces begin with { at the end of IF, FOR or WHILE")
        if longest_head(following, self.stack[-1].statement.kind.SECTIONS) is None:
            self.stack.pop()


def match_head(head: str, text: str) -> str:
    """Return how a line spells the words that it begins with."""
    match = head_pattern(head).match(text)
    return match[0] if match else ""


def closing_hint(kind: type[Step]) -> str:
    """Return how to close a block of this kind."""
    return f"close it with {' or '.join(kind.CLOSERS)}"


def first_words(text: str) -> str:
    """Return the upper-case words a line begins with, as errors name it."""
    head = longest_head(text, classes_by_head())
    return head or text.split(maxsplit=1)[0]


def top_words(text: str) -> list[tuple[str, int, int]]:
    """Return the words of a masked text that stand in no bracket, upper case, with where they are."""
    depth = 0
    words = []
    at = 0
    while match := _TOP_WORDS.search(text, at):
        at = match.end()
        if match[0] == '"':
            at = text.index('"', at) + 1 if '"' in text[at:] else len(text)
        elif match[0] in "([{":
            depth += 1
        elif match[0] in ")]}":
            depth -= 1
        elif depth == 0:
            words.append((match[0].upper(), match.start(), match.end()))
    return words


_Span = tuple[int, int]


def one_line_if(text: str) -> tuple[_Span, _Span, _Span | None] | None:
    """Return where the head, the THEN part and the ELSE part of an IF on one line are; None for others."""
    if not re.match(r"IF(?!\w)", text, re.IGNORECASE):
        return None
    words = top_words(text)
    then = next((w for w in words if w[0] == "THEN"), None)
    if then is None or not text[then[2] :].strip():
        return None
    end = len(text)
    ending = re.search(r"\s(?:END\s+IF|ENDIF)\s*$", text, re.IGNORECASE)
    if ending and ending.start() > then[2]:
        end = ending.start()
    depth = 0
    for word, start, stop in words:
        if start < then[2] or start >= end:
            continue
        if word == "IF" and re.search(r"(?:THEN|ELSE)\s*$", text[:start], re.IGNORECASE):
            if not re.search(r"ELSE\s*$", text[:start], re.IGNORECASE):
                depth += 1
        elif word in ("ELSE", "ELSEIF"):
            if depth == 0:
                second = start + 4 if word == "ELSEIF" else stop
                return (0, then[2]), _trimmed(text, then[2], start), _trimmed(text, second, end)
            depth -= 1
    return (0, then[2]), _trimmed(text, then[2], end), None


def split_colons(text: str, start: int, end: int) -> list[_Span]:
    """Return where the statements of a part of a line are: `:` parts them, unless it belongs to `? :`."""
    part = text[start:end]
    if not part.strip():
        return []
    if "?" in part or ":" not in part:
        return [(start, end)]
    spans, depth, first = [], 0, start
    for at in range(start, end):
        depth += (text[at] in "([{") - (text[at] in ")]}")
        if text[at] == ":" and depth == 0 and text[at + 1 : at + 2] in (" ", ""):
            spans.append(_trimmed(text, first, at))
            first = at + 1
    spans.append(_trimmed(text, first, end))
    return [(a, b) for a, b in spans if a < b]


def _trimmed(text: str, start: int, end: int) -> _Span:
    part = text[start:end]
    return start + len(part) - len(part.lstrip()), end - (len(part) - len(part.rstrip()))


def split_section(words: str, text: str) -> tuple[str, int | None]:
    """Return a section's line without the statement behind it, and where that statement begins, if any."""
    if words == "BRANCH":
        end = branch_end(text)
        return "BRANCH", end if end < len(text) else None
    if words == "ELSE":
        rest = re.match(r"ELSE\s+(?=\S)", text, re.IGNORECASE)
        return ("ELSE", rest.end()) if rest else (text, None)
    if words in ("ELSEIF", "ELSE IF"):
        then = next((w for w in top_words(text) if w[0] == "THEN"), None)
        if then is not None and text[then[2] :].strip():
            return text[: then[2]], _trimmed(text, then[2], len(text))[0]
    return text, None
