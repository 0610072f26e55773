"""An endpoint that speaks the chat completions protocol over real HTTP, and does what it is told to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import h11


@dataclass(frozen=True)
class Got:
    """A request as it came: its path, its headers by lower-case name, its body."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass(frozen=True)
class Say:
    """An answer: a status, a body (an object is sent as JSON), headers; `hangs` keeps silent, `cut` breaks off."""

    body: Any = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    hangs: bool = False
    cut: bool = False


def completion(content: Any = None, *calls: tuple[str, str, Any], finish: str = "stop", **more: Any) -> Say:
    """Return an answer with one choice; `calls` are (id, name, arguments as text)."""
    message: dict[str, Any] = {"role": "assistant", "content": content, **more}
    if calls:
        message["tool_calls"] = [
            {"id": i, "type": "function", "function": {"name": n, "arguments": a}} for i, n, a in calls
        ]
        finish = "tool_calls"
    usage = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return Say(
        {"id": "chatcmpl-1", "object": "chat.completion", "model": "m-2026", "choices": [choice], "usage": usage}
    )


class ChatEndpoint:
    """The running endpoint: its address, what it got, and what it will say (the last answer again and again)."""

    def __init__(self) -> None:
        self.got: list[Got] = []
        self.answers: list[Say | Callable[[Got], Say]] = [completion("Hello!")]
        self.url = ""

    def say(self, *answers: Say | Callable[[Got], Say]) -> None:
        """Set what is said next, in order."""
        self.answers = list(answers)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        connection = h11.Connection(h11.SERVER)
        try:
            while await self._exchange(connection, reader, writer):
                connection.start_next_cycle()
        except (ConnectionError, h11.ProtocolError):
            pass
        finally:
            writer.close()

    async def _exchange(
        self, connection: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        request: h11.Request | None = None
        body = b""
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(await reader.read(65_536))
            elif isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                break
            else:
                return False
        assert request is not None
        headers = {name.decode(): value.decode() for name, value in request.headers}
        got = Got(request.target.decode(), headers, json.loads(body))
        self.got.append(got)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        say = answer if isinstance(answer, Say) else answer(got)
        if say.hangs:
            await reader.read()
            return False
        content = say.body if isinstance(say.body, bytes) else json.dumps(say.body).encode()
        head = [("Content-Length", str(len(content))), ("Content-Type", "application/json"), *say.headers.items()]
        writer.write(connection.send(h11.Response(status_code=say.status, headers=head)) or b"")
        writer.write(connection.send(h11.Data(data=content[: len(content) // 2] if say.cut else content)) or b"")
        if say.cut:
            return False
        writer.write(connection.send(h11.EndOfMessage()) or b"")
        await writer.drain()
        return connection.our_state is h11.DONE and connection.their_state is h11.DONE


@asynccontextmanager
async def chat_endpoint() -> AsyncIterator[ChatEndpoint]:
    """Run an endpoint on a free port while the block runs."""
    endpoint = ChatEndpoint()
    server = await asyncio.start_server(endpoint.serve, "127.0.0.1", 0)
    endpoint.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    try:
        yield endpoint
    finally:
        server.close()
