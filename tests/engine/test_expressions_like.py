"""LIKE against the same pattern as a regular expression, which may backtrack and says what is right."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.patterns import like
from tests.scale import examples


def _regex(pattern: str) -> str:
    return "".join(".*" if c in "%*" else "." if c in "_?" else re.escape(c) for c in pattern)


@settings(deadline=None, max_examples=examples(400), derandomize=True)
@given(st.text("ab", max_size=8), st.text("ab%_", max_size=6))
def test_like_says_what_the_regular_expression_says(text: str, pattern: str) -> None:
    assert like(text, pattern) is (re.fullmatch(_regex(pattern), text, re.DOTALL) is not None)


def test_escapes_and_case() -> None:
    assert like("50%", r"50\%") and not like("500", r"50\%")
    assert like("a_b", r"a\_b") and not like("axb", r"a\_b")
    assert like("ÀB", "àb", ignore_case=True) and not like("ÀB", "àb")
    assert like("line\nline", "line%line")
