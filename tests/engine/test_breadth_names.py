"""Any keyword may be a variable where the grammar leaves no doubt: on both sides of `=`, as a key and as a member."""

from __future__ import annotations

import pytest

from engine.compiler import compile_script
from engine.errors import CompileError

WORDS = """
case value order from status type list message error date name time data text number to subject body template limit
by at using for in on into set values where do timeout step end next loop default description field key first last
second minute hour day count result index event tool model header table column file image url email phone menu option
title label group filter map join sort fill find save insert update delete merge get post call send create use add
clear wait talk hear print log schedule publish bot branch parallel human approval param sub function return exit stop
select switch while until try catch throw assert finally format max min now today left right mid replace round begin
content reply user session id context memory ação größe
"""
NAMES = WORDS.split()
FORMS = """
{n} = 1
TALK {n}
TALK {n} & "x"
TALK a, {n}
x = {n} + {n}.a + {n}[0] + o.{n}
{n}.a = 1
{n}[0] = 1
o.{n} = {n}
IF {n} = 1 AND NOT {n} THEN TALK {n} ELSE TALK 1
FOR EACH {n} IN l|TALK {n}|NEXT {n}
FOR EACH x IN {n}|NEXT
FOR i = 1 TO {n}|NEXT
x = {{ {n}: 1, b: [{n}, f({n}, 1)] }}
PARAM {n} AS STRING
WITH o|.{n} = {n}|{n} = 1|END WITH
WHILE {n} < 3|WEND
SELECT CASE {n}|CASE {n}|END SELECT
TALK "${{{n}}}"
SUB p({n})|TALK {n}|END SUB
x = {n} ? 1 : 2
SEND FILE {n}, "x"
""".strip().splitlines()


@pytest.mark.parametrize("form", FORMS)
def test_any_name(form: str) -> None:
    refused = []
    for name in NAMES:
        source = form.replace("|", "\n").format(n=name)
        try:
            compile_script("t.bas", {"t.bas": source})
        except CompileError as error:
            refused.append(f"{source}: {error.problems[0].message}")
    assert refused == []


@pytest.mark.parametrize("line", ["case += 2", "else++", "loop--", "next := 3", "case.a[1] *= 2", "end = 4"])
def test_a_word_of_a_block_is_a_name_where_it_is_changed(line: str) -> None:
    compile_script("p.bas", {"p.bas": line})


@pytest.mark.parametrize("word", ["case", "default", "for", "try"])
def test_an_object_given_to_a_word_of_a_block_opens_none(word: str) -> None:
    compile_script("p.bas", {"p.bas": f'{word} = GENERATE PDF {{k: 1}} WITH TEMPLATE "x" DATA a'})
