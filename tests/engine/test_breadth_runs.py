"""What the further spellings mean when they run."""

from __future__ import annotations

import pytest

from tests.engine.player import play

RUNS: dict[str, tuple[str, str, list[str]]] = {
    "brackets of a variable hold an index": ("l = [1, 2]\nTALK l(1)\nTALK l(LBOUND(l))", "", ["2", "1"]),
    "declarations": ("DIM a(3), b = 2, c AS OBJECT\na.push(1)\nTALK a\nTALK b\nTALK c", "", ["[1]", "2", "{}"]),
    "changes": ('x = 5\nx += 2\nx++\nTALK x\nx -= 1 : x *= 2\nTALK x\nx &= "!"\nTALK x', "", ["8", "14", "14!"]),
    "colons of cases": ('SWITCH 1\nCASE 1: TALK "a"\nDEFAULT: TALK "c"\nEND SWITCH', "", ["a"]),
    "break ends a case": ('SWITCH 2\nCASE 2\nTALK "b"\nBREAK\nTALK "no"\nEND SWITCH\nTALK "end"', "", ["b", "end"]),
    "break in a loop leaves the loop": ("DO\nSWITCH 1\nCASE 1\nBREAK\nEND SWITCH\nTALK 1\nLOOP\nTALK 2", "", ["2"]),
    "colons in a line": ('IF 0 THEN TALK "a" : TALK "b" ELSE TALK "c" : TALK "d"', "", ["c", "d"]),
    "colon of a choice": ('x = 0 ? "a" : "b"\nTALK x', "", ["b"]),
    "else on the next line": ('IF 0 THEN TALK "a"\nELSE TALK "b"\nTALK "c"', "", ["b", "c"]),
    "else on the next line with an end": ('IF 0 THEN TALK "a"\nELSE\nTALK "b"\nEND IF\nTALK "c"', "", ["b", "c"]),
    "else of the outer if": ('IF 0 THEN\nIF 1 THEN TALK "a"\nELSE\nTALK "b"\nEND IF', "", ["b"]),
    "else at the end of the line": ('IF 0 THEN TALK "a" ELSE\nTALK "b"\nEND IF', "", ["b"]),
    "end if behind one line": ('IF 1 THEN TALK "a"\nEND IF\nTALK "b"', "", ["a", "b"]),
    "finally": ('TRY\nTHROW "x"\nCATCH (e)\nTALK e\nFINALLY\nTALK "f"\nENDTRY', "", ["x", "f"]),
    "finally without an error": ('TRY\nTALK 1\nCATCH e\nTALK e\nFINALLY\nTALK "f"\nEND TRY', "", ["1", "f"]),
    "keywords inside expressions": (
        'SET "session.k", 5\nTALK GET "session.k"\nIF GET "session.k" = 5 THEN TALK "five"\nTALK "${GET_SESSION("k")}"',
        "",
        ["5", "five", "5"],
    ),
    "keywords of several words as calls": ('SET BOT MEMORY k = 3\nTALK 1 + GET BOT MEMORY("k")', "", ["4"]),
    "functions without brackets": ('x = TRIM "  a "\nTALK x\ny = ROUND 2.567, 2\nTALK y', "", ["a", "2.57"]),
    "cases that compare": ('SELECT CASE 5\nCASE > 3\nTALK "big"\nEND SELECT', "", ["big"]),
    "cases that are not null": (
        "SELECT CASE NULL\nCASE IS NOT NULL\nTALK 1\nCASE IS NULL\nTALK 2\nEND SELECT",
        "",
        ["2"],
    ),
    "cases that call": (
        "FUNCTION f(a)\nRETURN a * 2\nEND FUNCTION\nSELECT CASE 4\nCASE f(2)\nTALK 1\nENDSELECT",
        "",
        ["1"],
    ),
    "semicolons": ("TALK 1; 2;\nx = 3; TALK x", "", ["1 2", "3"]),
    "lists sort themselves": ("x = [3, 1, 2]\nx.sort()\nTALK x", "", ["[1,2,3]"]),
    "remember": (
        'REMEMBER city = "R"\nRECALL city\nTALK city\nREMEMBER "a", 1, DAYS(1)\nTALK RECALL("a")',
        "",
        ["R", "1"],
    ),
    "what is remembered for a time is forgotten": (
        'REMEMBER "a", 1, HOURS(1)\nWAIT 2 HOURS\nx = RECALL "a"\nTALK x IS NULL',
        "after 2 hours",
        ["true"],
    ),
    "session with its id": ('SET SESSION "session", "k", 1\nx = GET SESSION "session", "k"\nTALK x', "", ["1"]),
    "a procedure's result without brackets": (
        "FUNCTION f(a)\nRETURN a * 2\nEND FUNCTION\nx = f 21\nTALK x",
        "",
        ["42"],
    ),
    "is": ("IF x IS EMPTY THEN TALK 1\nIF TRUE IS TRUE THEN TALK 2\nIF 1 IS NOT 2 THEN TALK 3", "", ["1", "2", "3"]),
    "starts with in one word": ('IF "abc" STARTSWITH "a" AND "abc" ENDSWITH "c" THEN TALK 1', "", ["1"]),
    "remarks behind code": ('TALK "a" REM b\nrem = 2\nTALK rem', "", ["a", "2"]),
    "a variable called to": ('to = "x"\nTALK to & "y"', "", ["xy"]),
    "hear types of two words": ("HEAR p AS PHONE NUMBER\nTALK p", "user: +55 81 99999 1111", ["5581999991111"]),
    "hear without a name": ('HEAR "Ready?"\nTALK "go"', "user: yes", ["Ready?", "go"]),
    "suggestions with commas": ('ADD SUGGESTION "a", "Label"\nTALK "x"', "", ["x", "[Label]"]),
}


@pytest.mark.parametrize("rule", RUNS)
def test_runs(rule: str) -> None:
    source, chat, said = RUNS[rule]
    heard = [s for s in play(source, chat) if s.startswith(("bot:", "["))]
    assert [s.removeprefix("bot: ") for s in heard] == said
