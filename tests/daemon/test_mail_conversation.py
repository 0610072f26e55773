"""A conversation that mails: from the statement to the server, over the real daemon."""

from __future__ import annotations

from typing import Any

from tests.daemon.conversing import chatting
from tests.daemon.mail_server import HOST, mail_server

ORDER = """
#workflow
HEAR address AS EMAIL
TRY
  sent = SEND MAIL address, "Your order", "It is on its way."
  TALK "Sent as ${sent.message_id}"
CATCH e
  TALK "Not sent: ${e}"
END TRY
"""


async def test_a_mail_is_tried_again_under_one_message_id_until_it_is_taken_or_refused(database: str) -> None:
    async with mail_server() as server:
        server.refusals = {"DATA": "451 later"}
        settings: dict[str, Any] = {"mail__host": HOST, "mail__port": server.port, "mail__sender": "shop@example.com"}
        async with chatting(database, {"order.bas": ORDER}, mail__tls="none", **settings) as chat:
            session, _ = await chat.start("order.bas")
            assert await chat.say(session, "ana@example.com") == []
            assert server.got == []
            server.refusals = {}
            await chat.later(3600)
            [said] = await chat.said(session)
            [mail] = server.got
            assert said == f"Sent as {mail['Message-ID']}" and str(mail["Message-ID"]).endswith("@example.com>")
            server.refusals = {"bo@example.com": "550 no such user"}
            session, _ = await chat.start("order.bas")
            [said] = await chat.say(session, "bo@example.com")
            assert said.startswith("Not sent: ") and "550 no such user" in said
