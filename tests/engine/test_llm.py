"""LLM and its tools on the bare engine: what is asked, in which turns, and what the script makes of the answers."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from engine.beginning import begin
from engine.codec import decode_plan, encode_plan
from engine.compiler import compile_script
from engine.effects import Query, Reply, Request
from engine.errors import CompileError
from engine.events import ChildEnded, Event, QueryAnswered, QueryFailed, RequestCompleted, RequestFailed, TimedOut
from engine.expressions import Moment
from engine.keywords.llm import Llm, Rewrite
from engine.policy import Policy
from engine.state import decode_state, encode_state
from engine.stepper import Continue, Done, Suspend, advance, deliver
from engine.values import Value
from engine.waits import ForChildren, ForRequest, deadline_of

NOW = datetime(2026, 3, 14, 9, 26, tzinfo=UTC)
Answer = Callable[[Query], Value]


class Conversation:
    """One execution: every turn's requests, replies and questions; every state stored and read again."""

    def __init__(
        self,
        *lines: str,
        tools: tuple[str, ...] = (),
        queries: dict[str, Answer] | None = None,
        rounds: int = 8,
        session: str = "",
        **scripts: str,
    ) -> None:
        sources = {"test.bas": "\n".join(lines), **{f"{name}.bas": text for name, text in scripts.items()}}
        self.plan = decode_plan(encode_plan(compile_script("test.bas", sources, tools=tools)))
        self.policy = Policy(llm_tool_rounds_max=rounds)
        self.queries = queries or {}
        self.moment = Moment(NOW, random.Random(7), ZoneInfo("UTC"), session)
        self.asked: list[tuple[str, tuple[Value, ...]]] = []
        self.requests: list[Request] = []
        self.said: list[str] = []
        self.turns = 0
        self.done: Done | None = None
        self.state = begin(self.plan)
        if tools:
            self.state.kept = {"tools": list(tools)}
        self.run()

    def run(self) -> None:
        self.turns += 1
        while True:
            result = advance(self.plan, self.state, self.moment, self.policy)
            for effect in result.effects:
                match effect:
                    case Request():
                        self.requests.append(effect)
                    case Reply(content=content):
                        self.said.append(content)
            self.state = decode_state(encode_state(result.state)) if isinstance(result, Suspend) else result.state
            match result:
                case Continue(query=Query() as query):
                    self.state = deliver(self.state, self.answer(query))
                case Done():
                    self.done = result
                    return
                case Suspend():
                    return

    def answer(self, query: Query) -> Event:
        self.asked.append((query.name, query.arguments))
        try:
            return QueryAnswered(self.queries[query.name](query))
        except LookupError as error:
            return QueryFailed(str(error))

    def tell(self, event: Event) -> Conversation:
        self.state = deliver(self.state, event)
        self.run()
        return self

    def model(self, content: str | None = None, *calls: dict[str, Any]) -> Conversation:
        """Let the model answer the last request."""
        value: dict[str, Any] = {"content": content, "tool_calls": list(calls), "finish_reason": "stop"}
        return self.tell(RequestCompleted(len(self.requests), value))

    @property
    def payload(self) -> dict[str, Any]:
        payload = self.requests[-1].payload
        assert isinstance(payload, dict)
        return payload

    @property
    def results(self) -> list[str]:
        """What the model has been told of its tools so far."""
        return [m["content"] for m in self.payload["messages"] if m["role"] == "tool"]


def call(name: str, kind: str | None = "sql", **arguments: Any) -> dict[str, Any]:
    """Return a tool call as the daemon hands it on."""
    return {"id": f"id-{name}", "name": name, "kind": kind, "arguments": arguments, "values": [*arguments.values()]}


def test_the_answer_is_trimmed_text() -> None:
    told = Conversation('x = LLM "Say hello" WITH OPTIMIZE FOR speed', "TALK x")
    assert told.payload == {"messages": [{"role": "user", "content": "Say hello"}], "optimize_for": "speed"}
    assert isinstance(told.state.wait, ForRequest) and told.state.wait.kind == "llm"
    assert told.model("  Hello!\n").said == ["Hello!"]
    assert told.turns == 2


