"""What a conversation says of the world outside: answers to requests, and what must be asked."""

from __future__ import annotations

import pytest

from daemon.chat_entries import (
    BotSays,
    Decides,
    Ends,
    Entry,
    Publishes,
    UserSays,
    compared,
    differing,
    entry_lines,
    staged,
)
from daemon.chat_givens import (
    Asks,
    Given,
    GivenFailure,
    Givens,
    NeverAnswered,
    Unreadable,
    asked_of,
    asks_agree,
    read_asks,
    read_given,
)
from daemon.chats import ChatError, parse_chat, updated
from engine.values import Value


def http(method: str, url: str, body: Value = None, expect: str = "body") -> dict[str, Value]:
    return {"method": method, "url": url, "headers": {}, "body": body, "expect": expect}


@pytest.mark.parametrize(
    ("line", "given"),
    [
        ('http GET /rate answers {"rate": 5.25}', Given("http", "GET /rate", {"rate": 5.25})),
        ('http POST /orders answers 201 {"id": 7}', Given("http", "POST /orders", {"id": 7}, 201)),
        ("http GET /gone answers 404", Given("http", "GET /gone", None, 404)),
        ("http GET /page answers <p>so</p>", Given("http", "GET /page", "<p>so</p>")),
        ("http GET /x fails: no such host", Given("http", "GET /x", error="no such host")),
        ("llm answers A short summary", Given("llm", "", "A short summary")),
        ('llm "what answers you" answers "7"', Given("llm", "what answers you", "7")),
        ('mail answers {"sent": true}', Given("mail", "", {"sent": True})),
        ("mail ana@example.com fails", Given("mail", "ana@example.com", error="refused")),
        ('SEND FILE answers {"url": "https://x"}', Given("SEND FILE", "", {"url": "https://x"})),
        ("SEND SMS never answers", Given("SEND SMS", "", never=True)),
        ("GENERATE_PDF invoice answers 3", Given("GENERATE PDF", "invoice", 3)),
    ],
)
def test_a_given_is_read(line: str, given: Given) -> None:
    assert read_given(line) == given


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("http GET /rate", "given needs answers or fails"),
        ("htpt GET /rate answers 1", "“htpt” is no kind of request"),
        ("http GET /rate answers {rate: 1}", "this answer is no JSON"),
    ],
)
def test_a_given_that_says_nothing_is_a_sentence(line: str, said: str) -> None:
    with pytest.raises(Unreadable, match=said):
        read_given(line)
    with pytest.raises(ChatError, match=rf"c:2: {said}"):
        parse_chat(f"bot: a\ngiven {line}\n| more\nbot: b", "c")


def givens(*lines: str) -> Givens:
    known = Givens()
    for line in lines:
        known.add(read_given(line))
    return known


@pytest.mark.parametrize(
    ("pattern", "fits"),
    [
        ("GET https://api.example.com/rate", True),
        ("GET https://api.example.com/rate?to=EUR", True),
        ("GET https://api.example.com/*", True),
        ("get /rate", True),
        ("https://api.example.com/rate", True),
        ("* */rate", True),
        ("", True),
        ("POST https://api.example.com/rate", False),
        ("GET https://api.example.com/rates", False),
        ("GET /rate?to=USD", False),
    ],
)
def test_an_address_fits_a_pattern(pattern: str, fits: bool) -> None:
    known = givens(f"http {pattern} answers 1 ")
    request = http("GET", "https://api.example.com/rate?to=EUR")
    if fits:
        assert known.answer("http", request) == 1
    else:
        with pytest.raises(GivenFailure, match="nothing here answers http GET https:"):
            known.answer("http", request)


def test_answers_with_one_pattern_come_in_turn_and_the_last_repeats() -> None:
    known = givens("http GET /x answers 1", "http GET /x answers 2", "http GET * answers 9")
    answers = [known.answer("http", http("GET", "https://a/x")) for _ in range(3)]
    assert answers == [1, 2, 2]
    known.add(read_given("http GET /x answers 3"))
    assert known.answer("http", http("GET", "https://a/x")) == 3
    assert known.answer("http", http("GET", "https://a/y")) == 9


def test_an_answer_has_the_shape_of_its_kind() -> None:
    known = givens('http answers 201 {"id": 7}', "llm answers Hello", "mail answers", "SEND FILE answers 5")
    assert known.answer("http", http("POST", "/o", expect="body")) == {"id": 7}
    assert known.answer("http", http("POST", "/o", expect="envelope")) == {
        "status": 201,
        "statusText": "Created",
        "headers": {},
        "data": {"id": 7},
    }
    assert known.answer("llm", {"prompt": "x"}) == {"content": "Hello", "tool_calls": []}
    assert known.answer("mail", {}) == {"sent": True}
    assert known.answer("SEND FILE", {}) == 5


def test_what_is_never_answered_is_waited_for() -> None:
    with pytest.raises(NeverAnswered):
        givens("SEND SMS never answers").answer("SEND SMS", {"arguments": []})


