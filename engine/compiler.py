"""Source to plan: compile_script, the whole way.

Scripts that a script calls by CALL "other.bas" belong to its plan: someone in the middle of a conversation
goes on with all of them as they were when it started.
"""

from __future__ import annotations

import difflib
import posixpath
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from engine.building import Builder
from engine.errors import CompileError, Problem
from engine.expressions import names_of
from engine.grammar import variable_name
from engine.heads import longest_head
from engine.keywords.calls import Define
from engine.keywords.exits import ReturnValue
from engine.keywords.params import Param
from engine.keywords.tools import UseTool
from engine.names import Names, Numbers, procedure_name, procedure_parameters
from engine.nesting import Nester
from engine.phrases import given_names
from engine.plan import Mode, Plan, Procedure
from engine.raw import Statement
from engine.source import Scan, Source, scan
from engine.steps import Block, Step, constant_of

SOURCE_CHARACTERS_MAX = 1_000_000
INJECTED_NAMES = frozenset({
    "mobile", "from", "id", "username", "user", "session", "today", "now", "host", "limit", "admin", "email",
    "name", "bot", "channel", "language", "params", "query", "message", "error", "err", "true", "false",
})  # fmt: skip


@dataclass(slots=True)
class _Compilation:
    """One plan in the making: what its scripts may call, and all that was found wrong."""

    sources: Mapping[str, str]
    tools: Mapping[str, str]
    injected: frozenset[str]
    numbers: Numbers = field(default_factory=Numbers)
    procedures: dict[str, Procedure] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)

    def path_of(self, caller: str, written: str) -> str | None:
        """Return the path of the script that an author names, with or without its ending: one of the caller's
        own folder, else one from the root."""
        wanted = written.lower().removesuffix(".bas")
        beside = posixpath.join(posixpath.dirname(caller.lower()), wanted)
        by_name = {path.lower().removesuffix(".bas"): path for path in self.sources}
        return by_name.get(posixpath.normpath(beside)) or by_name.get(wanted)

    def script(self, path: str) -> Scan:
        """Compile one script: its own statements as a procedure, and its SUBs and FUNCTIONs."""
        source = Source(path, self.sources[path])
        if len(source.text) > SOURCE_CHARACTERS_MAX:
            message = f"the script is longer than {SOURCE_CHARACTERS_MAX:,} characters"
            raise CompileError([source.problem(0, message, "split it into several scripts")])
        scanned = scan(source)
        declared = _declared_names(scanned)
        nester = Nester(source, declared | set(self.tools))
        statements = nester.read(scanned)
        own = {
            procedure_name(s): len(procedure_parameters(s))
            for s in statements
            if s.kind is Define and s.parsed.rule == "define"
        }
        variables = {variable_name(name) for name in given_names(scanned)}
        names = Names(own, self.tools, partial(self.path_of, path), variables)
        builder = Builder(source, names, self.numbers)
        self.build(builder, path, statements)
        for problem in (*scanned.problems, *nester.problems, *builder.problems):
            (self.problems if problem.severity == "error" else self.warnings).append(problem)
        self.waiting += [p for p in (*builder.called_scripts, *self.offered(path)) if p not in self.procedures]
        return scanned

    def offered(self, path: str) -> Iterator[str]:
        """Yield the scripts that a script offers to the language model by name: as tools they run in its conversation,
        and someone in the middle goes on with them as they were."""
        own = [p for p in self.procedures.values() if p.script == path]
        for step in (s for p in own for s in walk(p.body) if isinstance(s, UseTool)):
            for name in map(constant_of, step.names):
                found = self.path_of(path, name) if isinstance(name, str) else None
                if found is not None:
                    yield found

    def build(self, builder: Builder, path: str, statements: list[Statement]) -> None:
        """Number the script's steps in reading order: its procedures where they are declared."""
        main: list[Step] = []
        for statement in statements:
            if statement.kind is not Define:
                main.extend(builder.block([statement]))
            elif statement.parsed.rule == "define":
                name = procedure_name(statement)
                parameters = procedure_parameters(statement)
                body = builder.block(statement.sections[0].body)
                self.procedures[f"{path}#{name}"] = Procedure(f"{path}#{name}", path, parameters, body)
        ends = next((i for i, s in enumerate(main) if isinstance(s, ReturnValue)), len(main))
        for step in main[ends:]:
            if isinstance(step, Param):
                offset = builder.source.offset(step.place.line, 1)
                message = f"PARAM {step.variable} stands behind a RETURN and is never reached"
                self.warnings.append(builder.source.problem(offset, message, "put it before", warning=True))
        self.procedures.update((p.name, p) for p in builder.apart)
        parameters = tuple(s.variable for s in main[:ends] if isinstance(s, Param))
        self.procedures[path] = Procedure(path, path, parameters, tuple(main), whole_script=True)


