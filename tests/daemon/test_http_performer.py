"""The performer of HTTP against real servers on the loopback: what is sent, and what an answer becomes."""

from __future__ import annotations

import base64
import gzip
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest

from daemon.performers.http import HttpPerformer
from daemon.performing import AttemptFailed, TakenRequest
from daemon.settings import HttpTool
from daemon.settings_world import Web
from engine.members import get_member
from tests.daemon.web_server import Got, Say, web_server

KEY = UUID("01234567-89ab-cdef-0123-456789abcdef")
LOCAL = ("127.0.0.0/8",)


def taken(**payload: Any) -> TakenRequest:
    return TakenRequest(KEY, KEY, 1, KEY, None, "http", payload, 1, None)


@asynccontextmanager
async def performing(tools: dict[str, HttpTool] | None = None, **web: Any) -> AsyncIterator[HttpPerformer]:
    performer = HttpPerformer(Web(**{"allow_hosts": LOCAL, **web}), tools)
    try:
        yield performer
    finally:
        await performer.close()


async def failing(performer: HttpPerformer, **payload: Any) -> AttemptFailed:
    with pytest.raises(AttemptFailed) as failed:
        await performer.perform(taken(**payload))
    return failed.value


async def test_a_get_sends_its_key_and_gives_the_json() -> None:
    async with web_server(rate=Say(body={"rate": 5.25})) as web, performing() as performer:
        assert await performer.perform(taken(url=web.url("/rate?from=BRL"))) == {"rate": 5.25}
        assert await performer.perform(taken(url=web.url("/rate"), headers={"X-A": "é", "User-Agent": "mine"})) == {
            "rate": 5.25
        }
    first, second = web.got
    assert (first.method, first.target, first.body) == ("GET", "/rate?from=BRL", b"")
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"] == str(KEY)
    assert first.headers["user-agent"].startswith("Stepwell/") and second.headers["user-agent"] == "mine"
    assert first.headers["host"] == f"127.0.0.1:{web.port}"
    assert web.connections == 1  # the second went over the connection of the first
    assert performer.host_of(taken(url="https://API.example.com./x")) == "api.example.com"
    assert performer.host_of(taken(url="nonsense")) == ""


async def test_addresses_are_encoded_where_they_must_be() -> None:
    async with web_server() as web, performing() as performer:
        await failing(performer, url=web.url("/são paulo/a%20b?q=olá mundo&x=%41"))
    assert web.got[0].target == "/s%C3%A3o%20paulo/a%20b?q=ol%C3%A1%20mundo&x=%41"


@pytest.mark.parametrize(
    ("body", "kind", "headers", "sent", "content_type"),
    [
        ({"a": [1, "é"]}, None, {}, '{"a":[1,"é"]}'.encode(), "application/json"),
        ([1], "json", {"Content-Type": "application/vnd.x+json"}, b"[1]", "application/vnd.x+json"),
        ("hello é", None, {}, "hello é".encode(), "text/plain; charset=utf-8"),
        ('{"a": 1}', None, {}, b'{"a": 1}', "application/json"),
        ("x", "json", {}, b'"x"', "application/json"),
        ({"a": "b c", "l": [1, 2], "n": None}, "form", {}, b"a=b+c&l=1&l=2", "application/x-www-form-urlencoded"),
        ({"a": 1}, None, {"content-type": "application/x-www-form-urlencoded"}, b"a=1",
         "application/x-www-form-urlencoded"),
        (None, None, {}, b"", None),
    ],
)  # fmt: skip
async def test_bodies(body: Any, kind: Any, headers: Any, sent: bytes, content_type: Any) -> None:
    async with web_server(x=Say(201, {"id": 7})) as web, performing() as performer:
        payload = {"method": "POST", "url": web.url("/x"), "body": body, "body_kind": kind, "headers": headers}
        answer = await performer.perform(taken(**payload, expect="envelope"))
    assert web.got[0].body == sent
    assert web.got[0].headers.get("content-type") == content_type
    assert web.got[0].headers["content-length"] == str(len(sent))
    assert get_member(answer, "status") == 201 and get_member(answer, "statusText") == "Created"
    assert get_member(answer, "id") == 7 and get_member(answer, "data") == {"id": 7}
    assert get_member(get_member(answer, "headers"), "Content-Type") == "application/json"


