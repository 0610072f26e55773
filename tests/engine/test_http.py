"""What the HTTP statements ask, in all their spellings, and where GET looks."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from daemon.chat_givens import GivenFailure, Givens, read_given
from engine.compiler import compile_script
from engine.effects import Request
from engine.errors import CompileError
from engine.events import QueryAnswered, RequestCompleted, TimedOut
from engine.policy import Policy
from engine.stepper import Continue, Done, Suspend, advance, deliver
from engine.values import Value
from engine.waits import ForRequest, deadline_of
from tests.engine.player import Player, play


def asked(source: str, *answers: Value, tools: Any = (), **options: Any) -> tuple[list[Request], Done | None, Player]:
    """Run a script and answer its requests one after the other; return what it asked."""
    plan = compile_script("test.bas", {"test.bas": source}, tools=tools)
    player = Player(plan, **options)
    requests: list[Request] = []
    rest = list(answers)
    while True:
        result = advance(plan, player.state, player.moment(), player.policy)
        player.state = result.state
        player.say(result.effects)
        requests += [e for e in result.effects if isinstance(e, Request)]
        if isinstance(result, Done):
            return requests, result, player
        if isinstance(result, Continue) and result.query is not None:
            player.state = deliver(player.state, player.answer(result.query))
        elif isinstance(result, Suspend):
            wait = player.state.wait
            if not rest or not isinstance(wait, ForRequest):
                return requests, None, player
            player.state = deliver(player.state, RequestCompleted(wait.number, rest.pop(0)))


def payload(source: str, **options: Any) -> dict[str, Any]:
    """Return what the only request of a script asks."""
    requests, _, _ = asked(source, **options)
    [request] = requests
    assert isinstance(request.payload, dict)
    return {"kind": request.kind, **request.payload}


@pytest.mark.parametrize(
    "source",
    [
        'POST "/x", { "a": 1 }', 'x = POST "/x", { a: 1 }', 'POST "/x" WITH { "a": 1 }', 'POST "/x" WITH a = 1',
        'POST "/x" WITH a AS 1', 'POST "/x" DATA { a: 1 }', 'POST("/x", { a: 1 })', 'x = POST("/x", { a: 1 })',
        'POST "/x", {\n  "a": 1\n}', 'u = "/x"\nd = NEW OBJECT\nd.a = 1\nPOST u, d', 'SET x = POST "/x", { a: 1 }',
        'post "/x", { a: 1 }',
    ],
)  # fmt: skip
def test_spellings_of_post(source: str) -> None:
    found = payload(source)
    assert found["method"] == "POST" and found["url"] == "/x" and found["body"] == {"a": 1}
    assert (found["kind"], found["expect"], found["body_kind"], found["headers"]) == ("http", "envelope", "json", {})


@pytest.mark.parametrize(
    ("source", "method", "body", "kind"),
    [
        ('PUT "/x", "text"', "PUT", "text", "text"),
        ('PATCH "/x", [1, 2]', "PATCH", [1, 2], "json"),
        ('POST "/x"', "POST", None, None),
        ('DELETE HTTP "/x"', "DELETE", None, None),
        ('DELETE_HTTP("/x")', "DELETE", None, None),
        ('x = DELETE HTTP "/x", 7', "DELETE", 7, "json"),
        ('GRAPHQL "/x", "{ a }"', "POST", {"query": "{ a }", "variables": {}}, "json"),
        ('x = GRAPHQL "/x", "{ a }" WITH id = 7, n AS "b"', "POST",
         {"query": "{ a }", "variables": {"id": 7, "n": "b"}}, "json"),
        ('GRAPHQL("/x", "{ a }", { id: 7 })', "POST", {"query": "{ a }", "variables": {"id": 7}}, "json"),
        ('POST "/x" WITH Name = "n", count AS 2', "POST", {"Name": "n", "count": 2}, "json"),
        ('CALL "/x"', "GET", None, None),
        ('CALL "/x", { a: 1 }', "POST", {"a": 1}, "json"),
        ('x = CALL "https://a.b/c", 1', "POST", 1, "json"),
        ('u = "/x"\nx = CALL u', "GET", None, None),
        ('id = 7\nx = CALL "/x/${id}"', "GET", None, None),
        ('u = "/x"\nCALL u & "/y", 1', "POST", 1, "json"),
        ('SET HEADER "content-type", "application/x-www-form-urlencoded"\nPOST "/x", { a: 1 }', "POST", {"a": 1}, "form"),
    ],
)  # fmt: skip
def test_methods_and_bodies(source: str, method: str, body: Value, kind: str | None) -> None:
    found = payload(source)
    assert (found["method"], found["body"], found["body_kind"]) == (method, body, kind)
    assert found["expect"] == ("body" if "CALL" in source else "envelope")


@pytest.mark.parametrize(
    ("source", "headers"),
    [
        ('SET HEADER "A", "b"', {"A": "b"}),
        ('SET HEADER "A" = "b"', {"A": "b"}),
        ('SET HEADER "A" AS "b"', {"A": "b"}),
        ('SET HEADER Authorization = "b"', {"Authorization": "b"}),
        ('SET HEADER X-Api-Key, "b"', {"X-Api-Key": "b"}),
        ('SET HEADER X-Api-Key = "b"', {"X-Api-Key": "b"}),
        ('SET_HEADER("A", "b")', {"A": "b"}),
        ('SET_HEADER "A", 7', {"A": "7"}),
        ('SET HEADERS { "A": "b", c: 1 }', {"A": "b", "c": "1"}),
        ('t = "abc"\nSET HEADER "Authorization", "Bearer ${t}"', {"Authorization": "Bearer abc"}),
        ('SET HEADER "A", "b"\nSET HEADER "a", "c"', {"a": "c"}),
        ('SET HEADER "A", "b"\nSET HEADER "C", "d"\nSET HEADER "A", NULL', {"C": "d"}),
        ('SET HEADER "A", "b"\nCLEAR HEADER "a"', {}),
        ('SET HEADER "A", "b"\nCLEAR HEADERS', {}),
        ('SET HEADER "A", "b"\nCLEAR_HEADERS()', {}),
        ('SUB s\nSET HEADER "A", "b"\nEND SUB\ns', {"A": "b"}),
    ],
)
def test_headers(source: str, headers: dict[str, str]) -> None:
    assert payload(source + '\nx = GET "/x"')["headers"] == headers


def test_headers_of_one_statement() -> None:
    assert payload('SET HEADER "A", "b"\nx = GET "/x" HEADERS { B: "c" }')["headers"] == {"A": "b", "B": "c"}
    assert payload('POST "/x", 1, { B: "c" }')["headers"] == {"B": "c"}


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ('SET HEADER "A", "b\\nC: d"', "cannot be a header"),
        ('SET HEADER "A B", "b"', "cannot be a header"),
        ("SET HEADERS 7", "headers are an object"),
        ('POST ""', "this one is empty"),
        ("CALL x", "should name what is called"),
        ("x = GET y", "GET needs a text"),
        ('x = GET "session."', "needs a name"),
        ('x = GET "/x" TIMEOUT 0', "above 0"),
    ],
)
def test_what_no_request_can_be_made_of(source: str, said: str) -> None:
    found = play(f'x = ""\ny = ""\n{source}')
    assert len(found) == 1 and said in found[0], found


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ('POST "/x", 1, 2, 3', "one value to send"),
        ('POST "/x", 1 WITH 2', "one value to send"),
        ('POST "/x" WITH 1, 2', "needs a name"),
        ('GRAPHQL "/x"', "an address and a query"),
        ('SET HEADER "A"', "a name and a value"),
        ('CALL "/x", 1, 2', "one value"),
    ],
)
def test_what_does_not_compile(source: str, said: str) -> None:
    with pytest.raises(CompileError, match=said):
        compile_script("test.bas", {"test.bas": source})


def test_a_request_waits_with_a_deadline_only_where_the_script_says_so() -> None:
    _, _, player = asked('x = GET "/x"')
    assert deadline_of(player.state.wait) is None
    [request], _, player = asked('TRY\nx = POST "/x", 1 TIMEOUT 2 MINUTES\nCATCH e\nTALK e\nEND TRY')
    assert request.deadline == deadline_of(player.state.wait) == player.now + timedelta(minutes=2)
    assert isinstance(request.payload, dict) and request.payload["timeout_seconds"] == 120
    player.state = deliver(player.state, TimedOut())
    player.run()
    assert player.transcript == ['bot: POST "/x" had no answer within 120 seconds.']


def test_members_that_the_envelope_lacks_are_looked_up_in_its_data() -> None:
    source = 'a = POST "/x", 1\nHEAR y\nTALK "${a.id} ${a.status} ${a.items[0].n} ${a.data.id} ${a.headers.etag} [${a.none}]"'
    envelope: Value = {
        "status": 201,
        "statusText": "Created",
        "headers": {"etag": "e"},
        "data": {"id": 7, "items": [{"n": 1}], "status": "shadowed"},
    }
    _, _, player = asked(source, envelope)
    player.reload()  # as it comes back from its checkpoint
    player.hear("go on")
    assert player.transcript[-1] == "bot: 7 201 1 7 e []"


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("session.k", ("get_session_variable", ("k",))),
        ("user.k", ("get_session_variable", ("k",))),
        ("SESSION.a.b", ("get_session_variable", ("a.b",))),
        ("prices.txt", ("read_file", ("prices.txt",))),
        ("docs/a b.txt", ("read_file", ("docs/a b.txt",))),
        ("text.length", ("read_file", ("text.length",))),
        ("nobody.name", ("read_file", ("nobody.name",))),
        ("customer", ("read_file", ("customer",))),
    ],
)
def test_where_get_looks_in_the_database(text: str, query: tuple[str, tuple[Value, ...]]) -> None:
    seen: list[Any] = []
    player = Player(compile_script("t.bas", {"t.bas": f'customer = {{ a: 1 }}\ntext = "x"\nx = GET "{text}"\nTALK x'}))
    player.answer = lambda q: seen.append((q.name, q.arguments)) or QueryAnswered("found")  # type: ignore[method-assign,assignment,func-returns-value]
    player.run()
    assert seen == [query] and player.transcript == ["bot: found"]


def test_get_of_a_member_of_a_variable() -> None:
    source = """
    customer = { name: "Ada", tags: ["a", { k: 5 }] }
    x = GET "customer.name"
    y = GET("customer.tags[1].k")
    z = GET "Customer.nothing"
    TALK x & y & z
    """
    assert play(source) == ["bot: Ada5"]


def test_get_of_what_is_nowhere_asks_the_bot_server() -> None:
    source = 'x = GET "crm/contact"\nTALK x.name\ny = GET "kb:tea"'
    [request, second], done, player = asked(source, {"name": "Ada"}, 1, queries={"read_file": lambda _: None})
    assert (request.kind, request.payload) == ("GET", {"arguments": ["crm/contact"], "clauses": {}})
    assert second.payload == {"arguments": ["kb:tea"], "clauses": {}}
    assert request.deadline == player.now - timedelta(0) + timedelta(seconds=player.policy.keyword_seconds_max)
    assert done is not None and player.transcript == ["bot: Ada"]


def test_tools_of_the_web_are_asked_by_name() -> None:
    source = 'SET t = WEATHER("Recife", 2)\nCALL weather, "x"\nIF weather("y").rain THEN TALK "rain"\nTALK t.degrees'
    policy = Policy(tools_in_doubt={"weather": "park"})
    answers: list[Value] = [{"degrees": 29}, None, {"rain": True}]
    requests, done, player = asked(source, *answers, tools={"Weather": "http"}, policy=policy)
    assert done is not None and player.transcript == ["bot: rain", "bot: 29"]
    assert [(r.kind, r.payload, r.policy) for r in requests] == [
        ("http", {"tool": "weather", "arguments": arguments}, "park") for arguments in (["Recife", 2], ["x"], ["y"])
    ]


def test_conversations_in_files_fake_tools_by_name() -> None:
    givens = Givens()
    asks: dict[str, Value] = {"tool": "weather", "arguments": ["Recife"]}
    with pytest.raises(GivenFailure, match="add a line above: given http weather answers"):
        givens.answer("http", asks)
    givens.add(read_given('http weather answers {"degrees": 29}'))
    assert givens.answer("http", asks) == {"degrees": 29}


@pytest.mark.parametrize("name", ["get", "post", "put", "patch", "graphql", "headers"])
def test_the_words_may_be_variables(name: str) -> None:
    assert play(f"{name} = [1, 2]\nx = {name}[0] + {name}.length\nTALK x\ny = {name}\nTALK y") == [
        "bot: 3",
        "bot: [1,2]",
    ]


@pytest.mark.parametrize("source", ['POST TO INSTAGRAM user, "caption"', "GET STOCK item"])
def test_further_words_are_keywords_of_the_bot_server(source: str) -> None:
    [request], _, _ = asked(f"user = 1\nitem = 2\n{source}")
    assert request.kind != "http" and " " in request.kind


@pytest.mark.parametrize(
    ("source", "urls"),
    [
        ('x = GET("/a").rate + 1\nTALK x', ["/a"]),
        ('TALK GET("/a").rate + POST("/b", { n: 1 }).rate', ["/a", "/b"]),
        ('IF FALSE AND GET("/a").rate THEN TALK 1\nTALK GET("/b").rate + 1', ["/b"]),
        ('u = "/a"\nTALK "${GET(u).rate}"', ["/a"]),
        ('FOR i = 1 TO 2\nx = GET("/${i}").rate\nNEXT\nTALK x', ["/1", "/2"]),
    ],
)
def test_calls_inside_expressions(source: str, urls: list[str]) -> None:
    requests, done, _ = asked(source, {"rate": 1}, {"rate": 2})
    assert done is not None and done.failure is None
    assert [r.payload["url"] for r in requests if isinstance(r.payload, dict)] == urls
