"""A mail server in the test's own process, with a certificate that nobody but the test trusts."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HOST = "127.0.0.1"
PASSWORD = "right horse"


@dataclass
class MailServer:
    """What the server was given. `refusals` maps recipients, MAIL and DATA to the server's answer to them."""

    port: int = 0
    got: list[EmailMessage] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    envelopes: list[Envelope] = field(default_factory=list)
    logins: list[tuple[str, str]] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)
    refusals: dict[str, str] = field(default_factory=dict)
    breaks: bool = False  # whether the connection ends where the message does

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if "MAIL" in self.refusals:
            return self.refusals["MAIL"]
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refusals:
            return self.refusals[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if "DATA" in self.refusals:
            return self.refusals["DATA"]
        self.envelopes.append(envelope)
        self.encrypted.append(session.ssl is not None)
        content = cast(bytes, envelope.content)
        self.raw.append(content)
        self.got.append(message_from_bytes(content, policy=SMTP_POLICY))
        if self.breaks:
            assert server.transport is not None
            server.transport.close()
        return "250 taken"

    def authenticate(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.logins.append((data.login.decode(), data.password.decode()))
        return AuthResult(success=data.password.decode() == PASSWORD, handled=False)


@asynccontextmanager
async def mail_server(*, tls: str = "none", login: bool = False, **options: Any) -> AsyncIterator[MailServer]:
    """Run a mail server on a port of its own while the block runs."""
    told = MailServer()
    server_context = certificate()[0]

    def protocol() -> SMTP:
        return SMTP(
            told,
            hostname="mail.test",
            enable_SMTPUTF8=True,
            tls_context=server_context if tls == "starttls" else None,
            require_starttls=tls == "starttls",
            authenticator=told.authenticate if login else None,
            auth_required=login,
            auth_require_tls=tls == "starttls",
            **options,
        )

    loop = asyncio.get_running_loop()
    server = await loop.create_server(protocol, HOST, 0, ssl=server_context if tls == "tls" else None)
    told.port = server.sockets[0].getsockname()[1]
    try:
        yield told
    finally:
        server.close()
        await server.wait_closed()


@cache
def certificate() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return the context of the server, and that of a client who trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "server.pem"
        file.write_bytes(secret + pem)
        server.load_cert_chain(file)
    return server, ssl.create_default_context(cadata=pem.decode())
