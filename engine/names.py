"""The counters of a plan, and what names mean while a script is built."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from engine.grammar import variable_name
from engine.raw import RawParsed, Statement


@dataclass(slots=True)
class Numbers:
    """The counters of one plan: step numbers in reading order, and names for lifted results."""

    steps: int = 0
    temporaries: int = 0


SCRIPT_TOOL = "script:"  # before the path in the kind of a tool that is a script


@dataclass(slots=True)
class Names:
    """What a call may mean in a script: its procedures (name to number of parameters), tools (name to kind), scripts;
    `variables` are those it gives a value, which may hold an address."""

    procedures: dict[str, int]
    tools: Mapping[str, str]
    scripts: Callable[[str], str | None]  # what an author wrote -> the path of the script it means
    variables: Collection[str] = ()

    def script_of(self, name: str) -> str | None:
        """Return the path of the script that a name means: the one a tool stands for, else one of that name."""
        kind = self.tools.get(name, "")
        return self.scripts(kind.removeprefix(SCRIPT_TOOL) if kind.startswith(SCRIPT_TOOL) else name)

    def callable(self, name: str) -> bool:
        """Tell whether a name is that of a procedure, a tool or a script."""
        return name in self.procedures or name in self.tools or self.scripts(name) is not None


def procedure_name(statement: Statement) -> str:
    """Return the name a SUB or FUNCTION line declares."""
    return variable_name(next(p for p in statement.parsed.parts if isinstance(p, str)))


def procedure_parameters(statement: Statement) -> tuple[str, ...]:
    """Return the parameters a SUB or FUNCTION line declares."""
    rules = [p for p in statement.parsed.parts if isinstance(p, RawParsed) and p.rule == "define_parameter"]
    return tuple(variable_name(next(p for p in r.parts if isinstance(p, str))) for r in rules)