def test_a_status_of_failure_fails_only_where_the_body_is_asked_for() -> None:
    known = givens("http answers 404 gone")
    with pytest.raises(GivenFailure, match="GET /x answered 404 Not Found"):
        known.answer("http", http("GET", "/x"))
    envelope = known.answer("http", http("GET", "/x", expect="envelope"))
    assert isinstance(envelope, dict) and envelope["status"] == 404 and envelope["data"] == "gone"


MAIL: dict[str, Value] = {"to": ["ana@example.com", "bo@example.com"], "subject": "Tea: now", "body": "Dear Ana\nyours"}


@pytest.mark.parametrize(
    ("kind", "payload", "line", "agree"),
    [
        ("http", http("POST", "https://a.b/o", {"a": 1, "b": 2}), 'http POST /o {"b": 2, "a": 1}', True),
        ("http", http("POST", "https://a.b/o", {"a": 1}), "http POST /o", True),
        ("http", http("POST", "https://a.b/o", {"a": 1}), 'http POST /o {"a": 2}', False),
        ("http", http("POST", "https://a.b/o"), "http GET /o", False),
        ("mail", MAIL, "mail ana@example.com, bo@example.com: Tea: now", True),
        ("mail", MAIL, "mail ana@*: Tea*", True),
        ("mail", MAIL, "mail ana@example.com: Tea: now", False),
        ("mail", MAIL, "mail ana@*", True),
        ("mail", MAIL, "mail", True),
        ("mail", MAIL, "mail *: Tea: now\nDear Ana\nyours", True),
        ("mail", MAIL, "mail *: Tea: now\nDear Bo", False),
        ("llm", {"messages": [{"role": "user", "content": "Sum up\nthis"}]}, "llm up this", True),
        ("llm", {"prompt": "Sum up"}, "llm down", False),
        ("SEND FILE", {"arguments": ["a.pdf", 3]}, 'SEND FILE "a.pdf", 3', True),
        ("SEND FILE", {"arguments": ["a.pdf", 3]}, "SEND FILE b.pdf", False),
        ("SEND FILE", {"arguments": []}, "mail", False),
    ],
)
def test_what_is_asked_is_compared(kind: str, payload: dict[str, Value], line: str, agree: bool) -> None:
    asked = asked_of(kind, payload)
    assert asks_agree(read_asks(line), asked) == agree
    assert asks_agree(asked, asked), "what is written down by --update agrees with itself"
    [again] = parse_chat("\n".join(entry_lines(asked))).entries
    assert isinstance(again, Asks) and asks_agree(again, asked)


WHOLE = """\
given mail answers
user: a
given http /a answers 1
bot: A
given http /a answers
| {"n":
|  2}
user: b
bot: B
event "order paid" {"euros": 3}
event shut
approve by ana@example.com: as we said
reject
"""


def test_lines_about_the_world_are_read_and_written() -> None:
    entries = parse_chat(WHOLE).entries
    assert entries[-4:] == (
        Publishes("order paid", {"euros": 3}),
        Publishes("shut"),
        Decides(True, "ana@example.com", "as we said"),
        Decides(False),
    )
    assert [line for e in entries[-4:] for line in entry_lines(e)] == WHOLE.splitlines()[-4:]


def test_an_answer_counts_from_the_turn_it_stands_in_and_behind_its_end_from_the_next() -> None:
    stages = list(staged(parse_chat(WHOLE).entries))
    assert [(type(driver).__name__, [g.value for g in given]) for driver, given in stages[:3]] == [
        ("NoneType", [None]),
        ("UserSays", [1]),
        ("UserSays", [{"n": 2}]),
    ]


def test_requests_are_compared_only_where_the_author_speaks_of_their_kind() -> None:
    actual: list[Entry] = [UserSays("a"), Asks("mail", "a@b.c: x"), Asks("http", "GET /x"), BotSays("A"), Ends()]
    silent = parse_chat("given mail answers\nuser: a\nbot: A").entries
    telling = parse_chat("user: a\nasks mail a@b.c: x\nbot: A").entries
    assert differing(*compared(silent, actual)) is None
    assert differing(*compared(telling, actual)) is None
    assert differing(*compared(telling, [e for e in actual if not isinstance(e, Asks)])) == 1


def test_what_the_world_answers_survives_an_update() -> None:
    text = (
        "given llm answers 1\nuser: a\n# so\nbot: A\ngiven mail\n| answers\nbot: B\ngiven http /x answers 1\nuser: b\n"
    )
    chat = parse_chat(text)
    now: list[Entry] = [UserSays("a"), BotSays("C"), BotSays("D"), UserSays("b")]
    assert updated(chat, now) == (
        "given llm answers 1\nuser: a\n# so\ngiven mail\n| answers\nbot: C\nbot: D\ngiven http /x answers 1\nuser: b\n"
    )
