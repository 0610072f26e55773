"""Performs mail requests: hands one message over to an SMTP server.

What follows a failure:
  again   no connection, a connection that breaks, a time-out, an answer 4xx
  final   an answer 5xx, a wrong password, a certificate that nobody vouches for, a server without STARTTLS or without
          letters beyond ASCII in addresses, and everything that is wrong with the mail itself
Whether a mail arrived is unsure where the connection broke after the message had begun. A server that takes a mail
for some of its recipients has it; who was refused is part of the answer, because another attempt would reach the
others twice.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from aiosmtplib import (
    SMTP,
    SMTPAuthenticationError,
    SMTPException,
    SMTPRecipientsRefused,
    SMTPResponseException,
)

from daemon.performers.mail_message import Folders, Mail, NoTemplate, Unmailable, address_of, compose
from daemon.performing import AttemptFailed, TakenRequest
from daemon.settings_world import Mail as MailSettings
from daemon.settings_world import MailAccount
from engine.values import Value

QUIT_SECONDS_MAX = 5.0
SAID_CHARACTERS_MAX = 300
KIND = "mail"


class MailPerformer:
    """Sends mails. `tls_context` replaces the system's certificates."""

    def __init__(self, settings: MailSettings, tls_context: ssl.SSLContext | None = None) -> None:
        self._settings = settings
        self._tls_context = tls_context
        self._folders = Folders(
            Path(settings.attachments_directory) if settings.attachments_directory else None,
            Path(settings.templates_directory) if settings.templates_directory else None,
            settings.attachments_bytes_max,
        )

    @property
    def kinds(self) -> frozenset[str]:
        """Mail only."""
        return frozenset({KIND})

    def host_of(self, request: TakenRequest) -> str:
        """Return the mail server of the request's account; "" where there is none."""
        try:
            return self._account(request.payload).host
        except AttemptFailed:
            return ""

    async def perform(self, request: TakenRequest) -> Value:
        """Hand the mail over. The answer is `sent`, `message_id`, and by address who was `refused` and why; or
        `{"missing": "template"}`, where there is no such file. Raises AttemptFailed."""
        account = self._account(request.payload)
        created_at = request.created_at or datetime.now(UTC)
        try:
            mail = await asyncio.to_thread(
                compose, request.key, created_at, request.payload, account.sender, self._folders
            )
        except NoTemplate:
            return {"missing": "template"}
        except Unmailable as error:
            raise _final(str(error)) from None
        except ValueError as error:  # what the library refuses to make a header of
            raise _final(f"this mail cannot be written: {_line(str(error))}") from None
        refused = await self._hand_over(account, mail)
        return {"sent": True, "message_id": str(mail.message["Message-ID"]), "refused": refused}

    async def close(self) -> None:
        """Keep nothing open: every mail has a connection of its own."""

    def _account(self, payload: Mapping[str, Value]) -> MailAccount:
        """Return the account that a request names. Raises AttemptFailed."""
        settings, name = self._settings, payload.get("account")
        account: MailAccount | None = settings.account()
        where = "[mail]"
        if name:
            account, where = settings.accounts.get(str(name).strip().lower()), f"[mail.accounts.{name}]"
            if account is None:
                known = ", ".join(sorted(settings.accounts)) or "none"
                raise _final(f"there is no mail account “{_line(str(name))}” in the configuration; there are: {known}")
        assert account is not None
        if not account.host:
            raise _final(f"no mail server is configured: set host in {where}")
        sender = account.sender or (account.user if "@" in account.user else "")
        if not sender:
            raise _final(f"mail has no sender: set sender in {where}")
        return account.sent_by(sender)

    async def _hand_over(self, account: MailAccount, mail: Mail) -> dict[str, Value]:
        """Return who was refused. Raises AttemptFailed."""
        if self._tls_context is None and account.tls != "none":
            self._tls_context = await asyncio.to_thread(ssl.create_default_context)
        client = SMTP(
            hostname=account.host,
            port=account.port,
            local_hostname=address_of(mail.sender).domain,
            use_tls=account.tls == "tls",
            start_tls=account.tls == "starttls",
            tls_context=self._tls_context,
            timeout=self._settings.timeout_seconds,
        )
        begun = False
        try:
            async with asyncio.timeout(self._settings.timeout_seconds):
                await client.connect()
                if account.user:
                    await client.login(account.user, account.password)
                begun = True
                refused, _ = await client.send_message(mail.message, sender=mail.sender, recipients=mail.recipients)
        except (SMTPException, OSError, ValueError) as error:  # TimeoutError is an OSError
            raise _failure(error, account, unsure=begun) from None
        finally:
            await _leave(client)
        return {who: f"{answer.code} {_line(answer.message)}" for who, answer in refused.items()}


async def _leave(client: SMTP) -> None:
    """Close a connection; how it ends changes nothing of what was said on it."""
    with suppress(Exception):
        async with asyncio.timeout(QUIT_SECONDS_MAX):
            if client.is_connected:
                await client.quit()
    client.close()


def _failure(error: Exception, account: MailAccount, *, unsure: bool) -> AttemptFailed:
    """Return what a failure means for the request."""
    where = f"the mail server {account.host}"
    if _is_certificate(error):
        return _final(f"{where} shows a certificate that cannot be trusted: {_line(str(error))}")
    match error:
        case SMTPRecipientsRefused(recipients=several):
            said = "; ".join(f"{r.recipient}: {r.code} {_line(r.message)}" for r in several[:5])
            message = f"{where} took none of the recipients: {said}"
            return AttemptFailed(message, again=any(r.code < 500 for r in several), kind=KIND)
        case SMTPAuthenticationError():
            message = f"{where} refused the login of {account.user}: {error.code} {_line(error.message)}"
            return AttemptFailed(message, again=400 <= error.code < 500, kind=KIND)
        case SMTPResponseException():
            message = f"{where} refused the mail: {error.code} {_line(error.message)}"
            return AttemptFailed(message, again=error.code < 500, kind=KIND)
    if not isinstance(error, OSError):  # no STARTTLS, no AUTH, no letters beyond ASCII in addresses
        return _final(f"{where} cannot take this mail: {_line(str(error))}")
    if isinstance(error, TimeoutError):
        return AttemptFailed(f"{where} did not answer in time", again=True, kind=KIND, unsure=unsure)
    said = _line(str(error)) or type(error).__name__
    return AttemptFailed(f"{where} cannot be reached: {said}", again=True, kind=KIND, unsure=unsure)


def _is_certificate(error: BaseException | None) -> bool:
    """Tell whether an error comes of a certificate."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _final(message: str) -> AttemptFailed:
    return AttemptFailed(message, again=False, kind=KIND)


def _line(text: str) -> str:
    """Return what a server or a user said as one line of a sentence."""
    return " ".join(text.split())[:SAID_CHARACTERS_MAX]
