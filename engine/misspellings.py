"""Words that are nearly one of ours, and statements of other BASICs that this dialect refuses."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable

LETTERS_MIN = 4
"""Below this, a word that lacks a letter of another is as likely a word of its own."""

_LABELS = ("labels and jumps are not part of the dialect", "use IF, a loop, or a SUB that is called")
REFUSED = {
    "GOTO": _LABELS,
    "GOSUB": _LABELS,
    "THEN": ("THEN belongs to an IF, and this is none", "IF condition THEN"),
}
"""What other BASICs have and this dialect has not, with a sentence and what to do instead."""


def misspelt(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that `word` is plainly a slip of the hand for: two letters swapped, one doubled, one
    missing. One wrong letter is none (TASK is no TALK), nor is a missing plural."""
    if word in known:
        return None
    for other in known:
        shorter = len(other) < LETTERS_MIN and len(word) < len(other)
        if len(other) > 1 and not shorter and abs(len(other) - len(word)) <= 1 and _is_slip(word, other):
            return other
    return None


def misspelt_words(words: str, known: Iterable[str]) -> str | None:
    """Return the known words that the first of `words` are but for a slip of the hand in one of them."""
    written = words.split()
    if words in known:
        return None
    for other in known:
        wanted = other.split()
        if not 1 < len(wanted) <= len(written):
            continue
        differing = [(w, o) for w, o in zip(written, wanted, strict=False) if w != o]
        if len(differing) == 1 and misspelt(differing[0][0], [differing[0][1]]):
            return other
    return None


def _is_slip(word: str, other: str) -> bool:
    if len(word) == len(other):
        differ = [i for i in range(len(word)) if word[i] != other[i]]
        return (
            len(differ) == 2
            and differ[1] == differ[0] + 1
            and word[differ[0]] == other[differ[1]]
            and word[differ[1]] == other[differ[0]]
        )
    if len(word) > len(other):
        return any(word[:i] + word[i + 1 :] == other and word[i] == word[i - 1] for i in range(1, len(word)))
    return any(other[:i] + other[i + 1 :] == word for i in range(1, len(other) - (other[-1] == "S")))


def nearest_head(words: list[str], heads: Collection[str]) -> str | None:
    """Return the keyword nearest to the first words of a line, or None."""
    known = sorted({h.rstrip(' "') for h in heads})
    for count in (3, 2, 1):
        near = difflib.get_close_matches(" ".join(words[:count]).upper(), known, 1, 0.7)
        if near and len(near[0].split()) == count:
            return near[0]
    return None
