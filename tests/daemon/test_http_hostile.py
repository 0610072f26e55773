"""Servers and names that mean harm: answers without end, redirects to where no script may go, lies of name servers."""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from daemon.performers.http import HttpPerformer
from daemon.performing import AttemptFailed
from daemon.settings_world import Web
from tests.daemon.test_http_performer import LOCAL, failing, performing, taken
from tests.daemon.web_server import Say, WebServer, web_server

PUBLIC = "93.184.215.14"


def resolving(monkeypatch: pytest.MonkeyPatch, names: dict[str, list[str] | Exception]) -> list[str]:
    """Answer for a name server; return the list of names it is asked."""
    asked: list[str] = []

    def answer(host: str, port: int, **options: Any) -> list[Any]:
        asked.append(host)
        found = names[host]
        if isinstance(found, Exception):
            raise found
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    monkeypatch.setattr("daemon.performers.connecting.socket.getaddrinfo", answer)
    return asked


def raw(*chunks: bytes, then: float = 0) -> Callable[[asyncio.StreamWriter], Any]:
    async def say(writer: asyncio.StreamWriter) -> None:
        for chunk in chunks:
            writer.write(chunk)
            await writer.drain()
        await asyncio.sleep(then)

    return say


async def endless_body(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        writer.write(b"x" * 65_536)
        await writer.drain()


async def endless_head(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"x-pad: " + b"x" * 8_000 + b"\r\n")
        await writer.drain()


async def drip(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.01)


async def test_answers_without_end_are_cut() -> None:
    async with web_server() as web, performing(response_bytes_max=200_000) as performer:
        web.routes |= {"/body": endless_body, "/head": endless_head}
        body = await failing(performer, url=web.url("/body"))
        assert "is larger than 200,000 bytes" in body.message and not body.again
        head = await failing(performer, url=web.url("/head"))
        assert "headers that are too large" in head.message and not head.again
        web.routes["/long"] = Say(body=b"x" * 200_001)
        assert "is larger than" in (await failing(performer, url=web.url("/long"))).message
        bomb = gzip.compress(b"0" * 50_000_000)
        assert len(bomb) < 100_000
        web.routes["/bomb"] = Say(body=bomb, headers={"content-encoding": "gzip"})
        assert "is larger than" in (await failing(performer, url=web.url("/bomb"))).message
        web.routes["/fine"] = Say(body={"a": 1})
        assert await performer.perform(taken(url=web.url("/fine"))) == {"a": 1}


async def test_a_slow_drip_ends_with_the_time_out() -> None:
    async with web_server() as web, performing(timeout_seconds=0.2) as performer:
        web.routes |= {"/drip": drip, "/silence": raw(then=60)}
        for path in ("/drip", "/silence"):
            failed = await failing(performer, url=web.url(path))
            assert failed.again and failed.kind == "timeout" and "within 0.2 seconds" in failed.message
        given = await failing(performer, url=web.url("/drip"), timeout_seconds=0.1)
        assert "within 0.1 seconds" in given.message


@pytest.mark.parametrize(
    "garbage",
    [
        b"", b"\x00\x01\x02\r\n\r\n", b"HTTP/1.1 banana\r\n\r\n", b"SSH-2.0-OpenSSH_9\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nbad header\x00: a\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 3,
    ],
)  # fmt: skip
async def test_garbage_is_an_attempt_that_failed(garbage: bytes) -> None:
    async with web_server() as web, performing(timeout_seconds=5) as performer:
        web.routes["/x"] = raw(garbage)
        failed = await failing(performer, url=web.url("/x"))
        assert failed.again and failed.message.startswith(f"GET http://127.0.0.1:{web.port}/x ")


@pytest.mark.parametrize(
    ("route", "method", "unsure"),
    [
        (raw(then=60), "POST", True), (raw(then=60), "GET", False), (raw(b"HTTP/1.1"), "DELETE", True),
        (Say(500), "POST", True), (Say(500), "GET", False), (Say(503), "POST", False), (Say(429), "PUT", False),
    ],
)  # fmt: skip
async def test_f32_what_may_have_been_done_is_in_doubt(route: Any, method: str, unsure: bool) -> None:
    """A message that may have arrived, and asked for more than to be told something."""
    async with web_server(x=route) as web, performing(timeout_seconds=0.3) as performer:
        failed = await failing(performer, url=web.url("/x"), method=method, expect="envelope")
    assert failed.again and failed.unsure is unsure


async def test_a_server_that_is_not_there_is_asked_again() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    async with performing() as performer:
        failed = await failing(performer, url=f"http://127.0.0.1:{port}/x", method="POST")
    assert failed.again and not failed.unsure and "cannot be reached" in failed.message


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "127.1", "0x7f.1", "2130706433", "017700000001", "[::1]", "[::ffff:127.0.0.1]",
     "0", "169.254.169.254", "[fd00:ec2::254]", "100.100.100.200", "127.0.0.1.", "ana@127.0.0.1", "①②⑦.0.0.1"],
)  # fmt: skip
async def test_private_addresses_are_refused_however_they_are_spelled(host: str) -> None:
    async with web_server() as web, performing(allow_hosts=()) as performer:
        failed = await failing(performer, url=f"http://{host}:{web.port}/x")
        assert not failed.again and web.connections == 0
        assert "web.allow_hosts" in failed.message or "no host" in failed.message or "no address" in failed.message