@pytest.mark.parametrize("value", ["Hello!", {"content": " Hello! "}, {"content": "Hello!", "tool_calls": None}])
def test_whoever_answers_may_say_only_the_text(value: Value) -> None:
    assert Conversation("TALK LLM(1)").tell(RequestCompleted(1, value)).said == ["Hello!"]


@pytest.mark.parametrize(
    "value", [None, 5, [], {"tool_calls": [1]}, {"tool_calls": "x"}, {"tool_calls": [{"id": "1"}]}]
)
def test_an_answer_that_is_none_fails_with_a_sentence(value: Value) -> None:
    told = Conversation('x = LLM "a"').tell(RequestCompleted(1, value))
    assert told.done and told.done.failure
    assert "language model" in told.done.failure.message or "LLM" in told.done.failure.message


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ('x = LLM "a" WITH OPTIMIZE FOR "quality"', {"optimize_for": "quality"}),
        ('x = LLM "a" OPTIMIZED FOR Cost', {"optimize_for": "cost"}),
        ('x = LLM "a" WITH MODEL "m" TEMPERATURE 0.2 MAX TOKENS 20', {"model": "m", "temperature": 0.2, "max_tokens": 20}),
        ('x = LLM("a") WITH model = "m", temperature = 1, max_tokens = "7"', {"model": "m", "temperature": 1, "max_tokens": 7}),
        ('x = LLM "a" USING "m"', {"model": "m"}),
        ('x = LLM "a" WITH MAX_COST 0.05 MAX_LATENCY 300', {"optimize_for": "cost"}),
        ('x = LLM "a" WITH MAX_LATENCY 300', {"optimize_for": "speed"}),
        ('x = LLM "a" AS JSON', {"format": "json"}),
        ('x = LLM "a" AS TEXT', {}),
        ('LLM "a"', {}),
        ('LLM("a")', {}),
        ('USE MODEL "fast"\nx = LLM "a"', {"model": "fast"}),
        ('USE_MODEL("fast")\nx = LLM "a" WITH MODEL "slow"', {"model": "slow"}),
        ('USE MODEL fast\nx = LLM "a"', {"model": "fast"}),
        ('USE MODEL "fast"\nUSE MODEL ""\nx = LLM "a"', {}),
    ],
)  # fmt: skip
def test_options(statement: str, expected: dict[str, Value]) -> None:
    payload = Conversation(statement).payload
    assert payload.pop("messages") == [{"role": "user", "content": "a"}]
    assert payload == expected


@pytest.mark.parametrize(
    ("script", "messages"),
    [
        ('SYSTEM PROMPT "Be brief"\nx = LLM "a"', [("system", "Be brief"), ("user", "a")]),
        ('SET SYSTEM PROMPT = "Be brief"\nx = LLM "a"', [("system", "Be brief"), ("user", "a")]),
        ('who = "Ana"\nBEGIN SYSTEM PROMPT\nServe ${who}.\nBe kind.\nEND SYSTEM PROMPT\nx = LLM "a"',
         [("system", "Serve Ana.\nBe kind."), ("user", "a")]),
        ('SYSTEM PROMPT "Be brief"\nCLEAR SYSTEM PROMPT\nx = LLM "a"', [("user", "a")]),
        ('SYSTEM PROMPT "Be brief"\nx = LLM "a" WITH SYSTEM PROMPT "Be long"', [("system", "Be long"), ("user", "a")]),
        ('SET CONTEXT "city" AS "Recife"\nSYSTEM PROMPT "Be brief"\nx = LLM "a"',
         [("system", "Be brief\n\ncity: Recife"), ("user", "a")]),
        ('x = LLM "a" WITH CONTEXT {"k": 1}', [("user", 'a\n\n{"k":1}')]),
        ('x = LLM "a", "b"', [("user", "a\n\nb")]),
        ('x = LLM("a", "b")', [("user", "a\n\nb")]),
        ('x = LLM [{role: "user", content: "hi"}, {role: "assistant", content: "ho"}], "and?"',
         [("user", "hi"), ("assistant", "ho"), ("user", "and?")]),
    ],
)  # fmt: skip
def test_messages(script: str, messages: list[tuple[str, str]]) -> None:
    payload = Conversation(script).payload
    assert [(m["role"], m["content"]) for m in payload["messages"]] == messages


