"""The performer of language models against a real HTTP server: what is sent, what is read, what is asked again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest

from daemon.metrics import Metrics, create_metrics
from daemon.offered_tools import OfferedTool, ToolBook
from daemon.performers.llm import LlmPerformer
from daemon.performers.llm_wire import error_of, read_answer, wire_names
from daemon.performing import AttemptFailed, TakenRequest
from daemon.settings import SqlTool
from daemon.settings_world import Llm
from engine.values import check_value
from tests.daemon.chat_endpoint import ChatEndpoint, Say, chat_endpoint, completion

MODELS = {"speed": "small", "fast": "small", "Quality": "large"}
CREATE = OfferedTool("create", "sql", "Open a ticket.", {"type": "object"}, ("description", "priority"))
WEATHER = OfferedTool("Wetter in São Paulo", "script", "The weather.", {"type": "object"}, script="weather.bas")


def asked(**payload: Any) -> TakenRequest:
    """Return a request of kind llm."""
    payload.setdefault("messages", [{"role": "user", "content": "Hi"}])
    return TakenRequest(uuid4(), uuid4(), 1, uuid4(), None, "llm", payload, 1, None)


def performer(endpoint: ChatEndpoint, metrics: Metrics | None = None, **settings: Any) -> LlmPerformer:
    """Return a performer that asks the endpoint."""

    async def resolve(names: Sequence[str], bot_id: UUID) -> Sequence[OfferedTool]:
        known = {"create": CREATE, "weather": WEATHER}
        return [known[name] for name in names if name in known]

    given: dict[str, Any] = {"url": endpoint.url, "key": "s3cret", "model": "medium", "models": MODELS, **settings}
    return LlmPerformer(Llm(**given), metrics or create_metrics(), resolve)


async def answer(endpoint: ChatEndpoint, *says: Say, **payload: Any) -> dict[str, Any]:
    """Return what one attempt gives."""
    if says:
        endpoint.say(*says)
    asking = performer(endpoint)
    try:
        value = await asking.perform(asked(**payload))
    finally:
        await asking.close()
    assert isinstance(value, dict)
    check_value(value)
    return value


async def failure(endpoint: ChatEndpoint, say: Say | None = None, **settings: Any) -> AttemptFailed:
    """Return how one attempt fails."""
    if say:
        endpoint.say(say)
    asking = performer(endpoint, **settings)
    with pytest.raises(AttemptFailed) as caught:
        await asking.perform(asked())
    await asking.close()
    assert "s3cret" not in caught.value.message
    return caught.value


async def test_a_request_and_its_answer() -> None:
    metrics = create_metrics()
    async with chat_endpoint() as endpoint:
        asking, request = performer(endpoint, metrics), asked(temperature=0.5)
        value = await asking.perform(request)
        await asking.close()
    assert value == {
        "content": "Hello!",
        "tool_calls": [],
        "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
        "finish_reason": "stop",
        "model": "m-2026",
    }
    got = endpoint.got[0]
    assert got.path == "/v1/chat/completions"
    assert got.headers["authorization"] == "Bearer s3cret"
    assert got.headers["idempotency-key"] == str(request.id)
    assert got.body == {"model": "medium", "messages": [{"role": "user", "content": "Hi"}], "temperature": 0.5}
    assert asking.host_of(request) == "127.0.0.1"
    rendered = metrics.render()[0].decode()
    assert 'stepwell_llm_tokens_total{kind="prompt",model="medium"} 11.0' in rendered
    assert 'stepwell_llm_tokens_total{kind="completion",model="medium"} 7.0' in rendered
    assert 'stepwell_llm_attempts_total{outcome="answered"} 1.0' in rendered


@pytest.mark.parametrize(
    ("payload", "model"),
    [
        ({}, "medium"),
        ({"optimize_for": "speed"}, "small"),
        ({"optimize_for": "quality"}, "large"),
        ({"optimize_for": "cost"}, "medium"),
        ({"model": "FAST"}, "small"),
        ({"model": "llama-9"}, "llama-9"),
        ({"model": "llama-9", "optimize_for": "speed"}, "llama-9"),
    ],
)
async def test_which_model_is_asked(payload: dict[str, Any], model: str) -> None:
    async with chat_endpoint() as endpoint:
        await answer(endpoint, **payload)
    assert endpoint.got[0].body["model"] == model


async def test_what_else_is_sent() -> None:
    async with chat_endpoint() as endpoint:
        asking = performer(endpoint, model="", models={}, key="", answer_tokens_max=50)
        await asking.perform(asked(format="json", tool_choice="none"))
        await asking.perform(asked(max_tokens=9, colour="red"))
        await asking.close()
    first, second = (got.body for got in endpoint.got)
    assert first.keys() == {"messages", "max_tokens", "response_format"} and first["max_tokens"] == 50
    assert second.keys() == {"messages", "max_tokens"} and second["max_tokens"] == 9
    assert "authorization" not in endpoint.got[0].headers


async def test_tools_are_offered_and_called_over_two_rounds() -> None:
    async with chat_endpoint() as endpoint:
        calls = (("c1", "create", '{"Priority": 2, "description": "fire"}'), ("c2", "Wetter_in_S_o_Paulo", ""))
        value = await answer(endpoint, completion("One moment.", *calls), tools=["create", "weather", "unknown"])
        assert value["content"] == "One moment." and value["finish_reason"] == "tool_calls"
        create, weather = value["tool_calls"]
        assert create == {
            "id": "c1", "name": "create", "kind": "sql", "values": ["fire", 2],
            "arguments": {"Priority": 2, "description": "fire"},
        }  # fmt: skip
        assert weather == {
            "id": "c2", "name": "Wetter in São Paulo", "kind": "script", "script": "weather.bas", "arguments": {}
        }  # fmt: skip
        messages = [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": None, "tool_calls": [{k: create[k] for k in ("id", "name", "arguments")}]},
            {"role": "tool", "tool_call_id": "c1", "content": "7"},
        ]
        value = await answer(endpoint, completion("Ticket 7."), tools=["create", "weather"], messages=messages)
    assert value["content"] == "Ticket 7."
    first, second = (got.body for got in endpoint.got)
    assert first["tools"] == [
        {"type": "function", "function": {"name": "create", "description": "Open a ticket.", "parameters": {"type": "object"}}},
        {"type": "function",
         "function": {"name": "Wetter_in_S_o_Paulo", "description": "The weather.", "parameters": {"type": "object"}}},
    ]  # fmt: skip
    called = second["messages"][1]["tool_calls"][0]
    assert called["type"] == "function" and called["function"]["name"] == "create"
    assert json.loads(called["function"]["arguments"]) == {"Priority": 2, "description": "fire"}
    assert second["messages"][2] == messages[2]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("{not json", "no JSON"),
        ('{"description": NaN}', "NaN"),
        ("[1]", "must be a JSON object"),
        ('{"descripton": "x"}', "There is no parameter descripton; create takes description, priority."),
        ('{"description": 1e999}', "cannot be used"),
        ("[" * 100_000, "no JSON"),
    ],
)
async def test_arguments_that_cannot_be_read_are_the_models_to_mend(arguments: str, said: str) -> None:
    async with chat_endpoint() as endpoint:
        value = await answer(endpoint, completion(None, ("c1", "create", arguments)), tools=["create"])
    assert said in value["tool_calls"][0]["error"]


async def test_a_tool_that_was_not_offered_has_no_kind() -> None:
    async with chat_endpoint() as endpoint:
        value = await answer(endpoint, completion(None, ("", "erase\0", "{}")), tools=["create"])
    assert value["tool_calls"] == [{"id": "call_1", "name": "erase", "arguments": {}}]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("a\0b\ud800c", "ab\ufffdc"),
        ("\U0001f600", "\U0001f600"),
        ([{"type": "text", "text": "a"}, {"type": "image_url"}, {"type": "text", "text": "b"}], "ab"),
        (None, None),
        (17, None),
    ],
)
async def test_any_content_is_made_safe(content: Any, text: str | None) -> None:
    async with chat_endpoint() as endpoint:
        assert (await answer(endpoint, completion(content)))["content"] == text


async def test_a_refusal_of_the_model_is_what_it_says() -> None:
    async with chat_endpoint() as endpoint:
        assert (await answer(endpoint, completion(None, refusal="I cannot.")))["content"] == "I cannot."


@pytest.mark.parametrize(
    ("say", "again", "after", "said"),
    [
        (Say({"error": {"message": "slow down"}}, 429, {"Retry-After": "7"}), True, 7.0, "answered 429: slow down"),
        (
            Say({"error": {"message": "pay", "code": "insufficient_quota"}}, 429, {"Retry-After": "7"}),
            False,
            None,
            "pay",
        ),
        (Say({"error": "out of memory"}, 500), True, None, "answered 500: out of memory"),
        (Say(b"<h1>Bad\nGateway</h1>", 502), True, None, "answered 502: <h1>Bad Gateway</h1>"),
        (Say(b"", 503, {"Retry-After": "99999999"}), True, 86_400.0, "answered 503"),
        (Say({"error": {"message": "no such model"}}, 404), False, None, "answered 404: no such model"),
        (Say({"detail": "bad key"}, 401), False, None, "bad key; llm.key may be missing or wrong"),
        (Say({"message": "x" * 900}, 400), False, None, "x…"),
        (Say(b"", 307, {"Location": "http://127.0.0.1:1/"}), False, None, "redirects are not followed"),
        (Say(b"garbage"), False, None, "no JSON object of chat completions, but garbage"),
        (Say(b""), False, None, "nothing"),
        (Say([1]), False, None, "no JSON object"),
        (Say({"choices": []}), False, None, "an answer without choices"),
        (Say({"choices": [{"message": "x"}]}), False, None, "an answer without choices"),
        (Say({"error": {"message": "busy", "code": 503}}), True, None, "answered 503: busy"),
        (Say(b"[" * 200_000), False, None, "no JSON object"),
        (Say({"choices": []}, cut=True), True, None, "broke off"),
    ],
)
async def test_what_is_asked_again(say: Say, again: bool, after: float | None, said: str) -> None:
    async with chat_endpoint() as endpoint:
        failed = await failure(endpoint, say)
    assert (failed.again, failed.after_seconds, failed.kind) == (again, after, "llm")
    assert said in failed.message and "\n" not in failed.message and len(failed.message) < 700


async def test_a_silent_endpoint_is_asked_again() -> None:
    async with chat_endpoint() as endpoint:
        failed = await failure(endpoint, Say(hangs=True), timeout_seconds=0.1)
    assert failed.again and failed.kind == "timeout" and "within 0.1 seconds" in failed.message


async def test_an_endpoint_that_is_away_is_asked_again() -> None:
    async with chat_endpoint() as endpoint:
        pass
    failed = await failure(endpoint)
    assert failed.again and "cannot be reached" in failed.message


async def test_an_endless_answer_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daemon.performers.llm.ANSWER_BYTES_MAX", 1_000)
    async with chat_endpoint() as endpoint:
        failed = await failure(endpoint, completion("x" * 2_000))
    assert not failed.again and "larger than 1,000 bytes" in failed.message


async def test_what_cannot_be_sent_is_final(monkeypatch: pytest.MonkeyPatch) -> None:
    async with chat_endpoint() as endpoint:
        assert "llm.url" in (await failure(endpoint, url="")).message
        monkeypatch.setattr("daemon.performers.llm.REQUEST_BYTES_MAX", 10)
        failed = await failure(endpoint)
    assert not failed.again and "the prompt has" in failed.message and not endpoint.got


async def test_tools_that_cannot_be_looked_up_now_are_looked_up_again() -> None:
    async def away(names: Sequence[str], bot_id: UUID) -> Sequence[OfferedTool]:
        raise ConnectionError("the database is away")

    asking = LlmPerformer(Llm(url="http://127.0.0.1:1"), create_metrics(), away)
    with pytest.raises(AttemptFailed) as caught:
        await asking.perform(asked(tools=["create"]))
    assert caught.value.again and "the database is away" in caught.value.message


async def test_the_book_knows_the_configured_tools_and_the_scripts() -> None:
    async def find(bot_id: UUID, name: str) -> OfferedTool | None:
        return WEATHER if name == "weather" else None

    tools = {"Create": SqlTool(function="create_ticket", parameters=("description",), description="Open one.")}
    book = ToolBook(tools, find_script=find)
    create, weather = await book.resolve(["CREATE", "nothing", "create", "weather"], uuid4())
    assert (create.name, create.kind, create.description) == ("create", "sql", "Open one.")
    assert create.schema == {"type": "object", "properties": {"description": {}}} and create.parameters == (
        "description",
    )
    assert weather is WEATHER


def test_names_on_the_wire_are_unlike() -> None:
    tools = [OfferedTool(name, "sql") for name in ("à", "é", "x" * 80, "é")]
    assert list(wire_names(tools)) == ["_", "__2", "x" * 60, "__3"]


def test_arguments_of_a_tool_in_order() -> None:
    def values(parameters: tuple[str, ...], arguments: str) -> Any:
        tools = {"t": OfferedTool("t", "sql", parameters=parameters)}
        body = json.dumps(completion(None, ("c", "t", arguments)).body).encode()
        read: Any = read_answer(body, tools, "m")
        return read.value["tool_calls"][0]["values"]

    assert values(("a", "b", "c"), '{"b": 2}') == [None, 2]
    assert values(("a", "b"), '{"b": 2, "a": 1}') == [1, 2]
    assert values(("a",), "{}") == []
    assert values((), '{"x": 1, "y": 2}') == [1, 2]


def test_the_words_of_an_error() -> None:
    assert error_of(b'{"error": {"message": "a", "type": "t"}}') == ("a", "t")
    assert error_of(b'{"error": {"odd": 1}}') == ('{"odd": 1}', "")
    assert error_of(b'{"detail": [{"msg": "a"}]}')[0].startswith("[{")
    assert error_of(b"\xff\x00plain")[0] == "\ufffdplain"
    assert error_of(b"{}") == ("", "")
