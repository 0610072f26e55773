"""The .chat format: what it says, what is wrong with a file, and how a file is written anew."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.chat_entries import (
    BotSays,
    Ends,
    Entry,
    Fails,
    Remark,
    TimePasses,
    UserSays,
    differing,
    entry_lines,
    transcript,
)
from daemon.chats import ChatError, parse_chat, updated

WHOLE = """\
# An order.
script: order.bas
params: {"vip": true}
clock: 2026-11-25 09:00

bot: What would you like?
| We have bread.
|
[Bread] [Milk and honey]
user: Bread
after 10 minutes
bot:
fails: out of stock
"""


def test_every_kind_of_line_is_read() -> None:
    chat = parse_chat(WHOLE)
    assert chat.script == "order.bas"
    assert chat.params == {"vip": True}
    assert chat.clock == datetime(2026, 11, 25, 9, tzinfo=UTC)
    assert chat.entries == (
        BotSays("What would you like?\nWe have bread.\n", ("Bread", "Milk and honey")),
        UserSays("Bread"),
        TimePasses(timedelta(minutes=10), "after 10 minutes"),
        BotSays(""),
        Fails("out of stock"),
    )
    assert [entry.line for entry in chat.entries] == [6, 10, 11, 12, 13]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("bto: hello", "c:1: “bto:” begins no line of a conversation; did you mean bot:?"),
        ("bot hello", "c:1: “bot” begins no line of a conversation; after bot stands a colon: bot: text"),
        ("bot: a\nafter 3 fortnights", "c:2: fortnights is no unit of time"),
        ("bot: a\nafter 3 minuets", "c:2: minuets is no unit of time; did you mean minutes?"),
        ("bot: a\nafter a while", "c:2: after needs a number and a unit: after 10 minutes"),
        ("| more", "c:1: a line that begins with | goes on with a message"),
        ("user: a\n[Yes]", "c:2: buttons stand under a message of the bot"),
        ("bot: a\nscript: b.bas", "c:2: script: stands before the conversation"),
        ("script: a.bas\nscript: b.bas\nbot: a", "c:2: script: is there twice"),
        ("params: [1]\nbot: a", "c:1: params: must be a JSON object"),
        ("clock: soon\nbot: a", "c:1: clock: must be a date and a time"),
        ("ends\nbot: a", "c:2: nothing can follow the line that says how the script ends (line 1)"),
        ("# nothing", "c:1: there is no conversation in this file"),
        ("bot: a\nafter 99999 days", "c:2: no more than 200 years can pass at once"),
    ],
)
def test_a_mistake_has_its_line_and_a_sentence(text: str, said: str) -> None:
    with pytest.raises(ChatError) as caught:
        parse_chat(text, "c")
    assert str(caught.value).startswith(said)


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(ChatError) as caught:
        parse_chat("bto: a\nuser: b\nafter 3 moons\n", "c")
    assert len(caught.value.problems) == 2


lines = st.text(st.characters(blacklist_categories=["C", "Z"]), max_size=12).map(str.strip)
texts = st.lists(lines, min_size=1, max_size=3).map("\n".join)
labels = st.text(st.characters(whitelist_categories=["L", "N"]), min_size=1, max_size=6)
entries = st.one_of(
    st.builds(BotSays, texts, st.none() | st.lists(labels, min_size=1, max_size=3).map(tuple)),
    st.builds(UserSays, texts),
    st.integers(1, 99).map(lambda n: TimePasses(timedelta(hours=n), f"after {n} hours")),
)


@given(st.lists(entries, min_size=1, max_size=6), st.booleans())
def test_what_is_written_is_read_again(said: list[Entry], over: bool) -> None:
    written = [*said, Ends()] if over else said
    again = parse_chat("\n".join(transcript(written)))
    assert list(again.entries) == written
    assert differing(again.entries, written) is None


@given(st.text(max_size=80))
def test_any_text_is_a_conversation_or_a_chat_error(text: str) -> None:
    try:
        chat = parse_chat(text)
    except ChatError as error:
        assert all(problem.startswith("chat:") for problem in error.problems)
    else:
        assert chat.entries


def test_buttons_count_only_where_they_are_written() -> None:
    actual = [BotSays("Which?", ("Red", "Green"))]
    assert differing([BotSays("Which?")], actual) is None
    assert differing([BotSays("Which?", ("Red", "Green"))], actual) is None
    assert differing([BotSays("Which?", ("Red",))], actual) == 0
    assert differing([BotSays("Which?", ("Red",))], [BotSays("Which?")]) == 0


def test_blanks_at_the_ends_of_lines_do_not_count() -> None:
    assert differing(parse_chat("bot:   a\n|  b").entries, [BotSays("  a  \n b ")]) is None
    assert differing(parse_chat("bot: a\n|  b").entries, [BotSays("a\nb")]) == 0


def test_the_end_counts_only_where_it_is_written_and_a_failure_always() -> None:
    said = BotSays("a")
    assert differing([said], [said, Ends()]) is None
    assert differing([said, Ends()], [said]) == 1
    assert differing([said], [said, Fails("x")]) == 1
    assert differing([said, Fails("stock")], [said, Fails("a.bas:3: Out of stock (step 2)")]) is None
    assert differing([said], [said, Remark("nobody hears this")]) == 1


def test_writing_anew_changes_only_what_the_bot_says_otherwise() -> None:
    source = "# head\nparams: {}\n\nbot: old\n\n# why\nuser: hi\n# note\nbot: same\nafter 1 day\nbot: gone\nends\n"
    first: list[Entry] = [BotSays("new"), UserSays("hi"), BotSays("same", ("A",))]
    actual: list[Entry] = [*first, TimePasses(timedelta(1), ""), BotSays("b\nc"), Ends()]
    again = updated(parse_chat(source), actual)
    assert again == (
        "# head\nparams: {}\n\nbot: new\n\n# why\nuser: hi\n# note\nbot: same\nafter 1 day\nbot: b\n| c\nends\n"
    )
    assert differing(parse_chat(again).entries, actual) is None


def test_lines_of_an_entry_have_no_blank_at_their_end() -> None:
    assert entry_lines(BotSays("a \n\nb")) == ["bot: a", "|", "| b"]
