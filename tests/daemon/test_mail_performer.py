"""Mails over a real SMTP server: protected, logged in, classified, and never more than their author wrote."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.performers.mail import MailPerformer
from daemon.performers.mail_message import Folders, Unmailable, address_of, compose, text_of_html
from daemon.performing import AttemptFailed, TakenRequest
from daemon.settings_world import Mail, MailAccount
from engine.values import Value
from tests.daemon.mail_server import HOST, PASSWORD, MailServer, certificate, mail_server
from tests.scale import examples

KEY = UUID("01234567-89ab-cdef-0123-456789abcdef")
CREATED_AT = datetime(2026, 3, 14, 9, 26, tzinfo=UTC)
SENDER = "Shop <shop@example.com>"


def taken(attempt: int = 1, /, **payload: Value) -> TakenRequest:
    whole: dict[str, Value] = {"to": ["ana@example.com"], "subject": "Tea", "body": "It is ready.", **payload}
    return TakenRequest(KEY, KEY, 1, KEY, None, "mail", whole, attempt, None, CREATED_AT)


def performer(server: MailServer, **changes: object) -> MailPerformer:
    given: dict[str, object] = {"host": HOST, "port": server.port, "sender": SENDER, "tls": "none"}
    return MailPerformer(Mail(**{**given, **changes}), certificate()[1])  # type: ignore[arg-type]


async def failing(performer: MailPerformer, **payload: Value) -> AttemptFailed:
    with pytest.raises(AttemptFailed) as failed:
        await performer.perform(taken(**payload))
    return failed.value


def parts(message: EmailMessage) -> list[tuple[str, str | None, object]]:
    return [(p.get_content_type(), p.get_filename(), p.get_content()) for p in message.walk() if not p.is_multipart()]


async def test_a_mail_arrives_and_every_attempt_has_the_same_message_id_and_date() -> None:
    async with mail_server() as server:
        mail = performer(server)
        first = await mail.perform(taken(1, cc=["Bo <bo@example.com>"], bcc=["cy@example.com"]))
        second = await mail.perform(taken(2, cc=["Bo <bo@example.com>"], bcc=["cy@example.com"]))
    assert first == second == {"sent": True, "message_id": f"<{KEY}@example.com>", "refused": {}}
    one, two = server.got
    assert one["Message-ID"] == two["Message-ID"] == f"<{KEY}@example.com>"
    assert one["Date"] == two["Date"] == "Sat, 14 Mar 2026 09:26:00 +0000"
    assert (one["From"], one["To"], one["Cc"], one["Subject"]) == (
        "Shop <shop@example.com>",
        "ana@example.com",
        "Bo <bo@example.com>",
        "Tea",
    )
    assert one["Bcc"] is None and one.get_content() == "It is ready.\r\n"
    envelope = server.envelopes[0]
    assert envelope.mail_from == "shop@example.com"
    assert envelope.rcpt_tos == ["ana@example.com", "bo@example.com", "cy@example.com"]


async def test_starttls_and_login_with_a_certificate_that_is_trusted() -> None:
    async with mail_server(tls="starttls", login=True) as server:
        mail = performer(server, host="localhost", tls="starttls", user="shop", password=PASSWORD)
        await mail.perform(taken())
    assert server.encrypted == [True] and server.logins == [("shop", PASSWORD)]


async def test_tls_from_the_first_byte() -> None:
    async with mail_server(tls="tls") as server:
        await performer(server, host="localhost", tls="tls").perform(taken())
    assert len(server.got) == 1


async def test_a_certificate_that_nobody_vouches_for_is_final() -> None:
    async with mail_server(tls="starttls") as server:
        told = {"host": "localhost", "port": server.port, "sender": SENDER, "tls": "starttls"}
        mail = MailPerformer(Mail(**told), ssl.create_default_context())  # type: ignore[arg-type]
        failed = await failing(mail)
        other = await failing(performer(server, host=HOST, tls="starttls"))  # its name is localhost
    assert "certificate that cannot be trusted" in failed.message and not failed.again
    assert "certificate that cannot be trusted" in other.message and not other.again
    assert server.got == []


async def test_a_server_without_starttls_gets_no_password() -> None:
    async with mail_server() as server:
        failed = await failing(performer(server, tls="starttls", user="shop", password=PASSWORD))
    assert not failed.again and "TLS" in failed.message and server.logins == []


async def test_a_wrong_password_is_final_and_not_told() -> None:
    async with mail_server(tls="starttls", login=True) as server:
        mail = performer(server, host="localhost", tls="starttls", user="shop", password="hunter2")
        failed = await failing(mail)
    assert not failed.again and not failed.unsure and "refused the login of shop: 535" in failed.message
    assert "hunter2" not in failed.message and server.got == []


@pytest.mark.parametrize(
    ("refusals", "again", "said"),
    [
        (
            {"ana@example.com": "550 no such user"},
            False,
            "took none of the recipients: ana@example.com: 550 no such user",
        ),
        ({"ana@example.com": "451 greylisted"}, True, "451 greylisted"),
        ({"MAIL": "552 too big"}, False, "refused the mail: 552 too big"),
        ({"MAIL": "421 busy"}, True, "421 busy"),
        ({"DATA": "554 spam"}, False, "554 spam"),
        ({"DATA": "451 later"}, True, "451 later"),
    ],
)
async def test_answers_of_the_server_are_classified(refusals: dict[str, str], again: bool, said: str) -> None:
    async with mail_server() as server:
        server.refusals = refusals
        failed = await failing(performer(server))
    assert (failed.again, failed.unsure) == (again, False)
    assert said in failed.message and failed.kind == "mail"


async def test_who_was_refused_among_others_is_part_of_the_answer() -> None:
    async with mail_server() as server:
        server.refusals = {"bo@example.com": "550 no such user"}
        answer = await performer(server).perform(taken(to=["ana@example.com", "bo@example.com"]))
    assert isinstance(answer, dict) and answer["refused"] == {"bo@example.com": "550 no such user"}
    assert server.envelopes[0].rcpt_tos == ["ana@example.com"]


async def test_no_server_is_tried_again_and_a_connection_that_breaks_is_unsure() -> None:
    async with mail_server() as server:
        server.breaks = True
        broken = await failing(performer(server))
    away = await failing(performer(server))
    assert away.again and not away.unsure and "cannot be reached" in away.message
    assert broken.again and broken.unsure


async def test_a_server_that_says_nothing_is_left_in_time() -> None:
    gone = asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        gone.set()

    silent = await asyncio.start_server(say_nothing, HOST, 0)
    async with silent:
        server = MailServer(port=silent.sockets[0].getsockname()[1])
        failed = await failing(performer(server, timeout_seconds=0.2))
        await gone.wait()
    assert failed.again and not failed.unsure and "did not answer in time" in failed.message


# ── what a mail can hold ──


async def test_unicode_in_subject_names_and_domains() -> None:
    async with mail_server() as server:
        await performer(server, sender="Büro <büro@münchen.example>").perform(
            taken(
                to=["Zoë <zoe@xn--mnchen-3ya.example>", "josé@example.com"],
                subject="Grüße 🎉" + " x" * 100,
                body="ü" * 2000,
            )
        )
    [message] = server.got
    assert message["Subject"] == "Grüße 🎉" + " x" * 100
    assert server.envelopes[0].rcpt_tos == ["zoe@xn--mnchen-3ya.example", "josé@example.com"]
    assert "Zoë" in str(message["To"]) and message.get_content().strip() == "ü" * 2000
    assert message["Message-ID"] == f"<{KEY}@xn--mnchen-3ya.example>"
    assert max(len(line) for line in server.raw[0].split(b"\r\n")) <= 998


async def test_html_has_a_text_beside_it() -> None:
    async with mail_server() as server:
        body = "<p>Dear Ana,</p><p>see <a href='https://example.com/t'>tea</a> &amp; cake</p><script>x()</script>"
        await performer(server).perform(taken(body=body, html=True))
    [(kind, _, text), (other, _, html)] = parts(server.got[0])
    assert (kind, other) == ("text/plain", "text/html") and body in str(html)
    assert str(text).split("\r\n")[:3] == ["Dear Ana,", "", "see tea (https://example.com/t) & cake"]


@pytest.mark.parametrize(
    "payload",
    [
        {"to": ["ana@example.com\r\nBcc: evil@example.com"]},
        {"to": ["Ana\nBcc: evil@example.com <ana@example.com>"]},
        {"to": ["ana@example.com> SIZE=1\r\nRCPT TO:<evil@example.com"]},
        {"cc": ["<evil@example.com> <ana@example.com>"]},
        {"to": ["ana@example.com, evil@example.com"]},
        {"reply_to": "a@b.c\nBcc: evil@example.com"},
        {"to": ["ana@exam ple.com"]},
        {"to": ["@example.com"]},
        {"to": ["ana"]},
        {"to": ["-oQ/tmp@example.com"]},
        {"to": [""]},
        {"to": [], "cc": [], "bcc": []},
    ],
)
async def test_an_address_that_is_none_is_refused_before_anybody_is_asked(payload: dict[str, Value]) -> None:
    async with mail_server() as server:
        failed = await failing(performer(server), **payload)
    assert not failed.again and ("is no mail address" in failed.message or "no recipient" in failed.message)
    assert "\n" not in failed.message and server.envelopes == []


async def test_a_subject_of_several_lines_stays_one_header() -> None:
    async with mail_server() as server:
        await performer(server).perform(taken(subject="Tea\r\nBcc: evil@example.com\r\n\r\nboo\u2028X: y\x00"))
    [message] = server.got
    assert message["Subject"] == "Tea Bcc: evil@example.com boo X: y"
    assert message["Bcc"] is None and message.get_content() == "It is ready.\r\n"


HEADERS = {"From", "To", "Cc", "Subject", "Date", "Message-ID"}
MIME = {"Content-Type", "Content-Transfer-Encoding", "MIME-Version"}
NASTY = st.text('a@b.c<>"\\,;: \r\n\0\x0b\x85\u2028ü=?-')


@given(subject=st.one_of(st.text(), NASTY), to=NASTY, body=st.one_of(st.text(), NASTY))
@settings(max_examples=examples(25))
def test_no_text_makes_a_header_or_a_recipient(subject: str, to: str, body: str) -> None:
    payload: dict[str, Value] = {"to": ["ana@example.com"], "cc": [to], "subject": subject, "body": body}
    nowhere = Folders(None, None, 0)
    try:
        mail = compose("k", CREATED_AT, payload, SENDER, nowhere)
    except Unmailable:
        mail = compose("k", CREATED_AT, {**payload, "cc": []}, SENDER, nowhere)
    raw = mail.message.as_bytes()
    head = raw.split(b"\r\n\r\n")[0].decode()
    names = [line.split(":")[0] for line in head.split("\r\n") if not line.startswith((" ", "\t"))]
    assert set(names) <= HEADERS | MIME and len(names) == len(set(names))
    assert len(mail.recipients) <= 2


@given(st.one_of(st.text(), NASTY))
@settings(max_examples=examples(40))
def test_what_passes_as_an_address_is_one_address(text: str) -> None:
    try:
        address = address_of(text)
    except Unmailable as error:
        assert "\n" not in str(error)
        return
    assert address.addr_spec.count("@") == 1 and not set(address.addr_spec) & set(' \r\n\t\0<>,;"')


# ── files ──


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    inside = tmp_path / "attachments"
    (inside / "deep").mkdir(parents=True)
    (inside / "Grüße.pdf").write_bytes(b"%PDF-1")
    (inside / "deep" / "a.bin").write_bytes(b"\0" * 60)
    (inside / "inner").symlink_to(inside / "deep" / "a.bin")
    (tmp_path / "secret.txt").write_text("hunter2")
    (inside / "leak").symlink_to(tmp_path / "secret.txt")
    (inside / "up").symlink_to(tmp_path)
    return inside


async def test_attachments_come_from_their_folder(folder: Path) -> None:
    async with mail_server() as server:
        mail = performer(server, attachments_directory=str(folder), attachments_bytes_max=1000)
        await mail.perform(taken(attachments=["Grüße.pdf", "deep/a.bin", str(folder / "inner")]))
    found = parts(server.got[0])
    assert [(kind, name) for kind, name, _ in found] == [
        ("text/plain", None),
        ("application/pdf", "Grüße.pdf"),
        ("application/octet-stream", "a.bin"),
        ("application/octet-stream", "a.bin"),
    ]
    assert found[1][2] == b"%PDF-1" and found[2][2] == b"\0" * 60


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("../secret.txt", "no such file"),
        ("leak", "no such file"),
        ("up/secret.txt", "no such file"),
        ("deep/../../secret.txt", "no such file"),
        ("/etc/passwd", "no such file"),
        ("deep", "no such file"),
        ("", "no such file"),
        ("nothing.pdf", "no such file"),
        ("a\0b", "no such file"),
        ("https://example.com/a.pdf", "no such file"),
        ("file:///etc/passwd", "no such file"),
        ("deep/a.bin", "larger than 50 bytes"),
    ],
)
async def test_nothing_else_can_be_attached(folder: Path, name: str, said: str) -> None:
    async with mail_server() as server:
        mail = performer(server, attachments_directory=str(folder), attachments_bytes_max=50)
        failed = await failing(mail, attachments=[name])
        nowhere = await failing(performer(server), attachments=[name])
    assert not failed.again and said in failed.message and "hunter2" not in failed.message
    assert "names no folder" in nowhere.message and server.got == []


async def test_templates_come_from_their_folder_and_their_values_are_text(folder: Path) -> None:
    (folder / "welcome.html").write_text("Subject: Hello {{ Name }}\n<p>Dear ${name},</p>{{missing}}")
    (folder / "note.txt").write_text("Hello {{name}}\n\nyours")
    async with mail_server() as server:
        mail = performer(server, templates_directory=str(folder))
        values: Value = {"name": "<b>A\nBcc: x@y.z</b>"}
        await mail.perform(taken(template="welcome", variables=values))
        await mail.perform(taken(template="note", variables={"name": "Bo", "subject": "From the values"}))
        assert await mail.perform(taken(template="../secret", variables={})) == {"missing": "template"}
        assert await performer(server).perform(taken(template="note")) == {"missing": "template"}
    one, two = server.got
    assert one["Subject"] == "Hello <b>A Bcc: x@y.z</b>"
    assert "<p>Dear &lt;b&gt;A" in str(parts(one)[1][2])
    assert two["Subject"] == "From the values" and two.get_content().startswith("Hello Bo")


# ── accounts ──


async def test_an_account_has_its_own_server_and_sender() -> None:
    async with mail_server() as server:
        sales = MailAccount(host=HOST, port=server.port, sender="sales@example.org", tls="none")
        mail = MailPerformer(Mail(host="nowhere.invalid", sender=SENDER, accounts={"sales": sales}))
        assert mail.host_of(taken(account="Sales")) == HOST and mail.host_of(taken()) == "nowhere.invalid"
        await mail.perform(taken(account="Sales"))
        failed = await failing(mail, account="support")
    assert server.got[0]["From"] == "sales@example.org"
    assert not failed.again and "there is no mail account “support”" in failed.message and "sales" in failed.message


async def test_without_a_server_or_a_sender_the_sentence_says_what_to_set() -> None:
    assert "set host in [mail]" in (await failing(MailPerformer(Mail()))).message
    assert "set sender in [mail]" in (await failing(MailPerformer(Mail(host="h", user="shop")))).message
    assert MailPerformer(Mail()).host_of(taken()) == ""


def test_text_of_html() -> None:
    assert text_of_html("<table><tr><td>a</td></tr><tr><td>b &lt;c&gt;</td></tr></table>") == "a\n\nb <c>\n"
    assert text_of_html("no tags, a < b") == "no tags, a < b\n"