def test_rewrite_has_an_instruction_of_its_own() -> None:
    told = Conversation('SYSTEM PROMPT "Speak like a pirate"', 'x = REWRITE "we is open"', "TALK x", tools=("create",))
    system, user = told.payload["messages"]
    assert system["role"] == "system" and "Rewrite" in system["content"] and "pirate" not in system["content"]
    assert user == {"role": "user", "content": "we is open"} and "tools" not in told.payload
    assert told.model("We are open.").said == ["We are open."]


@pytest.mark.parametrize(
    ("statement", "steps"),
    [
        ('y = LLM("a") + LLM("b")', [Llm, Llm]),
        ('y = TRIM(LLM("a"))', [Llm]),
        ('TALK "so: " + REWRITE("a")', [Rewrite]),
        ('y = LLM("a" + "b")', [Llm]),
        ('y = LLM ("a") + "b"', [Llm]),
        ("LLM = 3", []),
        ("model = 3\ntemperature = model", []),
    ],
)
def test_calls_inside_expressions(statement: str, steps: list[type]) -> None:
    plan = compile_script("test.bas", {"test.bas": statement})
    assert [type(s) for s in plan.steps.values() if isinstance(s, Llm | Rewrite)] == steps
    told = Conversation('y = LLM("a") + LLM("b")', "TALK y")
    assert told.model("1").model("2").said == ["12"]


@pytest.mark.parametrize(
    ("statement", "complaint"),
    [
        ('x = LLM "a" AS HTML', "text or JSON"),
        ('x = LLM "a" WITH colour = 3', "no option colour"),
    ],
)
def test_what_cannot_be_meant_is_refused(statement: str, complaint: str) -> None:
    with pytest.raises(CompileError, match=complaint):
        compile_script("test.bas", {"test.bas": statement})


@pytest.mark.parametrize(
    ("statement", "complaint"),
    [
        ('x = LLM "a" WITH TEMPERATURE 9', "TEMPERATURE of LLM lies between"),
        ('x = LLM "a" WITH MAX TOKENS 0', "MAX TOKENS of LLM lies between"),
        ('x = LLM "a" TIMEOUT 0', "TIMEOUT"),
        ('x = LLM "  "', "the prompt is empty"),
    ],
)
def test_what_cannot_be_asked_is_a_script_error(statement: str, complaint: str) -> None:
    told = Conversation("TRY", statement, "CATCH e", "TALK e", "END TRY")
    assert len(told.said) == 1 and complaint in told.said[0] and not told.requests


def test_as_json() -> None:
    script = ('x = LLM "a" AS JSON', "TALK x.city")
    assert Conversation(*script).model('{"city": "Recife"}').said == ["Recife"]
    assert Conversation(*script).model('```json\n{"city": "Recife"}\n```').said == ["Recife"]
    failed = Conversation(*script).model("It is Recife.").done
    assert failed and failed.failure and "is no JSON" in failed.failure.message


def test_a_failing_endpoint_can_be_caught() -> None:
    told = Conversation("ON ERROR RESUME NEXT", 'x = LLM "a"', 'TALK "after: ${error}"')
    assert told.tell(RequestFailed(1, "The model is gone.")).said == ["after: The model is gone."]


def test_a_deadline_holds_for_all_rounds() -> None:
    told = Conversation(
        "TRY", 'x = LLM "a" TIMEOUT 2 MINUTES', "CATCH e", "TALK e", "END TRY",
        tools=("create",), queries={"tool:create": lambda q: 7},
    )  # fmt: skip
    assert deadline_of(told.state.wait) == NOW + timedelta(minutes=2) == told.requests[0].deadline
    told.model(None, call("create"))
    assert told.requests[1].deadline == NOW + timedelta(minutes=2)
    assert told.tell(TimedOut()).said == ["the language model did not answer in time"]


