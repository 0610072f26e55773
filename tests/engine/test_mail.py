"""Every spelling of a mail, and what becomes of the values in it."""

from __future__ import annotations

import pytest

from engine.effects import Request
from engine.errors import CompileError, ScriptError
from engine.mail_text import filled, recipients_of, subject_and_body
from engine.values import Value
from tests.engine.player import Player, play, played


def asked(source: str, *givens: str) -> dict[str, Value]:
    """Return the payload of the one request that a script makes."""
    player, _ = played(source, "\n".join(givens or ("given mail answers",)))
    [request] = made(player)
    assert isinstance(request.payload, dict)
    return request.payload


def made(player: Player) -> list[Request]:
    assert player.done is not None and player.done.failure is None, player.transcript
    return player.made


A: dict[str, Value] = {"to": ["a@b.c"], "subject": "s", "body": "b"}


@pytest.mark.parametrize(
    ("statement", "payload"),
    [
        ('SEND MAIL "a@b.c", "s", "b"', A),
        ('send email "a@b.c", "s", "b"', A),
        ('SEND_MAIL "a@b.c", "s", "b"', A),
        ('SEND_EMAIL("a@b.c", "s", "b")', A),
        ('x = SEND_MAIL("a@b.c", "s", "b")', A),
        ('SEND MAIL TO "a@b.c" SUBJECT "s" BODY "b"', A),
        ('SEND MAIL TO "a@b.c" BODY "b" SUBJECT "s"', A),
        ('SEND MAIL "a@b.c" SUBJECT "s" BODY "b"', A),
        ('SEND MAIL TO "a@b.c", "s", "b"', A),
        ('to = "a@b.c"\nsubject = "s"\nbody = "b"\nSEND MAIL to, subject, body', A),
        ('to = "a@b.c"\nsubject = "s"\nbody = "b"\nSEND MAIL TO to SUBJECT subject BODY body', A),
        ('SEND EMAIL "a@b.c", "s\nb"', A),
        ('SEND EMAIL "a@b.c", "Subject: s\n\nb"', A),
        ('SEND EMAIL "a@b.c", "s"', {**A, "body": "s"}),
        ('SEND MAIL "a@b.c, d@e.f; a@b.c", "s", "b"', {**A, "to": ["a@b.c", "d@e.f"]}),
        ('SEND MAIL ["a@b.c", "d@e.f"], "s", "b"', {**A, "to": ["a@b.c", "d@e.f"]}),
        ('SEND MAIL TO "a@b.c", "d@e.f" SUBJECT "s" BODY "b"', {**A, "to": ["a@b.c", "d@e.f"]}),
        ('SEND MAIL "a@b.c", "s", "b" CC "x@y.z" BCC ["q@y.z"]', {**A, "cc": ["x@y.z"], "bcc": ["q@y.z"]}),
        ('SEND MAIL "a@b.c", "s", "b" USING "sales"', {**A, "account": "sales"}),
        ('SEND MAIL "a@b.c", "s", "b", "f.pdf", "g.pdf"', {**A, "attachments": ["f.pdf", "g.pdf"]}),
        ('SEND MAIL "a@b.c", "s", "b", ["f.pdf"]', {**A, "attachments": ["f.pdf"]}),
        ('SEND MAIL "a@b.c", "s", "b", ATTACHMENT "f.pdf"', {**A, "attachments": ["f.pdf"]}),
        ('SEND MAIL "a@b.c", "s", "b" ATTACHMENT "f.pdf" USING "x"', {**A, "attachments": ["f.pdf"], "account": "x"}),
        ('attachment = "f"\nSEND MAIL "a@b.c", "s", "b", attachment', {**A, "attachments": ["f"]}),
        ('attachment = "f"\nSEND MAIL "a@b.c", "s", "b", attachment USING "x"', {**A, "account": "x"}),
        ('f = {url: "f.pdf", size: 3}\nSEND MAIL "a@b.c", "s", "b", f', {**A, "attachments": ["f.pdf"]}),
        ('SEND MAIL "a@b.c", "s", "b", NULL', {**A, "attachments": []}),
        ('SEND MAIL "a@b.c", "s", "<p>b</p>"', {**A, "body": "<p>b</p>", "html": True}),
        ('n = 2\nSEND MAIL "a@b.c", "s" + "", "b ${n}" & n', {**A, "body": "b 22"}),
        ('SEND MAIL "a@b.c", "s\r\nBcc: x@y.z", "b"', {**A, "subject": "s Bcc: x@y.z"}),
        ('BEGIN MAIL "a@b.c"\nSubject: s\n\nb\nEND MAIL', A),
        ('BEGIN EMAIL "a@b.c"\nsubject : s\nb\nEND EMAIL', A),
        ('to = "a@b.c"\nBEGIN MAIL to\nSubject: s\nb\nEND MAIL', A),
        ('BEGIN MAIL TO "a@b.c" USING "x"\nSubject: s\nb\nEND MAIL', {**A, "account": "x"}),
        ("BEGIN MAIL\nTo: a@b.c\nSubject: s\nb\nEND MAIL", A),
        ('BEGIN MAIL "a@b.c"\ns\n\nb\nEND MAIL', A),
        ('BEGIN MAIL "a@b.c"\nSubject: s\nb\n\n  Cc: me\nEND MAIL', {**A, "body": "b\n\n  Cc: me"}),
        ('BEGIN MAIL "a@b.c"\nCc: x@y.z\nAttachment: f.pdf, g.pdf\nSubject: s\nb\nEND MAIL',
         {**A, "cc": ["x@y.z"], "attachments": ["f.pdf", "g.pdf"]}),
        ('e = "s\nBcc: x@y.z"\nBEGIN MAIL "a@b.c"\nSubject: ${e}\nb\nEND MAIL', {**A, "subject": "s Bcc: x@y.z"}),
        ('e = "Bcc: x@y.z"\nBEGIN MAIL "a@b.c"\nSubject: s\n${e}\nEND MAIL', {**A, "body": "Bcc: x@y.z"}),
        ('FUNCTION f(n)\nRETURN n\nEND FUNCTION\nBEGIN MAIL "a@b.c"\nSubject: ${f("s")}\n${f("b")}\nEND MAIL', A),
        ('SEND TEMPLATE "welcome", "a@b.c", {n: 1}', {"to": ["a@b.c"], "template": "welcome", "variables": {"n": 1}}),
        ('SEND TEMPLATE "welcome" TO "a@b.c" WITH {n: 1}', {"template": "welcome", "variables": {"n": 1}}),
        ('SEND_TEMPLATE("welcome", "a@b.c")', {"to": ["a@b.c"], "template": "welcome", "variables": {}}),
        ('SEND TEMPLATE "Subject: s {{n}}\n{{ n }} b", "a@b.c", {n: 1}', {**A, "subject": "s 1", "body": "1 b"}),
    ],
)  # fmt: skip
def test_every_spelling(statement: str, payload: dict[str, Value]) -> None:
    found = asked(statement)
    assert {key: found[key] for key in payload} == payload
    assert found.get("bcc", []) == payload.get("bcc", [])


