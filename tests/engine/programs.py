"""Generated programs of the dialect: loops, procedures, questions, errors, all of them ending."""

from __future__ import annotations

from hypothesis import strategies as st

NAMES = ("a", "b", "total", "Größe", "list", "case")
WORDS = ("yes", "no", "7", "Ana", "", "3.5", "maybe ${a}")


def expressions(depth: int = 2) -> st.SearchStrategy[str]:
    leaf = st.one_of(
        st.sampled_from(NAMES),
        st.integers(-5, 9).map(str),
        st.sampled_from(WORDS).map(lambda w: f'"{w}"'),
        st.sampled_from(["TRUE", "NULL", "[1, 2, 3]", "{k: 1}"]),
    )
    if depth == 0:
        return leaf
    inner = expressions(depth - 1)
    return st.one_of(
        leaf,
        st.tuples(inner, st.sampled_from(["+", "&", "=", "<>", "AND", "OR", "??"]), inner).map(
            lambda t: f"({t[0]} {t[1]} {t[2]})"
        ),
        inner.map(lambda e: f"double({e})"),
        inner.map(lambda e: f"asked({e})"),
        st.tuples(inner, inner).map(lambda t: f"IF({t[0]}, {t[1]}, asked({t[0]}))"),
    )


def _indent(block: list[str]) -> list[str]:
    return [f"  {line}" for line in block]


def blocks(depth: int, in_loop: bool) -> st.SearchStrategy[list[str]]:
    return st.lists(statements(depth, in_loop), min_size=1, max_size=4).map(lambda parts: [x for p in parts for x in p])


def questions(name: st.SearchStrategy[str]) -> list[st.SearchStrategy[list[str]]]:
    """Ways to ask, plain ones and others."""
    return [
        name.map(lambda n: [f"HEAR {n}"]),
        name.map(lambda n: [f'HEAR {n} AS INTEGER WITH "A number?" DEFAULT 4 RETRIES 2']),
        st.just(['HEAR pick AS "Red", "Green", "*"']),
        st.just(["HEAR late DEFAULT 1 TIMEOUT 2 MINUTES"]),
        name.map(lambda n: [f'HEAR {n} WITH "How is ${{{n}}}?" TIMEOUT 90']),
        name.map(lambda n: [f"HEAR {n} AS BOOLEAN RETRIES 0 TIMEOUT 1 HOUR"]),
        st.just(['HEAR AS NAME WITH ""']),
        name.map(lambda n: [f'HEAR {n} OR EVENT "tick" OR AFTER 1 MINUTE', "TALK event"]),
    ]


def statements(depth: int, in_loop: bool = False) -> st.SearchStrategy[list[str]]:
    value = expressions()
    name = st.sampled_from(NAMES)
    simple = [
        *questions(name),
        value.map(lambda e: [f"TALK {e}"]),
        st.tuples(name, value).map(lambda t: [f"{t[0]} = {t[1]}"]),
        st.tuples(name, value).map(lambda t: [f"rec.{t[0]} = {t[1]}"]),
        st.integers(1, 90).map(lambda n: [f"WAIT {n}"]),
        value.map(lambda e: [f"THROW {e}"]),
        value.map(lambda e: [f"greet {e}"]),
        value.map(lambda e: ["ADD SUGGESTION " + e]),
        st.sampled_from(["ON ERROR RESUME NEXT", "ON ERROR GOTO 0", "CLEAR ERROR"]).map(lambda s: [s]),
        value.map(lambda e: [f'SET "session.k", {e}', 'k = GET "session.k"']),
        st.tuples(value, value).map(lambda t: [f'SEND MAIL "a@example.com", {t[0]}, {t[1]}']),
        value.map(lambda e: ['BEGIN MAIL "a@example.com"', f"Subject: of ${{{e}}}", "b ${a}", "END MAIL"]),
        st.tuples(value, value).map(lambda t: [f"IF {t[0]} THEN TALK {t[1]} ELSE b = 2"]),
    ]
    simple += [
        value.map(lambda e: [f'PUBLISH EVENT "tick" WITH {e}']),
        name.map(lambda n: [f'{n} = WAIT FOR EVENT "tick" TIMEOUT 30']),
        st.just(['STEP 1: HUMAN APPROVAL FROM "a" TIMEOUT 60', "  ON TIMEOUT: TALK approved"]),
        name.map(lambda n: ["PARALLEL", f"  BRANCH A: {n} = [{n}]", "  BRANCH B: total = 1", "END PARALLEL"]),
    ]
    if in_loop:
        simple += [st.just(["BREAK"]), st.just(["IF a = 3 THEN CONTINUE"])]
    if depth == 0:
        return st.one_of(simple)
    body, looped = blocks(depth - 1, in_loop), blocks(depth - 1, True)
    return st.one_of(
        *simple,
        st.tuples(value, body, body).map(
            lambda t: [f"IF {t[0]} THEN", *_indent(t[1]), f"ELSEIF asked({t[0]}) THEN", *_indent(t[2]), "END IF"]
        ),
        st.tuples(st.integers(0, 3), looped).map(lambda t: [f"FOR i = 1 TO {t[0]}", *_indent(t[1]), "NEXT i"]),
        st.tuples(name, looped).map(lambda t: [f"FOR EACH {t[0]} IN [1, 2]", *_indent(t[1]), "NEXT"]),
        looped.map(lambda b: ["n = 0", "DO", *_indent(b), "  n = n + 1", "LOOP WHILE n < double(1)"]),
        looped.map(lambda b: ["m = 0", "WHILE m < 2", "  m = m + 1", *_indent(b), "WEND"]),
        st.tuples(value, body, body).map(
            lambda t: [f"SELECT CASE {t[0]}", "CASE 1 TO 3", *_indent(t[1]), "CASE ELSE", *_indent(t[2]), "END SELECT"]
        ),
        st.tuples(body, body).map(lambda t: ["TRY", *_indent(t[0]), "CATCH e", *_indent(t[1]), "END TRY"]),
        blocks(depth - 1, False).map(lambda b: ['ON EVENT "tock" DO', *_indent(b), "END ON"]),
        body.map(lambda b: ["WITH rec", '  .x = "w"', *_indent(b), "END WITH"]),
    )


def programs(depth: int = 2) -> st.SearchStrategy[str]:
    """Scripts that use every core statement; bounded loops, so that each one ends."""
    procedures = st.tuples(blocks(depth - 1, False), blocks(depth - 1, False)).map(
        lambda t: [
            *("FUNCTION double(n)", "  RETURN n & n", "END FUNCTION"),
            *("FUNCTION asked(q)", "  TALK q", "  HEAR answer", "  RETURN answer", "END FUNCTION"),
            *("SUB greet(who)", "  calls = calls + 1", "  IF calls > 3 THEN RETURN", *_indent(t[0]), "END SUB"),
        ]
    )
    return st.tuples(procedures, blocks(depth, False)).map(
        lambda t: "\n".join(["#workflow", "calls = 0", *t[0], *t[1]])
    )