def test_a_tool_of_the_database_runs_in_the_turn_that_asks_again() -> None:
    told = Conversation(
        'x = LLM "My printer burns"', "TALK x", tools=("create",), queries={"tool:create": lambda q: {"ticket": 42}}
    )
    assert told.payload["tools"] == ["create"]
    told.model("Let me see.", call("create", description="printer on fire"))
    assert told.asked == [("tool:create", ("printer on fire",))]
    assert told.turns == 2 and len(told.requests) == 2, "the tool and the next request are one turn"
    said, result = told.payload["messages"][1:]
    wanted = {"id": "id-create", "name": "create", "arguments": {"description": "printer on fire"}}
    assert said == {"role": "assistant", "content": "Let me see.", "tool_calls": [wanted]}
    assert result == {"role": "tool", "tool_call_id": "id-create", "content": '{"ticket":42}'}
    assert told.model("Ticket 42 it is.").said == ["Ticket 42 it is."]


def test_several_calls_run_one_after_the_other() -> None:
    told = Conversation(
        'x = LLM "a"', "TALK x", tools=("create", "rate", "search"),
        queries={"tool:create": lambda q: len(told.asked)},
    )  # fmt: skip
    told.model(
        None, call("create", a=1), call("rate", "http", city="Recife"), call("search", "mcp"), call("create", a=2)
    )
    assert told.requests[1].kind == "http" and told.payload == {"tool": "rate", "arguments": {"city": "Recife"}}
    told.tell(RequestCompleted(2, 5.25))
    assert told.requests[2].kind == "mcp" and told.payload == {"tool": "search", "arguments": {}}
    told.tell(RequestFailed(3, "The server is gone."))
    assert told.results == ["1", "5.25", '{"error":"The server is gone."}', "2"]
    assert [a for _, a in told.asked] == [(1,), (2,)]
    assert told.model("Done").said == ["Done"]


@pytest.mark.parametrize(
    ("called", "told_so"),
    [
        (call("create", description="x"), "no room"),
        (call("erase"), "There is no tool erase. There are: create."),
        ({**call("create"), "error": "The arguments are no JSON."}, "The arguments are no JSON."),
        ({"name": "create", "arguments": ["a"]}, "no room"),
    ],
)
def test_an_error_of_a_tool_is_told_to_the_model(called: dict[str, Any], told_so: str) -> None:
    def refuse(query: Query) -> Value:
        raise LookupError("no room")

    told = Conversation('x = LLM "a"', "TALK x", 'IF ERROR THEN TALK "an error"', tools=("create",),
                        queries={"tool:create": refuse})  # fmt: skip
    told.model(None, called)
    assert told.results == ['{"error":"' + told_so + '"}']
    assert told.model("Sorry.").said == ["Sorry."]


def test_a_model_must_answer_in_the_end() -> None:
    told = Conversation('x = LLM "a"', tools=("create",), queries={"tool:create": lambda q: 1}, rounds=2)
    told.model(None, call("create"))
    assert "tool_choice" not in told.payload
    told.model(None, call("create"))
    assert told.payload["tool_choice"] == "none"
    told.model(None, call("create"))
    assert len(told.asked) == 2
    assert told.done and told.done.failure and "called tools 2 times" in told.done.failure.message


def test_a_script_of_the_plan_is_a_tool_in_this_conversation() -> None:
    weather = 'PARAM city AS STRING\nTALK "Looking at ${city}"\nRETURN {"degrees": 31}'
    told = Conversation(
        'x = LLM "a"', "TALK x", 'IF FALSE THEN CALL "weather.bas"', tools=("weather",), weather=weather
    )
    told.model(None, {**call("weather", "script", city="Recife"), "script": "weather.bas"})
    assert told.said == ["Looking at Recife"] and told.results == ['{"degrees":31}']
    assert told.model("Hot.").said[1:] == ["Hot."]


