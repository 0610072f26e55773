"""Raw statements to numbered steps: lifting calls, resolving names, numbering in reading order."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from engine.calling import call_text, called_head, line_at
from engine.dispatch import LineReader
from engine.errors import Problem
from engine.expressions import Expression, is_pure_function
from engine.grammar import Syntax
from engine.keywords.assign import Assign
from engine.keywords.calls import CallProcedure, CallTool
from engine.keywords.conditions import If, SelectCase
from engine.keywords.exits import SWITCH
from engine.keywords.http import CallAddress
from engine.keywords.keyword import Keyword
from engine.lifting import Lifter, placed
from engine.names import SCRIPT_TOOL, Names, Numbers
from engine.plan import Procedure
from engine.raw import RawExpression, RawParsed, RawPart, RawSection, RawTarget, Statement, TreeReader
from engine.registry import expression_reader
from engine.retesting import loop_with_calls
from engine.source import LogicalLine, Source
from engine.steps import Block, Misuse, Parsed, Place, Section, Step, Target, Written
from engine.web_requests import is_address


@dataclass(slots=True)
class Builder:
    """Builds the steps of one script. Problems are collected; scripts that are called are noted."""

    source: Source
    names: Names
    numbers: Numbers
    problems: list[Problem] = field(default_factory=list)
    called_scripts: list[str] = field(default_factory=list)
    out: list[Step] = field(default_factory=list)
    apart: list[Procedure] = field(default_factory=list)  # what statements hold that run apart from them
    loops: list[tuple[str, int]] = field(default_factory=list)
    line: int = 0
    written: LogicalLine | None = None

    # ── statements ──

    def block(self, statements: Iterable[Statement]) -> Block:
        """Return the steps of statements, in order; a wrong one is a problem and left out."""
        outer, self.out = self.out, []
        for statement in statements:
            self.statement(statement)
        steps, self.out = tuple(self.out), outer
        return steps

    def statement(self, statement: Statement) -> None:
        """Add the steps of a statement to the block being built."""
        self.line = self.source.place(statement.offset)[0]
        self.written = statement.line
        try:
            if statement.kind is CallProcedure:
                self.call_statement(statement)
            elif statement.kind.RETESTS and self.retests(statement):
                loop_with_calls(self, statement)
            else:
                self.plain(statement)
        except Misuse as error:
            self.problems.append(self.source.problem(statement.offset, error.message, error.hint))
        except Syntax as error:
            self.problems.append(self.source.problem(error.offset, error.message, error.hint))

    def plain(self, statement: Statement) -> None:
        """Build a statement as its keyword says."""
        target = statement.parsed.parts[0] if statement.parsed.parts else None
        if statement.kind is Assign and isinstance(target, RawTarget):
            value = statement.parsed.expressions()[0]
            if self.assigned_call(target, value):
                return
        parsed = self.parsed(statement.parsed)
        if statement.kind is SelectCase:  # what its CASEs call is called before it, in order
            for section in statement.sections[1:]:
                section.parsed = self.without_calls(section.parsed)
        into = self.target(statement.into) if statement.into else None
        lines = None
        if statement.block is not None:
            reader = TreeReader(expression_reader(), self.source, statement.line)
            lines = self.expression(reader.block(statement.block))
        place = self.place()
        sections = self.sections(statement, place, parsed)
        written = Written(place, parsed, sections, into, tuple(self.loops), lines)
        step = statement.kind.build(written)
        self.out.append(step)
        if step.VALUED and getattr(step, "into", None) is None:
            self.warn(statement.offset, "the result goes nowhere", "put a variable before it: x = …")

    def without_calls(self, raw: RawParsed) -> RawParsed:
        """Return a line's parts with the calls in its expressions already lifted."""
        parts: list[RawPart] = []
        for part in raw.parts:
            match part:
                case RawExpression(node=node, text=text, offset=offset):
                    parts.append(RawExpression(self.lift(node), text, offset))
                case RawParsed():
                    parts.append(self.without_calls(part))
                case _:
                    parts.append(part)
        return RawParsed(raw.rule, tuple(parts))

    def sections(self, statement: Statement, place: Place, parsed: Parsed) -> tuple[Section, ...]:
        """Return the statement's sections with their steps. An ELSEIF whose condition needs calls becomes an
        IF inside ELSE."""
        outer = self.loops
        if statement.kind.DETACHED:
            self.loops = []
        if statement.kind.LOOP:
            self.loops.append((statement.kind.LOOP, place.number))
        elif statement.kind is SelectCase:
            self.loops.append((SWITCH, place.number))
        built: list[Section] = []
        for index, section in enumerate(statement.sections):
            if statement.kind.APART:
                self.line = self.source.place(section.line.start)[0]
                own = self.parsed(section.parsed) if index else parsed
                empty = index == 0 and bool(statement.kind.SECTIONS) and not section.body
                name = "" if empty else self.procedure(section.body, f"{place.number}.{index}")
                built.append(Section(own, (), name))
                continue
            if index == 0:
                built.append(Section(parsed, self.block(section.body)))
                continue
            self.line = self.source.place(section.line.start)[0]
            if self.needs_calls(section.parsed):
                if section.parsed.rule != "elseif":
                    raise Misuse("a call cannot stand in this line", "assign it to a variable before the block")
                built.append(Section(Parsed("else"), self.nested_if(statement, index)))
                break
            built.append(Section(self.parsed(section.parsed), self.block(section.body)))
        if statement.kind.LOOP or statement.kind is SelectCase:
            self.loops.pop()
        self.loops = outer
        return tuple(built)

    def procedure(self, statements: list[Statement], name: str) -> str:
        """Build statements as a procedure that runs apart from where they stand, and return its name."""
        outer, self.loops = self.loops, []  # no EXIT leads out of it
        name = f"{self.source.name}#{name}"
        self.apart.append(Procedure(name, self.source.name, (), self.block(statements)))
        self.loops = outer
        return name

    def nested_if(self, statement: Statement, index: int) -> Block:
        first = statement.sections[index]
        parsed = RawParsed("if", first.parsed.parts)
        rest = [RawSection(parsed, first.line, first.body), *statement.sections[index + 1 :]]
        return self.block([Statement(If, parsed, first.line, first.line.start, sections=rest)])

    def assigned_call(self, target: RawTarget, value: RawExpression) -> bool:
        """Build `x = F(…)` as one step where F is no pure function; False where it is something else."""
        node = value.node
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and self.is_effectful(node.func.id)):
            return False
        if len(node.args) == 1 and self.is_variable(node.func.id):
            return False
        if not self.keyword_call(node, target):
            arguments = [self.lifted(a) for a in node.args]
            self.add_call(node.func.id, node, arguments, self.target(target))
        return True

    def call_statement(self, statement: Statement) -> None:
        """Build CALL, and a call by the bare name."""
        first, *rest = statement.parsed.expressions()
        into = self.target(statement.into) if statement.into else None
        arguments = [a.node for a in rest]
        match first.node:
            case ast.Call(func=ast.Name(id=name), args=own) if not name.startswith(("$", ".")):
                arguments = [*own, *arguments]
            case ast.Name(id=name) if self.names.callable(name) or name not in self.names.variables:
                pass
            case ast.Constant(value=str(name)) if not is_address(name):
                self.call_script(first, name, arguments, into)
                return
            case _:
                self.call_address(first, arguments, into)
                return
        lifted = [self.lifted(a) for a in arguments]
        self.add_call(name, first.node, lifted, into)

    def call_script(self, first: RawExpression, name: str, arguments: list[ast.expr], into: Target | None) -> None:
        path = self.names.scripts(name)
        values = tuple(self.lifted(a) for a in arguments)
        if path is None:
            message = f"there is no script “{name}” here: the bot server is asked"
            self.warn(first.offset, message, "the scripts of one folder can call each other")
            self.out.append(Keyword(self.place(), "CALL", (self.expression(first), *values), (), None, 1, into))
            return
        self.called_scripts.append(path)
        self.out.append(CallProcedure(self.place(), path, values, into))

    def call_address(self, first: RawExpression, arguments: list[ast.expr], into: Target | None) -> None:
        """Build CALL of what is, or turns out to be, an address of the web."""
        if len(arguments) > 1:
            message = "an address is called with one value, which is sent to it"
            raise Misuse(message, "send several as an object: { a: 1, b: 2 }")
        body = self.lifted(arguments[0]) if arguments else None
        self.out.append(CallAddress(self.place(), self.expression(first), body, into))

    # ── keywords called as functions ──

    def keyword_call(self, node: ast.expr, into: RawTarget) -> bool:
        """Build `GET("session.k")` or `LLM(prompt)`, where an expression calls one of the keywords that give a
        value, as the statement `GET "session.k"` whose result goes to `into`. False for every other call."""
        match node:
            case ast.Call(func=ast.Name(id=name)) if not name.startswith(("$", ".")):
                pass
            case _:
                return False
        head = called_head(name)
        if head is None or name in self.names.procedures or self.written is None:
            return False
        line = line_at(self.written, self.offset_of(node))
        if line is None:
            return False
        at = self.offset_of(node) - line.start
        text = call_text(line.text, at, len(name))
        reader = LineReader(self.source, (*self.names.procedures, *self.names.tools))
        try:
            kind, parsed = reader.parse_keyword(head, line, text, line.start + at)
        except Syntax:
            return False
        self.plain(Statement(kind, parsed, line, line.start + at, into=into))
        return True

    # ── calls by name ──

    def is_effectful(self, name: str) -> bool:
        """Tell whether a call of this name must be a step: procedures come before pure functions."""
        if name.startswith(("$", ".")):
            return False
        return name in self.names.procedures or not is_pure_function(name)

    def is_variable(self, name: str) -> bool:
        """Tell whether brackets behind a name hold the index of a list: `list(i)`, as other BASICs write it."""
        names = self.names
        known = name in names.procedures or name in names.tools or called_head(name) or is_pure_function(name)
        return name in names.variables and not known

    def add_call(self, name: str, node: ast.expr, arguments: Sequence[Expression], into: Target | None) -> None:
        """Add the step of a call by name: a procedure of this script, a tool, a script of this bot."""
        values = tuple(arguments)
        if name in self.names.procedures:
            if len(values) > self.names.procedures[name]:
                count = self.names.procedures[name]
                raise Misuse(f"{name} takes {count} argument{'s' * (count != 1)} and is given {len(values)}")
            self.out.append(CallProcedure(self.place(), f"{self.source.name}#{name}", values, into))
        elif name in self.names.tools and not self.names.tools[name].startswith(SCRIPT_TOOL):
            self.out.append(CallTool(self.place(), name, values, into, self.names.tools[name]))
        elif (path := self.names.script_of(name)) is not None:
            self.called_scripts.append(path)
            self.out.append(CallProcedure(self.place(), path, values, into))
        elif name in self.names.tools:
            script = self.names.tools[name].removeprefix(SCRIPT_TOOL)
            raise Misuse(f"the tool {name} is the script “{script}”, which is not here", "correct [tools] or deploy it")
        else:
            offset = self.offset_of(node)
            spelled = self.source.text[offset : offset + len(name)]
            spelled = spelled if spelled.lower() == name else name
            self.warn(
                offset, f"“{spelled}” is no function, procedure or tool: the bot server is asked", self.nearest(name)
            )
            words = " ".join(name.upper().replace("_", " ").split())
            self.out.append(Keyword(self.place(), words, values, (), None, 1, into))

    def warn(self, offset: int, message: str, hint: str) -> None:
        """Record what is odd at an offset of the file and compiles all the same."""
        self.problems.append(self.source.problem(offset, message, hint, warning=True))

    def nearest(self, name: str) -> str:
        from engine.expressions import function_names

        known = [*function_names(), *self.names.procedures, *self.names.tools]
        near = difflib.get_close_matches(name, known, 1, 0.6)
        return f"did you mean {near[0]}?" if near else "declare it with FUNCTION, or as a tool in the configuration"

    def offset_of(self, node: ast.expr) -> int:
        """Return the offset in the file that a node's line and column say."""
        return self.source.offset(node.lineno, node.col_offset)

    # ── loops whose condition calls ──

    def retests(self, statement: Statement) -> bool:
        """Tell whether the loop's conditions need calls, which must be made again every round."""
        return any(self.needs_calls(s.parsed) for s in statement.sections)

    # ── parts of statements ──

    def needs_calls(self, parsed: RawParsed) -> bool:
        """Tell whether any expression of a line must be lifted."""
        lifter = Lifter(self)
        return any(
            lifter.has_calls(p.node) if isinstance(p, RawExpression) else self.needs_calls(p)
            for p in parsed.parts
            if isinstance(p, RawExpression | RawParsed)
        )

    def parsed(self, raw: RawParsed) -> Parsed:
        """Return a statement's parts with their expressions lifted."""
        return Parsed(raw.rule, tuple(self.part(p) for p in raw.parts))

    def part(self, part: RawPart) -> Expression | Target | Parsed | str:
        """Return one part with its expressions lifted."""
        match part:
            case RawExpression():
                return self.expression(part)
            case RawTarget():
                return self.target(part)
            case RawParsed():
                return self.parsed(part)
            case _:
                return part

    def target(self, raw: RawTarget) -> Target:
        """Return a target with its indexes lifted."""
        return Target(raw.name, tuple(self.expression(e) for e in raw.path))

    def expression(self, raw: RawExpression) -> Expression:
        """Return an expression with its calls lifted."""
        return self.made(self.lift(raw.node), raw.text)

    def lifted(self, node: ast.expr) -> Expression:
        """Return a part of an expression with its calls lifted."""
        return self.made(self.lift(node), "")

    def lift(self, node: ast.expr) -> ast.expr:
        return Lifter(self).lift(node)

    def made(self, node: ast.expr, text: str) -> Expression:
        return Expression(text, node, node.lineno, node.col_offset)

    # ── what lifting asks for ──

    def place(self) -> Place:
        """Return the place of the next step."""
        self.numbers.steps += 1
        return Place(self.numbers.steps, self.source.name, self.line)

    def temporary(self) -> str:
        """Return a new name for a result: no author can write it."""
        self.numbers.temporaries += 1
        return f"${self.numbers.temporaries}"

    def emit_keyword(self, call: ast.Call) -> ast.expr | None:
        """Emit the step of a keyword called inside an expression; None where the call is of another kind."""
        result = self.temporary()
        if not self.keyword_call(call, RawTarget(result, (), self.offset_of(call))):
            self.numbers.temporaries -= 1
            return None
        return placed(ast.Name(result), call)

    def emit_call(self, call: ast.Call, name: str, arguments: Sequence[ast.expr]) -> ast.expr:
        """Emit the step of a call inside an expression."""
        result = self.temporary()
        self.add_call(name, call, [self.made(a, "") for a in arguments], Target(result))
        return placed(ast.Name(result), call)

    def emit_assign(self, temporary: str, value: ast.expr) -> None:
        """Emit the step that gives a temporary a value."""
        self.out.append(Assign(self.place(), Target(temporary), self.made(value, "")))

    def emit_if(self, condition: ast.expr, then: Callable[[], None], otherwise: Callable[[], None] | None) -> None:
        """Emit an IF whose branches are emitted by the given functions."""
        place = self.place()
        outer = self.out
        branches = []
        for branch in (then, otherwise):
            if branch is not None:
                self.out = []
                branch()
                branches.append(tuple(self.out))
        self.out = outer
        self.out.append(If(place, (self.made(condition, ""),), tuple(branches)))
