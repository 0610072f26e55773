"""Style that matters is a test: what may import what, how long a thing may be, where SQL lives."""

from __future__ import annotations

import ast
import gc
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

import pytest

import daemon

PROJECT = Path(__file__).parents[1]
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 50
# The engine is pure: nothing of the world, no clock, no randomness of its own.
FORBIDDEN_IN_ENGINE = frozenset(
    {
        *("asyncio", "anyio", "uvloop", "threading", "multiprocessing", "subprocess", "signal", "select"),
        *("os", "io", "pathlib", "glob", "shutil", "tempfile", "time", "random", "secrets"),
        *("socket", "ssl", "http", "urllib", "requests", "asyncpg", "sqlite3", "logging", "structlog"),
    }
)
# What of these is pure after all: taking an address apart, and a generator that somebody else seeds.
PURE_AFTER_ALL = frozenset({"urllib.parse", "random.Random"})
KNOWS_ASYNCPG = re.compile(r"^daemon\.(store\w*|listener\w*|partitions\w*|embedded\w*|migrations\w*)$")
READS_ENVIRONMENT = re.compile(r"^daemon\.settings$")
# Nobody names a module so: such a name says nothing of what is inside.
NAMES_OF_NOTHING = frozenset({"utils", "util", "common", "helpers", "helper", "manager", "misc", "base"})
SQL = re.compile(
    r"(?ix)^\s*(select\s.+\sfrom\s|select\s+[a-z_.]+\s*\(|insert\s+into\s|update\s+\w+\s+set\s|delete\s+from\s"
    r"|create\s+(table|function|index|schema|view|role)\s|alter\s+(table|role)\s|drop\s+(table|schema|function)\s"
    r"|with\s+\w+\s+as\s*\()",
    re.DOTALL,
)


def modules(*folders: str) -> list[Path]:
    """Return every Python file of ours in these folders."""
    return sorted(path for folder in folders for path in (PROJECT / folder).rglob("*.py"))


def name_of(path: Path) -> str:
    """Return a file's module name."""
    return ".".join(path.relative_to(PROJECT).with_suffix("").parts).removesuffix(".__init__")


@lru_cache(maxsize=1)
def parse(path: Path) -> ast.Module:
    """Return a file's syntax tree.

    Python before 3.11.8 counts the depth of the tree in one place for all: garbage collected in the middle, whose
    finalizers may let another thread parse, ends in a SystemError (python/cpython#106905).
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    finally:
        if collects:
            gc.enable()


@lru_cache(maxsize=1)
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """Return all nodes of a file's syntax tree."""
    return tuple(ast.walk(parse(path)))


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Give every module a file imports, also inside functions, with its line."""
    for node in nodes(path):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import hides what it means"
            for alias in node.names:
                yield f"{node.module}.{alias.name}", node.lineno


def uses_only_generators(path: Path) -> bool:
    """Say whether of `random` only the class Random is used, never the module's own generator."""
    return all(name == "random.Random" for name, _ in attributes(path) if re.match(r"random\.\w+$", name))


def complaints_about_imports(path: Path) -> Iterator[str]:
    """Give what a file imports although its place forbids it."""
    module = name_of(path)
    for imported, line in imports(path):
        top = imported.split(".")[0]
        place = f"{path.relative_to(PROJECT)}:{line}"
        pure = any(imported == name or imported.startswith(name + ".") for name in PURE_AFTER_ALL)
        pure = pure or (imported == "random" and uses_only_generators(path))
        if module.startswith("engine") and top in FORBIDDEN_IN_ENGINE and not pure:
            yield f"{place}: the engine is pure and may not import {imported}"
        if module.startswith("engine") and top in ("daemon", "tests"):
            yield f"{place}: the engine may not import {imported}"
        if module.startswith("daemon") and top == "tests":
            yield f"{place}: the daemon may not import {imported}"
        if top == "asyncpg" and module.startswith("daemon") and not KNOWS_ASYNCPG.match(module):
            yield f"{place}: only store*, listener*, partitions*, embedded* and migrations* know asyncpg"
        if module.startswith("engine.stepper") and imported.startswith("engine.keywords"):
            yield f"{place}: the stepper must not know any keyword"
        if (
            module.startswith("engine.keywords.")
            and imported.startswith("engine.keywords.")
            and imported.split(".")[2] != module.split(".")[2]
        ):
            yield f"{place}: keywords never import each other ({imported})"


