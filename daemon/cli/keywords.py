"""`stepwell keywords`: the reference of the dialect, made of what every keyword says of itself."""

from __future__ import annotations

import inspect
import re
import sys
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated

from cyclopts import Parameter
from rich.table import Table
from rich.text import Text

from daemon.cli.exits import OK, WRONG, CommandError
from daemon.cli.output import open_console, write_json
from engine.registry import keyword_classes
from engine.steps import Step

FENCE = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)
MARKDOWN_HEAD = """\
# Keywords

Every statement of the dialect, with an example and the conversation it gives.
This page is made by `stepwell keywords --markdown` from the keywords themselves, and each example is a test.
"""


@dataclass(frozen=True, slots=True)
class Keyword:
    """A keyword as its documentation tells it. `title` is the word it goes by; `heads` are all its spellings."""

    title: str
    heads: tuple[str, ...]
    first: str
    text: str
    examples: tuple[tuple[str, str], ...]

    @property
    def anchor(self) -> str:
        """What links on the page end with."""
        return re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")


def keywords(
    *name: str,
    json: Annotated[bool, Parameter(negative=(), help="Print JSON.")] = False,
    markdown: Annotated[bool, Parameter(negative=(), help="Print the reference page.")] = False,
) -> int:
    """Explain the keywords of the dialect, or one of them.

    Parameters
    ----------
    name
        A keyword, in any case: hear, or "for each".
    """
    found = known_keywords()
    if name:
        found = find_keyword(" ".join(name), found)
    if json:
        write_json([_document(keyword) for keyword in found])
    elif markdown:
        sys.stdout.write(render_markdown(found))
    elif name:
        _explain(found)
    else:
        _list(found)
    return OK


def known_keywords() -> list[Keyword]:
    """Return every keyword, by its title."""
    return sorted((_keyword(kind) for kind in keyword_classes()), key=lambda k: k.title)


def find_keyword(name: str, among: list[Keyword]) -> list[Keyword]:
    """Return the keywords of that name (FOR is two). Raises CommandError with the nearest names."""
    wanted = " ".join(name.replace("_", " ").upper().split())
    found = [k for k in among if wanted in (k.title.upper(), *k.heads)]
    if found:
        return found
    names = {head for k in among for head in (*k.heads, k.title.upper())}
    near = get_close_matches(wanted, sorted(names), n=1, cutoff=0.6)
    near += sorted(head for head in names if wanted in head and head not in near)
    hint = f"did you mean {' or '.join(near[:3])}?" if near else "`stepwell keywords` lists them all"
    raise CommandError(f"the dialect has no keyword {wanted}; {hint}", WRONG)


def render_markdown(found: list[Keyword]) -> str:
    """Return the reference page."""
    parts = [MARKDOWN_HEAD]
    parts.append("\n".join(f"- [{k.title}](#{k.anchor}): {k.first}" for k in found) + "\n")
    for keyword in found:
        parts.append(f"## {keyword.title}\n\n{keyword.text}\n")
        for script, chat in keyword.examples:
            parts.append(f"```basic\n{script}```\n\ngives\n\n```chat\n{chat}```\n")
    return "\n".join(parts)


def _keyword(kind: type[Step]) -> Keyword:
    heads = tuple(dict.fromkeys(h.rstrip('" ').replace("_", " ") for h in kind.HEADS))
    doc = inspect.getdoc(kind) or ""
    blocks = FENCE.findall(doc)
    scripts = [text for language, text in blocks if language == "basic"]
    chats = [text for language, text in blocks if language == "chat"]
    text = re.sub(r"\n{3,}", "\n\n", FENCE.sub("", doc)).strip()
    first = re.split(r"(?<=[.:])\s", " ".join(text.split("\n\n")[0].split()), maxsplit=1)[0]
    return Keyword(_title(kind, heads), heads, first.rstrip(".:") + ".", text, tuple(zip(scripts, chats, strict=True)))


def _title(kind: type[Step], heads: tuple[str, ...]) -> str:
    """Return what to call a keyword: its words as the class name has them, else the words it begins with."""
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", kind.__name__)
    if not heads:
        return name
    return name.upper() if name.upper() in heads else heads[0]


def _document(keyword: Keyword) -> dict[str, object]:
    examples = [{"script": script, "chat": chat} for script, chat in keyword.examples]
    return {"name": keyword.title, "begins": keyword.heads, "text": keyword.text, "examples": examples}


def _list(found: list[Keyword]) -> None:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for keyword in found:
        table.add_row(keyword.title, keyword.first)
    console = open_console()
    console.print(table)
    console.print("\nstepwell keywords HEAR explains one of them, with an example.")


def _explain(found: list[Keyword]) -> None:
    console = open_console()
    for number, keyword in enumerate(found):
        if number:
            console.print()
        console.print(Text(keyword.title, "bold"))
        console.print()
        console.print(Text(keyword.text))
        for script, chat in keyword.examples:
            console.print(Text("\nExample\n", "dim"))
            console.print(Text(_indented(script), "cyan"))
            console.print(Text("gives\n", "dim"))
            console.print(Text(_indented(chat)))


def _indented(text: str) -> str:
    return "".join(f"    {line}\n" for line in text.splitlines())
