"""The lines of a workflow that are no statements of their own: labels (STEP 1:), branches, and ON TIMEOUT."""

from __future__ import annotations

import re

_LABEL = re.compile(
    r'STEP\s+(?:[\w.-]+|"[^"]*")\s*:\s*|STEP\s+\d+\s*$|STEP\s+\d+\s+(?=(?:BOT|HUMAN|PARALLEL|DELAY|TALK|CALL)\b)',
    re.IGNORECASE,
)
_BRANCH = re.compile(r'BRANCH(?!\w)(?:\s*:|\s+(?:[\w.-]+|"[^"]*")\s*:?)?\s*', re.IGNORECASE)
_ON_TIMEOUT = re.compile(r"ON\s+TIMEOUT\s*:?\s*", re.IGNORECASE)
_APPROVAL = re.compile(r"(?:[^=\"]*=\s*)?HUMAN[ _]+APPROVAL\b.*?(?=\sON\s+TIMEOUT\b)", re.IGNORECASE)
_ENDS_LATE = re.compile(r"END\s+(?:WORKFLOW|ORCHESTRATE|PARALLEL|TIMEOUT)\b|BRANCH\b(?!\s*=)", re.IGNORECASE)
_END_TIMEOUT = re.compile(r"END\s+TIMEOUT\s*$", re.IGNORECASE)
_ACTION = re.compile(r"(?:APPROVE|REJECT)\s*$|ESCALATE\s+TO\b", re.IGNORECASE)


def label_end(text: str) -> int:
    """Return where the statement behind `STEP n:` begins; 0 for a line without such a label."""
    match = _LABEL.match(text)
    return match.end() if match else 0


def branch_end(text: str) -> int:
    """Return where the statement behind `BRANCH A:` begins."""
    match = _BRANCH.match(text)
    return match.end() if match else 0


def late_end(text: str) -> int:
    """Return where stands what `ON TIMEOUT:` does; 0 for another line."""
    match = _ON_TIMEOUT.match(text)
    return match.end() if match else 0


def approval_end(text: str) -> int:
    """Return where ON TIMEOUT begins in the line of the approval itself; 0 where it does not stand there."""
    match = _APPROVAL.match(text)
    return match.end() if match else 0


def ends_late(text: str) -> bool:
    """Tell whether the statements of an ON TIMEOUT end before this line."""
    return label_end(text) > 0 or _ENDS_LATE.match(text) is not None


def is_end_timeout(text: str) -> bool:
    """Tell whether the line is the END TIMEOUT that closes the statements of an ON TIMEOUT."""
    return _END_TIMEOUT.match(text) is not None


def is_action(text: str) -> bool:
    """Tell whether ON TIMEOUT decides by itself (APPROVE, REJECT, ESCALATE TO), and holds no statements."""
    return _ACTION.match(text) is not None
