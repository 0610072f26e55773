"""Tools of MCP servers, against real servers made with the official SDK: in this process, and as a program."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from daemon.offered_tools import ToolBook
from daemon.performers import mcp_servers
from daemon.performers.mcp import McpPerformer
from daemon.performers.mcp_servers import McpServers, open_servers
from daemon.performing import AttemptFailed, TakenRequest
from daemon.settings import McpTool, SettingsError
from daemon.settings_world import McpServer
from tests.daemon.mcp_tools import make_server

PROGRAM = McpServer(
    command=sys.executable, args=("-m", "tests.daemon.mcp_tools"), directory=str(Path(__file__).parents[2])
)
TOOLS = {
    name: McpTool(server="here") for name in ("add", "greet", "listed", "fails", "hangs", "key", "process", "dies")
}
TOOLS["plus"] = McpTool(server="here", tool="add", parameters=("b", "a"), description="Sum up.")
TOOLS["gone"] = McpTool(server="here", tool="nothing")


@asynccontextmanager
async def calling(target: Any = None, tools: dict[str, McpTool] = TOOLS) -> AsyncIterator[McpPerformer]:
    """Give a performer with one server, by default one in this process."""
    async with open_servers({"here": target if target is not None else make_server()}) as servers:
        yield McpPerformer(tools, servers)


def asked(tool: str, arguments: Any) -> TakenRequest:
    """Return a request of kind mcp."""
    payload = {"tool": tool, "arguments": arguments}
    return TakenRequest(uuid4(), uuid4(), 1, uuid4(), None, "mcp", payload, 1, None)  # type: ignore[arg-type]


async def failure(performer: McpPerformer, tool: str, arguments: Any = None) -> AttemptFailed:
    """Return how an attempt fails."""
    with pytest.raises(AttemptFailed) as caught:
        await performer.perform(asked(tool, arguments))
    return caught.value


@pytest.mark.parametrize(
    ("tool", "arguments", "value"),
    [
        ("add", {"a": 2, "b": 3}, 5),
        ("add", [2, 3], 5),
        ("ADD", [2], 3),
        ("plus", [10, 1], 11),
        ("greet", {"name": "Ana"}, {"text": "Hello, Ana!"}),
        ("listed", None, [1, {"a": 2}]),
    ],
)
async def test_a_tool_is_called(tool: str, arguments: Any, value: Any) -> None:
    async with calling() as performer:
        assert await performer.perform(asked(tool, arguments)) == value


async def test_the_stable_key_goes_with_the_call() -> None:
    async with calling() as performer:
        request = asked("key", {})
        assert await performer.perform(request) == request.key
        assert performer.host_of(request) == "mcp:here"


async def test_what_is_final_says_why() -> None:
    async with calling() as performer:
        for tool, arguments, said in (
            ("fails", None, "the shelf is empty"),
            ("add", {"a": "many"}, "valid integer"),
            ("add", [1, 2, 3], "add takes 2 arguments and is given 3"),
            ("gone", {}, "nothing"),
            ("unknown", {}, "there is no tool unknown"),
        ):
            failed = await failure(performer, tool, arguments)
            assert not failed.again and said in failed.message and "\n" not in failed.message


async def test_a_tool_is_described_as_its_server_does() -> None:
    async with calling() as performer:
        book = ToolBook(TOOLS, servers=performer)
        add, plus, gone = await book.resolve(["add", "plus", "gone"], uuid4())
    assert (add.name, add.kind, add.description) == ("add", "mcp", "Add two numbers.")
    assert add.schema and add.schema["required"] == ["a"]
    assert plus.description == "Sum up." and plus.schema == add.schema
    assert gone.schema == {"type": "object", "properties": {}}


async def test_servers_list_their_tools() -> None:
    async with open_servers({"here": make_server()}) as servers:
        assert {"add", "greet"} <= {tool.name for tool in await servers.list_tools("here")}


async def test_a_call_has_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_servers({"here": make_server()}) as servers:
        server = servers._servers["here"]
        await servers.list_tools("here")
        server.seconds = 0.05
        performer = McpPerformer(TOOLS, servers)
        first = await server.session()
        for _ in range(mcp_servers.TIMEOUTS_MAX):
            failed = await failure(performer, "hangs")
            assert failed.again and failed.kind == "timeout" and "within 0.05 seconds" in failed.message
        assert first.over, "a server that answers nothing any more is opened anew"


async def test_a_program_is_started_when_used_and_again_when_it_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    async with calling(PROGRAM) as performer:
        first = await performer.perform(asked("process", {}))
        assert await performer.perform(asked("process", {})) == first
        failed = await failure(performer, "dies")
        assert failed.again and "ended while it was asked" in failed.message
        monkeypatch.setattr(mcp_servers, "REOPEN_SECONDS_MIN", 0.0)
        assert await performer.perform(asked("process", {})) != first


async def test_a_program_that_ends_at_once_is_not_started_in_a_loop() -> None:
    async with calling(McpServer(command="/bin/false", timeout_seconds=10)) as performer:
        failed = await failure(performer, "add", {})
        assert failed.again and "cannot be reached" in failed.message
        failed = await failure(performer, "add", {})
        assert failed.again and "has only just ended" in failed.message


async def test_a_program_that_is_not_there_is_final() -> None:
    async with calling(McpServer(command="/nowhere/server")) as performer:
        failed = await failure(performer, "add", {})
    assert not failed.again and "cannot be started" in failed.message


async def test_an_address_that_nobody_serves_is_asked_again() -> None:
    async with calling(McpServer(url="http://127.0.0.1:9/mcp", timeout_seconds=5)) as performer:
        failed = await failure(performer, "add", {})
        assert failed.again and "cannot be reached" in failed.message
        described = await ToolBook(TOOLS, servers=performer).resolve(["plus"], uuid4())
    assert described[0].schema == {"type": "object", "properties": {"b": {}, "a": {}}}


async def test_an_error_of_the_block_comes_out_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError):
        async with calling() as performer:
            await performer.perform(asked("add", [1]))
            raise ZeroDivisionError


async def test_without_the_package_the_sentence_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mcp", None)
    with pytest.raises(SettingsError, match=r"\[mcp.servers.here\] needs a package: pip install 'stepwell\[mcp\]'"):
        async with open_servers({"here": PROGRAM}):
            pass
    async with open_servers({}) as servers:
        assert isinstance(servers, McpServers)