@pytest.mark.parametrize(
    ("body", "content_type", "value"),
    [
        (b'{"a": 1}', "text/plain", {"a": 1}),
        (b'{"a": 1', "application/json", '{"a": 1'),
        (b"17", "application/json; charset=utf-8", 17),
        (b"17", "text/plain", "17"),
        (b"[x", "text/plain", "[x"),
        (b"[1]", "text/html", "[1]"),
        (b"\xef\xbb\xbf{}", "application/problem+json", {}),
        ("ação".encode("latin-1"), "text/html; charset=ISO-8859-1", "ação"),
        ("ação".encode("latin-1"), "text/html", "ação"),
        ("ação".encode(), "text/html; charset=rot13", "ação"),
        ("ação".encode(), "", "ação"),
        (b"\x89PNG\r\n\x00", "image/png", "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x00").decode()),
        (b"\xff\xfe\x00", "", "data:application/octet-stream;base64,//4A"),
        (b"", "application/json", None),
    ],
)
async def test_what_an_answer_becomes(body: bytes, content_type: str, value: Any) -> None:
    async with web_server(x=Say(body=body, headers={"content-type": content_type})) as web, performing() as performer:
        assert await performer.perform(taken(url=web.url("/x"))) == value


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"a": NaN}', "holds NaN"),
        (b'{"a": -Infinity}', "holds -Infinity"),
        (b'"\\ud800"', "nothing that a variable can hold"),
        (b'"\\u0000"', "nothing that a variable can hold"),
        (b"[" * 100_000, "nested too deep"),
        (b"[" * 70 + b"]" * 70, "nothing that a variable can hold"),
        (b"9" * 5_000, "thousands of digits"),
        (b'"' + b"x" * 200_000 + b'"', "nothing that a variable can hold"),
    ],
)
async def test_f46_what_no_variable_can_hold_is_refused(body: bytes, said: str) -> None:
    say = Say(body=body, headers={"content-type": "application/json"})
    async with web_server(x=say) as web, performing() as performer:
        failed = await failing(performer, url=web.url("/x?key=secret"))
    assert said in failed.message and not failed.again
    assert "secret" not in failed.message


async def test_packed_answers_are_unpacked() -> None:
    raw = zlib.compressobj(wbits=-15)
    packed = {
        "gzip": gzip.compress(b'{"a":1}'),
        "deflate": zlib.compress(b'{"a":1}'),
        "bare": raw.compress(b'{"a":1}') + raw.flush(),
    }
    routes: dict[str, Any] = {
        name: Say(body=body, headers={"content-encoding": name if name != "bare" else "deflate"})
        for name, body in packed.items()
    }
    async with web_server(None, **routes) as web, performing() as performer:
        for name in packed:
            assert await performer.perform(taken(url=web.url(f"/{name}"))) == {"a": 1}, name
        web.routes["/brotli"] = Say(body=b"x", headers={"content-encoding": "br"})
        assert "packed as “br”" in (await failing(performer, url=web.url("/brotli"))).message
        web.routes["/half"] = Say(body=packed["gzip"][:-9], headers={"content-encoding": "gzip"})
        assert "ends in the middle" in (await failing(performer, url=web.url("/half"))).message


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
async def test_statuses_that_are_tried_again(status: int) -> None:
    busy = Say(status, "later", {"retry-after": "7"})
    async with web_server(x=busy) as web, performing() as performer:
        failed = await failing(performer, url=web.url("/x"))
        posted = await failing(performer, url=web.url("/x"), method="POST", expect="envelope")
    assert failed.again and failed.after_seconds == 7 and failed.otherwise is None and failed.kind == "http"
    assert f"answered {status}" in failed.message and failed.message.endswith(": later")
    assert posted.again and posted.otherwise is not None
    assert get_member(posted.otherwise.value, "status") == status


@pytest.mark.parametrize("status", [300, 304, 400, 401, 403, 404, 409, 410, 422])
async def test_statuses_that_are_final(status: int) -> None:
    body = "" if status == 304 else {"error": "no " + "x" * 1_000}
    async with web_server(x=Say(status, body)) as web, performing() as performer:
        failed = await failing(performer, url=web.url("/x"))
        posted = await performer.perform(taken(url=web.url("/x"), method="PUT", expect="envelope"))
    assert not failed.again and f"answered {status} " in failed.message and len(failed.message) < 450
    assert get_member(posted, "status") == status


async def test_a_date_to_come_back_at_is_read_by_the_servers_clock() -> None:
    headers = {"date": "Sat, 14 Mar 2026 09:00:00 GMT", "retry-after": "Sat, 14 Mar 2026 09:01:30 GMT"}
    async with web_server(x=Say(503, "", headers)) as web, performing() as performer:
        assert (await failing(performer, url=web.url("/x"))).after_seconds == 90
        web.routes["/x"] = Say(503, "", {"retry-after": "soon"})
        assert (await failing(performer, url=web.url("/x"))).after_seconds is None