def attributes(path: Path) -> Iterator[tuple[str, int]]:
    """Give every dotted name a file uses, such as `os.environ`, with its line."""
    for node in nodes(path):
        if isinstance(node, ast.Attribute):
            yield ast.unparse(node), node.lineno


def complaints_about_the_world(path: Path) -> Iterator[str]:
    """Give where a file reads the environment or starts a task without a parent."""
    module = name_of(path)
    for name, line in attributes(path):
        place = f"{path.relative_to(PROJECT)}:{line}"
        if name in ("os.environ", "os.getenv", "os.environb", "os.putenv") and not READS_ENVIRONMENT.match(module):
            yield f"{place}: only daemon/settings.py reads the environment"
        if name == "asyncio.create_task" or name.endswith(".ensure_future"):
            yield f"{place}: a task has a parent: start it in a TaskGroup"
        if re.fullmatch(r"(\w*loop|asyncio\.get_running_loop\(\)|asyncio\.get_event_loop\(\))\.create_task", name):
            yield f"{place}: a task has a parent: start it in a TaskGroup"


def complaints_about_chance(path: Path) -> Iterator[str]:
    """Give where the engine draws a number that nobody seeded."""
    if not name_of(path).startswith("engine"):
        return
    for node in nodes(path):
        if isinstance(node, ast.Call) and ast.unparse(node) in ("Random()", "random.Random()"):
            yield f"{path.relative_to(PROJECT)}:{node.lineno}: chance comes in from outside, seeded"


def complaints_about_length(path: Path) -> Iterator[str]:
    """Give what is too long."""
    lines = path.read_text(encoding="utf-8").count("\n")
    if lines > FILE_LINES_MAX:
        yield f"{path.relative_to(PROJECT)}: {lines} lines; {FILE_LINES_MAX} is the most"
    for node in nodes(path):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > FUNCTION_LINES_MAX:
                place = f"{path.relative_to(PROJECT)}:{node.lineno}"
                yield f"{place}: {node.name} has {length} lines; {FUNCTION_LINES_MAX} is the most"


def complaints_about_sql(path: Path) -> Iterator[str]:
    """Give texts that are SQL. Docstrings are not: they are expressions of their own."""
    expressions = [node.value for node in nodes(path) if isinstance(node, ast.Expr)]
    documentation = {id(value) for value in expressions if isinstance(value, ast.Constant)}
    for node in nodes(path):
        text = node.value if isinstance(node, ast.Constant) and id(node) not in documentation else None
        if isinstance(text, str) and isinstance(node, ast.Constant) and SQL.match(text):
            yield f"{path.relative_to(PROJECT)}:{node.lineno}: SQL lives in sql/: {text.strip()[:50]!r}"


def complaints_about_silence(path: Path) -> Iterator[str]:
    """Give a module that does not open by saying what it is for."""
    if path.stat().st_size and not ast.get_docstring(parse(path)):
        yield f"{path.relative_to(PROJECT)} has no docstring"


Check = Callable[[Path], Iterator[str]]
CHECKS_OF_THE_PRODUCT: tuple[Check, ...] = (
    complaints_about_chance,
    complaints_about_imports,
    complaints_about_the_world,
    complaints_about_sql,
)


def complain(found: list[str]) -> None:
    """Fail with one line for every complaint."""
    assert not found, "\n" + "\n".join(found)