@pytest.mark.parametrize(
    ("statement", "kind", "payload"),
    [
        ('CREATE DRAFT "a@b.c", "s", "b"', "CREATE DRAFT", {"arguments": ["a@b.c", "s", "b"], "clauses": {}}),
        (
            'CREATE_DRAFT("a@b.c", "s", "b", "f")',
            "CREATE DRAFT",
            {"arguments": ["a@b.c", "s", "b", "f"], "clauses": {}},
        ),
        (
            'CREATE DRAFT TO "a@b.c" SUBJECT "s" BODY "b"',
            "CREATE DRAFT",
            {"arguments": ["a@b.c", "s", "b"], "clauses": {}},
        ),
        (
            'SEND TEMPLATE "hi", "+5511999", {n: 1}',
            "SEND TEMPLATE",
            {"arguments": ["hi", "+5511999", {"n": 1}], "clauses": {}},
        ),
    ],
)
def test_what_is_the_bot_servers_is_a_request_of_its_words(statement: str, kind: str, payload: Value) -> None:
    assert asked(statement, f"given {kind} answers") == payload


def test_a_template_without_a_file_is_left_to_the_bot_server() -> None:
    chat = 'given mail answers {"missing": "template"}\ngiven SEND TEMPLATE answers {"id": 3}'
    assert play('x = SEND TEMPLATE "hi", "a@b.c", {n: 1}\nTALK x.id', chat) == ["bot: 3"]


def test_the_answer_is_a_value_and_a_failure_can_be_caught() -> None:
    chat = 'given mail answers {"sent": true, "refused": {"x@y.z": "550 no"}}'
    assert play('x = SEND MAIL "a@b.c", "s", "b"\nTALK x.refused', chat) == ['bot: {"x@y.z":"550 no"}']
    source = 'TRY\nSEND MAIL "a@b.c", "s", "b"\nCATCH e\nTALK e.message\nEND TRY'
    assert play(source, "given mail fails: no such user") == ["bot: no such user"]


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ('SEND MAIL who, "s", "b"', "this mail has no recipient"),
        ('SEND MAIL 7, "s", "b"', "7 is no mail address"),
        ('SEND TEMPLATE "hi", "a@b.c", 7', "the variables of a template are an object"),
    ],
)
def test_a_mail_to_nobody_fails_at_its_line(statement: str, said: str) -> None:
    [line] = play(statement)
    assert line.startswith("failed: test.bas:1: ") and said in line


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ('SEND MAIL "a@b.c"', "neither subject nor text"),
        ('SEND MAIL "a@b.c" SUBJECT "s" SUBJECT "t"', "SUBJECT is there twice"),
        ("BEGIN MAIL\nSubject: s\nEND MAIL", "no recipient"),
        ('SEND TEMPLATE "hi"', "goes to nobody"),
    ],
)
def test_what_makes_no_mail_is_a_compile_error(statement: str, said: str) -> None:
    with pytest.raises(CompileError, match=said):
        play(statement)


def test_texts() -> None:
    assert recipients_of(['"Doe, Ann" <a@b.c>, d@e.f', None, ["d@e.f"]]) == ['"Doe, Ann" <a@b.c>', "d@e.f"]
    subject, body = subject_and_body("x" * 300 + "\nb")
    assert len(subject) == 201 and body.startswith("xxx")
    assert filled("Subject: {{a.b}}\n<p>{{ A.B }} {{none}}</p>", {"a": {"b": "<1>"}}) == ("<1>", "<p>&lt;1&gt; </p>")
    assert filled("Hello ${n}\nyours", {"n": "a\nb"}) == ("Hello a b", "yours")
    with pytest.raises(ScriptError, match="no subject"):
        filled("<p>x</p>", {})