async def test_names_of_private_addresses_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, {"inside.example": ["10.0.0.7", "192.168.0.1"], "meta.example": ["169.254.169.254"]})
    async with performing(allow_hosts=()) as performer:
        failed = await failing(performer, url="http://inside.example/x")
        assert "“inside.example” has the address 10.0.0.7, which is private" in failed.message
        assert "metadata" in (await failing(performer, url="https://meta.example/latest")).message


async def test_the_address_that_was_checked_is_the_one_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name server that gives a public address first and a private one from then on gains nothing."""
    async with web_server(x=Say(body={"a": 1})) as web, performing(allow_hosts=("127.0.0.0/8",)) as performer:
        connected: list[str] = []
        real = performer._checked._backend._network.connect_tcp

        async def connect(host: str, port: int, *rest: Any) -> Any:
            connected.append(host)
            return await real("127.0.0.1", port, *rest)

        names: dict[str, list[str] | Exception] = {"rebound.example": [PUBLIC, "10.0.0.1"]}
        asked = resolving(monkeypatch, names)
        monkeypatch.setattr(performer._checked._backend._network, "connect_tcp", connect)
        assert await performer.perform(taken(url=web.url("/x", "rebound.example"))) == {"a": 1}
        assert (asked, connected) == (["rebound.example"], [PUBLIC])
        assert web.got[0].headers["host"] == f"rebound.example:{web.port}"
        names["rebound.example"] = ["10.0.0.1"]
        assert await performer.perform(taken(url=web.url("/x", "rebound.example"))) == {"a": 1}
        assert asked == ["rebound.example"]  # the connection that is open needs no second answer


async def test_an_allowed_name_may_be_private(monkeypatch: pytest.MonkeyPatch) -> None:
    async with web_server(x=Say(body=1)) as web:
        resolving(monkeypatch, {"intern.example": ["127.0.0.1"]})
        async with performing(allow_hosts=(f"intern.example:{web.port}",)) as performer:
            assert await performer.perform(taken(url=web.url("/x", "intern.example"))) == 1
        async with performing(allow_hosts=("intern.example:1",)) as performer:
            assert "is loopback" in (await failing(performer, url=web.url("/x", "intern.example"))).message


@pytest.mark.parametrize(
    ("error", "again"),
    [(socket.gaierror(socket.EAI_NONAME, "no"), False), (socket.gaierror(socket.EAI_AGAIN, "no"), True)],
)
async def test_names_that_are_not_there(monkeypatch: pytest.MonkeyPatch, error: Exception, again: bool) -> None:
    asked = resolving(monkeypatch, {"gone.example": error})
    async with performing() as performer:
        several = await asyncio.gather(
            *(performer.perform(taken(url="http://gone.example/x")) for _ in range(5)), return_exceptions=True
        )
    assert all(isinstance(failed, AttemptFailed) and failed.again is again for failed in several)
    assert asked == ["gone.example"]  # one question, however many wait for its answer


# ── redirects ──


async def test_redirects_are_followed_and_counted() -> None:
    async with web_server() as web, performing(redirects_max=3) as performer:
        web.routes |= {f"/{n}": Say(302, headers={"location": f"/{n + 1}"}) for n in range(3)}
        web.routes["/3"] = Say(body={"there": True})
        assert await performer.perform(taken(url=web.url("/0"))) == {"there": True}
        web.routes["/3"] = Say(302, headers={"location": "/0"})
        failed = await failing(performer, url=web.url("/0"))
        assert "more than 3 times" in failed.message and not failed.again
    assert {got.headers["idempotency-key"] for got in web.got} == {taken().key}


@pytest.mark.parametrize(
    "location",
    ["http://127.0.0.2:{port}/x", "http://169.254.169.254/latest/meta-data", "//[::1]:{port}/x",
     "file:///etc/passwd", "gopher://127.0.0.1/x"],
)  # fmt: skip
async def test_a_redirect_leads_nowhere_that_the_script_may_not_go(location: str) -> None:
    async with web_server() as web, performing(allow_hosts=("127.0.0.1",)) as performer:
        web.routes["/away"] = Say(307, headers={"location": location.format(port=web.port)})
        failed = await failing(performer, url=web.url("/away"), method="POST", body={"a": 1}, expect="envelope")
    assert not failed.again and [got.target for got in web.got] == ["/away"]


async def test_the_configured_base_does_not_vouch_for_its_redirects() -> None:
    async with web_server(x=Say(body=1)) as other, web_server() as base:
        base.routes |= {
            "/own": Say(302, headers={"location": "/there"}),
            "/there": Say(body=2),
            "/away": Say(302, headers={"location": other.url("/x")}),
        }
        async with performing(allow_hosts=(), base_url=base.url()) as performer:
            assert await performer.perform(taken(url="/own")) == 2
            assert "is loopback" in (await failing(performer, url="/away")).message
    assert not other.got


@pytest.mark.parametrize(
    ("status", "method", "then"),
    [(301, "POST", "GET"), (302, "POST", "GET"), (303, "PUT", "GET"), (307, "POST", "POST"), (308, "PUT", "PUT"),
     (301, "PUT", "PUT"), (302, "GET", "GET")],
)  # fmt: skip
async def test_methods_and_headers_behind_a_redirect(status: int, method: str, then: str) -> None:
    async with web_server(x=Say(body=1)) as other, web_server() as web, performing() as performer:
        web.routes["/x"] = Say(status, headers={"location": other.url("/x")})
        headers = {"Authorization": "Bearer secret", "X-Api-Key": "secret", "Accept": "text/csv"}
        body = {"a": 1} if method != "GET" else None
        await performer.perform(taken(url=web.url("/x"), method=method, headers=headers, body=body, expect="envelope"))
    got = other.got[0]
    assert got.method == then and bool(got.body) is (then != "GET")
    assert "secret" not in str(got.headers) and got.headers["accept"] == "text/csv"
    assert got.headers["idempotency-key"] == taken().key


# ── TLS ──


def certificate(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return contexts of a server called `name` and of a client that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = folder / "server.pem"
    file.write_bytes(secret + pem)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file)
    return server, ssl.create_default_context(cadata=pem.decode())


async def test_tls_asks_for_the_name_and_verifies_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    server, client = certificate(tmp_path, "pinned.example")
    seen: list[str | None] = []
    server.sni_callback = lambda _socket, name, _context: seen.append(name)
    resolving(monkeypatch, {"pinned.example": ["127.0.0.1"], "other.example": ["127.0.0.1"]})
    async with web_server(server, x=Say(body=1)) as web:
        performer = HttpPerformer(Web(allow_hosts=LOCAL), tls=client)
        assert await performer.perform(taken(url=web.url("/x", "pinned.example"))) == 1
        assert seen == ["pinned.example"]
        wrong = await failing(performer, url=web.url("/x", "other.example"))
        assert "certificate does not hold" in wrong.message and not wrong.again
        await performer.close()
        async with performing() as stranger:
            unknown = await failing(stranger, url=web.url("/x", "pinned.example"))
            assert unknown.kind == "tls" and not unknown.again
            plain = await failing(stranger, url=f"http://pinned.example:{web.port}/x")
            assert plain.again


# ── many at once ──


async def test_attempts_that_are_cancelled_leave_the_pool_whole() -> None:
    async with web_server(x=Say(body=1)) as web, performing() as performer:
        web.routes["/silence"] = raw(then=60)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(cancelled(performer, web)) for _ in range(50)]
            await asyncio.sleep(0.1)
            for task in tasks:
                task.cancel()
        assert await performer.perform(taken(url=web.url("/x"))) == 1
        assert performer._checked.connections == (0, 1)


async def cancelled(performer: HttpPerformer, web: WebServer) -> None:
    await performer.perform(taken(url=web.url("/silence")))