def test_every_file_keeps_to_the_house() -> None:
    """All that is looked for in the tree of a file, in one test: making the trees is what takes its time."""
    found: list[str] = []
    for path in modules("engine", "daemon", "tests", "bench"):
        found += [*complaints_about_length(path), *complaints_about_silence(path)]
        if path.relative_to(PROJECT).parts[0] in ("engine", "daemon"):
            found += [said for check in CHECKS_OF_THE_PRODUCT for said in check(path)]
    complain(found)


def test_every_statement_is_used() -> None:
    source = "\n".join(path.read_text(encoding="utf-8") for path in modules("daemon", "tests", "bench", "engine"))
    queries = sorted((PROJECT / "sql" / "queries").glob("*.sql"))
    assert queries
    complain([f"{path.name} is used nowhere" for path in queries if f'"{path.stem}"' not in source])


def test_every_statement_says_first_what_it_keeps_true() -> None:
    queries = sorted((PROJECT / "sql" / "queries").glob("*.sql"))
    complain([f"{q.name} begins without a comment" for q in queries if not q.read_text().startswith("-- ")])


def test_names_say_something() -> None:
    complain([f"{path} says nothing" for path in modules("engine", "daemon") if path.stem in NAMES_OF_NOTHING])


def test_no_other_package_took_our_name() -> None:
    assert daemon.__file__ and Path(daemon.__file__).is_relative_to(PROJECT), (
        f"the package daemon comes from {daemon.__file__}: python-daemon may be installed beside Stepwell"
    )


@pytest.mark.parametrize(
    ("module", "source", "complaint"),
    [
        ("engine/x.py", "import asyncio\n", "is pure"),
        ("engine/x.py", "def f():\n    from time import sleep\n", "is pure"),
        ("engine/x.py", "import random\nrandom.choice([1])\n", "is pure"),
        ("engine/x.py", "import random\ndef f(r: random.Random) -> float: return r.random()\n", ""),
        ("engine/x.py", "from random import Random\nr = Random()\n", "from outside"),
        ("engine/x.py", "from random import Random\nr = Random(7)\n", ""),
        ("engine/x.py", "from urllib.parse import urlsplit\n", ""),
        ("engine/x.py", "from daemon import settings\n", "may not import daemon"),
        ("engine/stepper.py", "from engine.keywords import talk\n", "any keyword"),
        ("engine/stepper.py", "from engine.keywords.talk import Talk\n", "any keyword"),
        ("engine/keywords/talk.py", "from engine.keywords.hear import Hear\n", "each other"),
        ("engine/keywords/talk.py", "from engine.keywords import hear\n", "each other"),
        ("daemon/actor.py", "import asyncpg\n", "know asyncpg"),
        ("daemon/actor.py", "import os\nos.environ['X']\n", "reads the environment"),
        ("daemon/actor.py", "import asyncio\nasyncio.create_task(f())\n", "has a parent"),
        ("daemon/actor.py", "import asyncio\nasyncio.get_running_loop().create_task(f())\n", "has a parent"),
        ("daemon/actor.py", "def f():\n" + "    x = 1\n" * 50, "f has 51 lines"),
        ("daemon/actor.py", "x = 1\n" * 401, "401 lines"),
        ("daemon/actor.py", "q = 'select a from b where c'\n", "SQL lives"),
        ("daemon/actor.py", "q = f'''\n  insert into t values ({1})'''\n", "SQL lives"),
        ("daemon/store.py", "import asyncpg\n", ""),
        ("daemon/actor.py", "group.create_task(f())\nx = 'select one of these'\n", ""),
        ("engine/keywords/talk.py", "from engine.steps import Step\n", ""),
    ],
)  # fmt: skip
def test_the_tests_can_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, source: str, complaint: str
) -> None:
    monkeypatch.setattr("tests.test_architecture.PROJECT", tmp_path)
    path = tmp_path / module
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source)
    checks = (*CHECKS_OF_THE_PRODUCT, complaints_about_length)
    found = [said for check in checks for said in check(path)]
    assert bool(found) == bool(complaint)
    assert all(complaint in said for said in found)
