"""Every form of statement of the dialect as a template, and programs made of them: what must compile, whatever runs.

A closing brace has a statement behind it: ELSE there would be the IF's in braces, whichever block is around it.
In a template `«e»` is any expression, `«n»` a variable, `«t»` a text; `«b»` on a line of its own is a block.
"""

from __future__ import annotations

import re

from hypothesis import strategies as st

from tests.engine.programs import NAMES, expressions

SIMPLE = """
«n» = «e»
LET «n» = «e»
SET «n» = «e»
rec.a[1].b = «e»
«n» += «e»
rec.list.push(«e»)
APPEND «n», «e»
DIM «n» AS INTEGER
SET "session.k", «e»
«n» = GET "session.k"
SET SESSION k, «e»
SET BOT MEMORY "k", «e»
SET CONTEXT «t» AS «e»
SET USER «e»
REMEMBER «t», «e»
«n» = RECALL «t»
TALK
TALK «e»
TALK «e», «e»
TALK TO «e», «e»
PRINT «e», «e»
LOG «e»
HEAR «n»
HEAR «n» AS INTEGER WITH «t» DEFAULT «e» TIMEOUT 5 MINUTES RETRIES 2
HEAR «n» AS MENU «t», «t»
HEAR «n» OR EVENT «t» OR AFTER 10 MINUTES
«n» = HEAR AS EMAIL
ADD SUGGESTION «t» AS «t»
CLEAR SUGGESTIONS
WAIT «e»
DELAY 5
TRANSFER TO HUMAN «e»
CALL f(«e»)
CALL f, «e»
f «t»
«n» = f(«e»)
«n» = CALL "other.bas", «e»
CALL "https://example.com/x", «e»
«n» = GET "https://example.com/${a}"
POST "https://example.com", «e»
«n» = PATCH "/x", «e»
«n» = DELETE HTTP "/x"
«n» = GRAPHQL "/g", «t»
SET HEADER «t», «e»
CLEAR HEADERS
«n» = LLM «e»
«n» = LLM «t» WITH OPTIMIZE FOR "cost"
«n» = REWRITE «e»
USE TOOL «t»
CLEAR TOOLS
SEND MAIL «t», «e», «e»
SEND MAIL TO «e» SUBJECT «e» BODY «e» USING «t»
CREATE DRAFT «t», «e», «e»
«n» = FIND "people", «t»
«n» = FIND people WHERE age > 3 AND name = «n» ORDER BY age DESC LIMIT 2
SAVE "people", «e»
SAVE people WITH name AS «e», age AS «e»
UPDATE people SET name = «e» WHERE id = 1
DELETE people WHERE id = «n»
MERGE people WITH «n» BY id
«n» = AGGREGATE "SUM", «n», "age"
«n» = FILTER «n» WHERE age > 3
«n» = SORT «n» BY "age" DESC
PUBLISH EVENT «t» WITH «e»
WAIT FOR EVENT «t» TIMEOUT 5
BOT SHARE MEMORY «t» WITH «t»
ON ERROR RESUME NEXT
ON ERROR GOTO 0
CLEAR ERROR
THROW «e»
ASSERT «e», «t»
RETURN «e»
RETURN WITH «e» AS x, «e» AS y
EXIT
STOP
IF «e» THEN TALK «e» ELSE TALK «e»
IF «e» THEN TALK «e» : «n» = «e»
SEND FILE «e», «t»
«n» = GENERATE PDF «e» WITH TEMPLATE «t» DATA «e»
USE KB «t»
CREATE_TASK «e», «e»
CREATE_TASK(«e», «e»)
«n» = UNKNOWN(«e») + 1
SET "name.xlsx", «t», «e»
PLOT «e» WITH x = «e», y AS «e» TIMEOUT 5 HOURS
""".strip().splitlines()

BLOCKS = """
IF «e» THEN|«b»|ELSEIF «e» THEN|«b»|ELSE|«b»|END IF
IF «e»|«b»|ENDIF
IF «e» {|«b»|}|TALK «e»
FOR EACH «n» IN «e»|«b»|NEXT
FOR EACH «n» IN «e» LAST 3 DO|«b»|END FOR
FOR i = «e» TO «e» STEP 2|«b»|EXIT FOR|NEXT i
WHILE «e»|«b»|WEND
DO WHILE «e»|«b»|LOOP
DO|«b»|EXIT DO|LOOP UNTIL «e»
SELECT CASE «e»|CASE «e», «e»|«b»|CASE 1 TO 5|«b»|CASE IS > 9|«b»|CASE ELSE|«b»|END SELECT
SWITCH «e»|CASE «t»|«b»|DEFAULT|«b»|END SWITCH
TRY|«b»|CATCH e|«b»|FINALLY|«b»|END TRY
WITH rec|.a = «e»|«b»|END WITH
BEGIN TALK|It's ${a} {{x}}|END TALK
""".strip().splitlines()

TEXTS = st.sampled_from(['"a"', "“b”", '"x ${a} #{total}"', '"it\'s ""so"""', '"{{y}} $#,##0"'])


@st.composite
def filled(draw: st.DrawFn, template: str, depth: int) -> list[str]:
    """Return the lines of a template with its places filled."""
    kinds = {"e": expressions(1), "n": st.sampled_from(NAMES), "t": TEXTS}
    lines: list[str] = []
    for part in template.split("|"):
        if part == "«b»":
            lines += draw(block(depth - 1))
            continue
        lines.append(re.sub("«([ent])»", lambda m: draw(kinds[m[1]]), part))
    return lines


def block(depth: int) -> st.SearchStrategy[list[str]]:
    templates = st.sampled_from(SIMPLE if depth <= 0 else SIMPLE + BLOCKS * 3)
    statement = templates.flatmap(lambda template: filled(template, depth))
    return st.lists(statement, min_size=1, max_size=3).map(lambda parts: [line for p in parts for line in p])


def scripts(depth: int = 2) -> st.SearchStrategy[str]:
    """Scripts of any statements in any blocks."""
    heads = ["#workflow", "FUNCTION f(x)", "  RETURN x", "END FUNCTION", "SUB greet(x)", "END SUB"]
    heads += ["FUNCTION double(n)", "  RETURN n & n", "END FUNCTION", "FUNCTION asked(n)", "  RETURN n", "END FUNCTION"]
    return block(depth).map(lambda lines: "\n".join([*heads, *lines]))
