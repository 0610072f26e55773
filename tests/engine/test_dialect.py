"""The rules of the dialect, one small script each."""

from __future__ import annotations

import pytest

from tests.engine.player import play

CASES: dict[str, tuple[str, str, list[str]]] = {
    "names are case-insensitive": ('HEAR Name\nTALK name & NAME', "user: Ada", ["AdaAda"]),
    "comments": ("' one\nREM two\n// three\n# four\nTALK \"a\" ' five\nREMEMBERED = 1\nTALK rememBered // six", "", ["a", "1"]),
    "strings keep comment signs": ("TALK \"it's # not // a comment\"", "", ["it's # not // a comment"]),
    "line goes on in brackets": ("x = [1,\n  2, ' two\n  3]\nTALK x.length", "", ["3"]),
    "line goes on after comma and operator": ('TALK "a" &\n  "b",\n  "c"', "", ["ab c"]),
    "line goes on after underscore": ('x = 1 + _\n 2\nTALK x', "", ["3"]),
    "curly quotes": ("TALK “hello”\nx = ‘it’\nTALK x", "", ["hello", "it"]),
    "escapes": (r'TALK "a\"b""c\\d"', "", ['a"b"c\\d']),
    "numbers print as written": ("TALK 0.1 + 0.2\nTALK 3.0\nTALK 7 / 2\nTALK 6 / 2", "", ["0.3", "3", "3.5", "3"]),
    "null in text and arithmetic": ('TALK "[" & nothing & "]"\nTALK nothing + 2', "", ["[]", "2"]),
    "objects": ('o = { "k": 1, b: [2, 3] }\nTALK o.b[1]\np = #{ x: o.k }\nTALK p.x\nTALK p', "", ["3", "1", '{"x":1}']),
    "copies are values": ('a = [1]\nb = a\nb.push(2)\nTALK a.length & b.length', "", ["12"]),
    "new object and array": ("o = NEW OBJECT\no.a = 1\nl = NEW ARRAY\nl.push(4)\nTALK o.a + l[0]", "", ["5"]),
    "assignment beyond the end fills with null": ("l = []\nl[2] = 1\nTALK l", "", ["[null,null,1]"]),
    "integer division and modulo": ("TALK 7 \\ 2 & \" \" & 7 MOD 4 & \" \" & 7 % 4", "", ["3 3 3"]),
    "power": ("TALK 2 ^ 3 & \" \" & (-2 ^ 2)", "", ["8 -4"]),
    "equality in conditions": ('x = 3\nIF x = 3 THEN TALK "eq"\nIF x == 3 AND x <> 4 THEN TALK "ne"', "", ["eq", "ne"]),
    "text that reads as a number": ('IF "1" = 1 THEN TALK "same"', "", ["same"]),
    "is null": ("IF x IS NULL THEN TALK 1\nx = 2\nIF x IS NOT NULL THEN TALK 2", "", ["1", "2"]),
    "in, like, contains": ('IF 2 IN [1, 2] THEN TALK 1\nIF "abc" LIKE "a%" THEN TALK 2\nIF "abc" CONTAINS "b" THEN TALK 3\nIF NOT "x" IN ["y"] THEN TALK 4', "", ["1", "2", "3", "4"]),
    "starts and ends with": ('IF "abc" STARTS WITH "ab" AND "abc" ENDS WITH "bc" THEN TALK "both"', "", ["both"]),
    "ternary and iif": ('TALK 1 > 2 ? "a" : "b"\nTALK IIF(TRUE, "y", "n")\nTALK IF(FALSE, 1, 2)', "", ["b", "y", "2"]),
    "or gives the first true value": ('TALK "" OR "x"\nTALK (0 AND 5)', "", ["x", "0"]),
    "interpolation": ('n = 2\nTALK "${n + 1} {n} {{n}} ${{n}} $#,##0 ${"', "", ["3 {n} {{n}} ${{n}} $#,##0 ${"]),
    "number sign interpolation": ('n = 42\nTALK "Ticket #{n} and \\${n}"', "", ["Ticket #42 and ${n}"]),
    "nested quotes in interpolation": ('TALK "Hi ${IF(1 = 1, "you", "they")}"', "", ["Hi you"]),
    "optional chaining": ("TALK \"[\" & o?.a?.b & \"]\"", "", ["[]"]),
    "if elseif else": ("x = 5\nIF x > 9 THEN\nTALK 1\nELSE IF x > 4 THEN\nTALK 2\nELSE\nTALK 3\nEND IF", "", ["2"]),
    "one line if with nested if": ('IF 1 THEN IF 0 THEN TALK "a" ELSE TALK "b"', "", ["b"]),
    "one line if elseif": ('IF 0 THEN TALK "a" ELSEIF 1 THEN TALK "b" ELSE TALK "c"', "", ["b"]),
    "if with end if on one line": ('IF 1 THEN TALK "a" END IF\nTALK "b"', "", ["a", "b"]),
    "else with its statement": ('IF 0 THEN\nTALK "a"\nELSE TALK "b"\nEND IF', "", ["b"]),
    "braces": ("FOR i = 1 TO 2 {\n  IF i = 2 {\n TALK i\n } else {\n TALK \"one\"\n }\n}", "", ["one", "2"]),
    "for each forms": ("FOR x IN [1]\nTALK x\nEND FOR\nFOR EACH y IN [2] DO\nTALK y\nNEXT y\nFOR EACH z IN [1, 2, 3] LAST 1\nTALK z\nNEXT", "", ["1", "2", "3"]),
    "for with fractions": ("FOR i = 0 TO 0.3 STEP 0.1\nn = n + 1\nNEXT\nTALK n", "", ["4"]),
    "do loops": ("DO UNTIL a = 2\na = a + 1\nLOOP\nDO\nb = b + 1\nLOOP WHILE b < 3\nTALK a & b", "", ["23"]),
    "while do end while": ("n = 0\nWHILE n < 2 DO\nn = n + 1\nEND WHILE\nTALK n", "", ["2"]),
    "ubound is the length": ("l = [1, 2, 3]\ni = 0\nDO WHILE i < UBOUND(l)\nTALK l[i]\ni = i + 1\nLOOP", "", ["1", "2", "3"]),
    "select case forms": ("FOR EACH x IN [1, 7, 12, NULL]\nSELECT CASE x\nCASE 1, 2\nTALK \"a\"\nCASE 5 TO 9\nTALK \"b\"\nCASE IS > 9\nTALK \"c\"\nCASE IS NULL\nTALK \"d\"\nEND SELECT\nNEXT", "", ["a", "b", "c", "d"]),
    "switch": ('SWITCH "b"\nCASE "a"\nTALK 1\nCASE "b"\nTALK 2\nDEFAULT\nTALK 3\nEND SWITCH', "", ["2"]),
    "exit from inner loops": ("DO\nFOR i = 1 TO 5\nIF i = 2 THEN EXIT FOR\nNEXT\nTALK i\nEXIT DO\nLOOP\nTALK \"out\"", "", ["2", "out"]),
    "bare exit ends the callee": ("SUB s\nEXIT\nTALK \"no\"\nEND SUB\ns\nTALK \"yes\"", "", ["yes"]),
    "end in a sub ends all": ('SUB s\nTALK 1\nEND\nEND SUB\ns\nTALK 2', "", ["1"]),
    "return with": ('FUNCTION f\nRETURN WITH 1 AS a, 2 AS b\nEND FUNCTION\nx = f()\nTALK x.a + x.b', "", ["3"]),
    "call without brackets": ("SUB s(a, b)\nTALK a & b\nEND SUB\ns 1, 2\nCALL s(3, 4)\nCALL s, 5, 6\ns(7, 8)", "", ["12", "34", "56", "78"]),
    "negative argument without brackets": ("SUB s(a)\nTALK a\nEND SUB\ns -1", "", ["-1"]),
    "variable named as a keyword": ('message = "m"\norder = 1\nlist = [1]\nstatus = "s"\ntype = 2\nvalue = 3\ncase = 4\nerror = "e"\nfrom = 5\nTALK message & order & list & status & type & value & case & error & from', "", ["m1[1]s234e5"]),
    "members named as keywords": ("o.end = 1\no.next = 2\no.to = 3\nTALK o.end + o.next + o.to", "", ["6"]),
    "accents": ("preço = 2\nTALK preço", "", ["2"]),
    "with block": ('WITH o\n.a = 1\nb = 2\nIF .5 < 1 THEN c = 3\nEND WITH\nTALK o', "", ['{"a":1,"b":2,"c":3}']),
    "with reads outside": ('name = "out"\nWITH o\nname = name\nEND WITH\nTALK o.name', "", ["out"]),
    "begin talk": ("n = 1\nBEGIN TALK\n  Hello ${n}\nIt's \"fine\" # here\nEND TALK", "", ["  Hello 1\n| It's \"fine\" # here"]),
    "talk alone is an empty line": ("TALK\nTALK \"x\"", "", ["", "x"]),
    "talk to": ('TALK TO "boss", "hi"', "", ["@boss hi"]),
    "hear as list": ('l = ["Tea", "Coffee"]\nHEAR d AS l\nTALK d', "user: 2", ["Coffee"]),
    "hear menu with star": ('HEAR d AS MENU "A", "B", "*"\nTALK d', "user: something", ["something"]),
    "hear prompt": ('HEAR x AS "Your name?"\nTALK x', "user: Bo", ["Your name?", "Bo"]),
    "hear result form": ('x = HEAR AS INTEGER\nTALK x + 1', "user: 4", ["5"]),
    "hear into a member": ("HEAR o.name\nTALK o", "user: Bo", ['{"name":"Bo"}']),
    "hear default when blank": ('HEAR x DEFAULT "d"\nTALK x', "user:", ["d"]),
    "hear retries then default": ('HEAR x AS EMAIL DEFAULT "none" RETRIES 1\nTALK x', "user: bad", ["none"]),
    "hear trims": ('HEAR x\nTALK "[" & x & "]"', "user:   a b  ", ["[a b]"]),
    "session variables": ('SET "session.a", 5\nx = GET "session.a"\nSET "session.b" = x + 1\nTALK GET_SESSION_TEST', "", [""]),
    "bot memory spellings": ('SET_BOT_MEMORY("k", 7)\nx = GET BOT MEMORY("k")\ny = GET_BOT_MEMORY("k")\nTALK x + y', "", ["14"]),
    "on error": ('ON ERROR RESUME NEXT\nx = 1 / 0\nIF ERROR THEN\nTALK "bad"\nCLEAR ERROR\nEND IF\nIF ERROR THEN TALK "still"', "", ["bad"]),
    "assert and throw": ('TRY\nASSERT 1 = 2\nCATCH e\nTALK e\nEND TRY\nTRY\nTHROW "t"\nCATCH\nTALK ERROR\nEND TRY', "", ["ASSERT 1 = 2", "t"]),
    "format without brackets": ('x = FORMAT 1234.5 AS "#,##0.00"\nTALK x\ny = FORMAT 5, "000"\nTALK y', "", ["1,234.50", "005"]),
    "dateadd both ways": ('TALK DATEADD("2026-01-31", 1, "month")\nTALK DATEADD("2026-01-31", "day", 1)', "", ["2026-02-28", "2026-02-01"]),
    "and or spelled as signs": ("IF 1 && 0 || 1 THEN TALK \"y\"\nIF !0 THEN TALK \"z\"", "", ["y", "z"]),
    "multi-line strings": ('x = "a\nb"\nTALK x', "", ["a\n| b"]),
    "empty script": ("", "", []),
    "trailing comma over blank and comment lines": ('TALK "a",\n\n  \' comment\n  "b"', "", ["a b"]),
    "break": ("DO\nn = n + 1\nIF n > 2 THEN BREAK\nLOOP\nTALK n", "", ["3"]),
}  # fmt: skip


@pytest.mark.parametrize("rule", CASES)
def test_rule(rule: str) -> None:
    source, chat, said = CASES[rule]
    heard = [line for line in play(source, chat) if not line.startswith("user:")]
    expected = [line for s in said for line in f"bot: {s}".rstrip().split("\n")]
    assert heard == expected
