"""The world outside of a run: an HTTP server and a mail server that remember everything that reached them."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from random import Random
from typing import Any

from aiosmtpd.smtp import SMTP

SLOW_SECONDS_MAX = 0.05
UNWILLING = 0.05  # the share of requests that are answered by 503 and have no effect
MUTE = 0.05  # the share of requests whose effect happens and whose answer never comes


@dataclass(slots=True)
class Outside:
    """What arrived: the keys under which each effect came, every time it came."""

    random: Random
    effects: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    mails: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    http_port: int = 0
    smtp_port: int = 0
    refused: int = 0
    unanswered: int = 0

    # ── HTTP ──

    async def answer_http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        try:
            while head := await _read_head(reader):
                method, path, headers = head
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                status, answer = await self._perform(method, path, headers, body)
                if status == 0:
                    break
                raw = json.dumps(answer).encode()
                writer.write(
                    f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {len(raw)}\r\n\r\n".encode()
                )
                writer.write(raw)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _perform(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, Any]:
        await asyncio.sleep(self.random.random() * SLOW_SECONDS_MAX)
        chance = self.random.random()
        if chance < UNWILLING:
            self.refused += 1
            return 503, {"error": "not now"}
        effect = f"{method} {path} {body.decode()}".strip()
        self.effects[effect].append(headers.get("idempotency-key", ""))
        if chance > 1 - MUTE:
            self.unanswered += 1
            return 0, None
        return 200, {"id": len(self.effects), "value": len(path)}

    # ── mail ──

    async def handle_DATA(self, server: object, session: object, envelope: Any) -> str:
        """Take a mail."""
        await asyncio.sleep(self.random.random() * SLOW_SECONDS_MAX)
        if self.random.random() < UNWILLING:
            self.refused += 1
            return "451 not now"
        mail = message_from_bytes(envelope.original_content)
        self.mails[str(mail["Subject"])].append(str(mail["Message-ID"]))
        return "250 taken"


async def _read_head(reader: asyncio.StreamReader) -> tuple[str, str, dict[str, str]] | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.rstrip().split("\r\n")
    method, path, _ = first.split(" ", 2)
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return method, path, headers


@asynccontextmanager
async def open_outside(random: Random) -> AsyncIterator[Outside]:
    """Run both servers while the block runs."""
    outside = Outside(random)
    loop = asyncio.get_running_loop()
    http = await asyncio.start_server(outside.answer_http, "127.0.0.1", 0)
    smtp = await loop.create_server(lambda: SMTP(outside), "127.0.0.1", 0)
    outside.http_port = http.sockets[0].getsockname()[1]
    outside.smtp_port = smtp.sockets[0].getsockname()[1]
    try:
        yield outside
    finally:
        http.close()
        smtp.close()