def test_a_script_that_is_offered_by_name_is_part_of_the_plan() -> None:
    told = Conversation('USE TOOL "weather"', 'x = LLM "a"', "TALK x", weather="PARAM city\nRETURN city")
    assert "weather.bas" in told.plan.procedures and told.payload["tools"] == ["weather"]
    told.model(None, {**call("weather", "script", city="Recife"), "script": "weather.bas"})
    assert told.results == ["Recife"] and not told.asked


def test_a_failing_script_is_told_to_the_model() -> None:
    told = Conversation('x = LLM "a"', "TALK x", 'IF FALSE THEN CALL "weather.bas"', 'IF ERROR THEN TALK "an error"',
                        tools=("weather",), weather='x = 1\nTHROW "no weather today"')  # fmt: skip
    told.model(None, {**call("weather", "script"), "script": "weather.bas"})
    assert told.results == ['{"error":"no weather today"}']
    assert told.model("Sorry.").said == ["Sorry."] and len(told.state.frames) == 1


def test_a_script_that_waits_waits() -> None:
    told = Conversation(
        'x = LLM "a"', "TALK x", 'IF FALSE THEN CALL "ask.bas"', tools=("ask",), ask='RETURN LLM("inner")'
    )
    told.model(None, {**call("ask", None), "script": ""})
    assert told.payload["messages"] == [{"role": "user", "content": "inner"}]
    told.model("within")
    assert told.results == ["within"]
    assert told.model("Done").said == ["Done"]


def test_a_script_outside_of_the_plan_is_a_child() -> None:
    told = Conversation('x = LLM "a"', "TALK x", tools=("weather",), queries={"start_child": lambda q: len(told.asked)})
    both = {**call("weather", "script", City="Recife"), "script": "weather.bas"}
    told.model(None, both, both)
    assert told.asked == [("start_child", ("weather.bas", {"city": "Recife"}, ""))]
    assert told.state.wait == ForChildren((1,))
    told.tell(ChildEnded(1, "completed", {"degrees": 31}))
    assert told.state.wait == ForChildren((2,))
    told.tell(ChildEnded(2, "failed", None, "no such city"))
    assert told.results == ['{"degrees":31}', '{"error":"no such city"}']
    assert told.model("Hot.").said == ["Hot."]


def test_the_session_says_which_tools_there_are() -> None:
    told = Conversation(
        'x = LLM "a"', session="s", queries={"get_session_variable": lambda q: ["Create"], "tool:create": lambda q: 3}
    )
    assert told.payload["tools"] == ["create"]
    told.model(None, call("create"))
    assert told.results == ["3"]
    assert (
        "tools"
        not in Conversation('x = LLM "a"', session="s", queries={"get_session_variable": lambda q: None}).payload
    )


def test_a_long_result_is_cut() -> None:
    told = Conversation('x = LLM "a"', tools=("create",), queries={"tool:create": lambda q: "x" * 60_000})
    told.model(None, call("create"))
    assert len(told.results[0]) < 50_100 and told.results[0].endswith("[cut: the result has 60,000 characters]")


def test_a_tool_of_an_mcp_server_is_a_request() -> None:
    plan = compile_script("test.bas", {"test.bas": 'x = plus(1, "b")\nTALK x'}, tools={"plus": "mcp"})
    policy, moment = Policy(), Moment(NOW, random.Random(7), ZoneInfo("UTC"), "")
    asked = advance(plan, begin(plan), moment, policy)
    assert isinstance(asked, Suspend)
    (request,) = asked.effects
    assert isinstance(request, Request)
    assert (request.kind, request.payload) == ("mcp", {"tool": "plus", "arguments": [1, "b"]})
    done = advance(plan, deliver(asked.state, RequestCompleted(1, 5)), moment, policy)
    assert isinstance(done, Done) and done.effects == (Reply("5"),)