def compile_script(
    script: str,
    sources: Mapping[str, str],
    *,
    tools: Collection[str] | Mapping[str, str] = (),
    default_mode: Mode = "workflow",
    injected: frozenset[str] = INJECTED_NAMES,
) -> Plan:
    """Return the plan of a script; `sources` maps the paths of its bot's scripts to their texts.

    `tools` are the names the configuration declares, by their kinds (sql where only names are given). `injected` are
    names that the bot server gives, which raise no warning. Raises CompileError with every error of every script that
    the plan needs.
    """
    kinds = tools if isinstance(tools, Mapping) else dict.fromkeys(tools, "sql")
    compilation = _Compilation(sources, {name.lower(): kind for name, kind in kinds.items()}, injected)
    scanned = compilation.script(script)
    while compilation.waiting:
        path = compilation.waiting.pop()
        if path not in compilation.procedures:
            compilation.script(path)
    if compilation.problems:
        raise CompileError(sorted(compilation.problems, key=lambda p: (p.file != script, p.file, p.line, p.column)))
    used = {p.script: sources[p.script] for p in compilation.procedures.values()}
    compilation.warnings += _undefined(compilation, used)
    return Plan(
        script,
        _mode(scanned, default_mode),
        used,
        compilation.procedures,
        tuple(sorted(compilation.warnings, key=lambda p: (p.file, p.line, p.column))),
    )


def _mode(scanned: Scan, default_mode: Mode) -> Mode:
    if "workflow" in scanned.pragmas:
        return "workflow"
    return "direct" if "direct" in scanned.pragmas else default_mode


def _declared_names(scanned: Scan) -> set[str]:
    """Return the names of the procedures a script declares, found before any line is parsed."""
    names = set()
    for line in scanned.lines:
        head = longest_head(line.text, Define.HEADS)
        if head is not None:
            words = line.text[len(head) :].replace("(", " ").split()
            if words and words[0] != "=":
                names.add(variable_name(words[0]))
    return names


def _undefined(compilation: _Compilation, sources: Mapping[str, str]) -> Iterator[Problem]:
    """Yield a warning for every name that is read and never given a value, at its first reading."""
    for path, text in sources.items():
        source = Source(path, text)
        procedures = [p for p in compilation.procedures.values() if p.script == path]
        steps = [s for p in procedures for s in walk(p.body)]
        known = set(compilation.injected)
        known.update(name for p in procedures for name in p.parameters)
        known.update(name for s in steps for name in s.assigns())
        reported: set[str] = set()
        for step in steps:
            for expression in step.expressions():
                for name in sorted(names_of(expression) - known - reported):
                    if name.startswith("$"):
                        continue
                    reported.add(name)
                    near = difflib.get_close_matches(name, sorted(known - compilation.injected), 1, 0.7)
                    hint = f"did you mean {near[0]}?" if near else "it is NULL here"
                    offset = source.offset(expression.line, expression.column)
                    yield source.problem(offset, f"“{name}” is never given a value", hint, warning=True)


def walk(block: Block) -> Iterator[Step]:
    """Yield the steps of a block and of the blocks inside them, in reading order."""
    for step in block:
        yield step
        for inner in step.blocks():
            yield from walk(inner)