async def test_the_base_is_asked_wherever_it_is() -> None:
    async with web_server(api_rate=Say(body={"a": 1})) as web:
        web.routes["/v1/rate"] = Say(body={"a": 1})
        async with performing(allow_hosts=(), base_url=web.url("/v1/")) as performer:
            assert await performer.perform(taken(url="/rate?x=1")) == {"a": 1}
            written_out = await failing(performer, url=web.url("/v1/rate"))
        async with performing() as performer:
            unset = await failing(performer, url="/rate")
    assert "is loopback" in written_out.message and not written_out.again and written_out.kind == "address"
    assert "web.base_url, which is not configured" in unset.message


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        ({"url": "ftp://example.com/x"}, "only http:// and https://"),
        ({"url": "file:///etc/passwd"}, "only http:// and https://"),
        ({"url": "//example.com/x"}, "only http:// and https://"),
        ({"url": "http://"}, "names no host"),
        ({"url": "http://[::1"}, "no address of the web"),
        ({"url": "http://exa\nmple.com"}, "no address of the web"),
        ({"url": "http://example.com:99999/"}, "a port that cannot be"),
        ({"url": ""}, "this one is empty"),
        ({"url": None}, "this one is empty"),
        ({"url": "http://example.com", "method": "BREW"}, "no method"),
        ({"url": "http://example.com", "headers": {"a b": "c"}}, "cannot be sent as a header"),
        ({"url": "http://example.com", "headers": {"a": "b\r\nc: d"}}, "cannot be sent as a header"),
        ({"url": "http://example.com", "headers": "a: b"}, "must be an object"),
        ({"url": "http://example.com", "method": "POST", "body": "x" * 101}, "would send 101 bytes"),
        ({"tool": "nobody", "arguments": []}, "no tool nobody"),
    ],
)
async def test_what_is_never_sent(payload: dict[str, Any], said: str) -> None:
    async with performing(request_bytes_max=100) as performer:
        failed = await failing(performer, **payload)
    assert said in failed.message and not failed.again


async def test_headers_that_are_ours_stay_ours() -> None:
    async with web_server(x=Say()) as web, performing() as performer:
        mine = {"Host": "evil.example", "idempotency-key": "mine", "Content-Length": "999", "X-A": "1", "x-a": "2"}
        await performer.perform(taken(url=web.url("/x"), headers=mine))
        await performer.perform(taken(url=web.url("/x").replace("//", "//ana:s%20t@")))
    first, second = web.got
    assert first.headers["host"] == f"127.0.0.1:{web.port}" and first.headers["idempotency-key"] == str(KEY)
    assert first.headers["x-a"] == "2" and "content-length" not in first.headers
    assert second.headers["authorization"] == "Basic " + base64.b64encode(b"ana:s t").decode()


async def test_no_cookie_goes_from_one_conversation_to_the_next() -> None:
    async with web_server(x=Say(headers={"set-cookie": "session=1"})) as web, performing() as performer:
        await performer.perform(taken(url=web.url("/x")))
        await performer.perform(taken(url=web.url("/x")))
    assert "cookie" not in web.got[1].headers


async def test_tools_are_asked_by_their_names() -> None:
    def echo(got: Got) -> Say:
        return Say(body={"target": got.target, "body": got.body.decode(), "key": got.headers.get("x-key")})

    async with web_server() as web:
        web.routes |= {"/orders/a%2Fb": echo, "/orders": echo}
        tools = {
            "order": HttpTool(url=web.url("/orders/{id}"), method="GET", parameters=("id", "full", "lang")),
            "create": HttpTool(url=web.url("/orders"), headers={"X-Key": "k"}, parameters=("what", "many")),
            "raw": HttpTool(url=web.url("/orders"), method="PUT"),
        }
        async with performing(tools, allow_hosts=()) as performer:
            one = await performer.perform(taken(tool="order", arguments=["a/b", True]))
            assert one == {"target": "/orders/a%2Fb?full=true", "body": "", "key": None}
            two = await performer.perform(taken(tool="CREATE", arguments={"what": "bread", "many": 2}))
            assert two == {"target": "/orders", "body": '{"what":"bread","many":2}', "key": "k"}
            three = await performer.perform(taken(tool="raw", arguments=[[1, 2]]))
            assert three == {"target": "/orders", "body": "[1,2]", "key": None}
            assert performer.host_of(taken(tool="order", arguments=["x"])) == "127.0.0.1"
            for arguments, said in (
                ([".."], "would name another address"),
                ([1, 2, 3, 4], "takes 3 arguments"),
                ({"idd": 1}, "no parameter idd"),
            ):
                assert said in (await failing(performer, tool="order", arguments=arguments)).message
