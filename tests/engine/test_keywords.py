"""Every keyword's documentation is a test: its example script gives its example chat."""

from __future__ import annotations

import inspect

import pytest

from engine.registry import keyword_classes
from engine.steps import Step
from tests.engine.player import NeedsDatabase, difference, examples

# The bare engine has no tables; tests/chats holds these conversations, as all others, over the real daemon.
ASKS_TABLES = {"Update-0", "Delete-0", "Merge-0", "Find-0", "Aggregate-0", "Table-0", "Save-0", "Insert-0"}


def documented() -> list[tuple[str, str, str]]:
    found = []
    for kind in keyword_classes():
        for number, (script, chat) in enumerate(examples(inspect.getdoc(kind) or "")):
            found.append((f"{kind.__name__}-{number}", script, chat))
    return found


@pytest.mark.parametrize(("name", "script", "chat"), documented(), ids=lambda v: v if "\n" not in v else "")
def test_example_of_keyword(name: str, script: str, chat: str) -> None:
    if name in ASKS_TABLES:
        with pytest.raises(NeedsDatabase):
            difference(script, chat)
    else:
        assert difference(script, chat) == ""


@pytest.mark.parametrize("kind", [k for k in keyword_classes() if k.HEADS], ids=lambda k: k.__name__)
def test_every_keyword_has_documentation_and_an_example(kind: type[Step]) -> None:
    doc = inspect.getdoc(kind) or ""
    assert doc and "```basic" in doc and "```chat" in doc
