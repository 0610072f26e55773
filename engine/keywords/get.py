"""GET: one word for reading, whose text says where: the web, the session, a variable, a file, the bot server."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar, Self, cast

from engine.effects import Query, Request
from engine.errors import ScriptError
from engine.events import QueryAnswered, RequestCompleted, TimedOut
from engine.expressions import Expression
from engine.file_tables import is_table_name, joined_rows, rows_of_file, rows_of_table
from engine.members import get_index
from engine.steps import Ask, Await, Here, Move, Resumed, Step, Target, Written
from engine.values import Value, to_text
from engine.waits import ForRequest
from engine.web_requests import ask_web, is_address, timeout_of, timeout_seconds, too_late

SCOPES = ("session", "user")
_MEMBER = re.compile(r"([^\W\d]\w*)((?:\.\w+|\[\d+\])+)")
_PART = re.compile(r"\.(\w+)|\[(\d+)\]")
_FILE = "file"  # the memo while the bot's files are asked


@dataclass(frozen=True, slots=True)
class Get(Step):
    """Read something by its name: `x = GET "https://…"`, `GET "/path"`, `GET "session.k"`, `GET "order.id"`,
    `GET "prices.csv"`.

    `http(s)://` is the web and `/path` the configured base: JSON is parsed, anything else is text (what is no text, a
    `data:` address), and a status that is no success is a script error. `session.k` and `user.k` are variables of the
    session, absent is NULL. `name.member` is a member of a variable of this script that is an object or a list.
    Anything else is a file of the bot; where there is none, it is a request to the bot server. `… HEADERS object` and
    `… TIMEOUT n [SECONDS]` are for the web.

    ```basic
    SET "session.city", "Recife"
    city = GET "session.city"
    order = { "id": 7 }
    id = GET "order.id"
    weather = GET "https://weather.example.com/cities/${city}?days=1"
    TALK "Order ${id} arrives in ${city} at ${weather.degrees} degrees."
    TRY
        GET "/nowhere"
    CATCH e
        TALK e
    END TRY
    ```
    ```chat
    given http GET https://weather.example.com/cities/* answers {"degrees": 29}
    given http GET /nowhere answers 404
    bot: Order 7 arrives in Recife at 29 degrees.
    bot: GET /nowhere answered 404 Not Found
    ```
    """

    text: Expression
    headers: Expression | None
    timeout: Expression | None
    unit_seconds: int
    into: Target | None

    HEADS: ClassVar[tuple[str, ...]] = ("GET",)
    GRAMMAR: ClassVar[str] = """
        get: "GET"i expression http_clause*
    """
    RESULT: ClassVar[bool] = True

    @classmethod
    def build(cls, written: Written) -> Self:
        parsed = written.parsed
        timeout, unit = timeout_of(parsed)
        return cls(
            written.place,
            parsed.expressions()[0],
            parsed.expression_of("http_headers"),
            timeout,
            unit,
            written.into,
        )

    def run(self, here: Here) -> Move:
        match here.why:
            case Resumed(event=QueryAnswered(value=value)) if here.memo is not None:
                return self.read(here, here.memo, value)
            case Resumed(event=QueryAnswered(value=value) | RequestCompleted(value=value)):
                return here.into(self.into, value)
            case Resumed(event=TimedOut()):
                raise too_late(f"GET {self.text.text}", self.seconds(here))
            case _:
                return self.look(here, to_text(here.value(self.text)).strip())

    def look(self, here: Here, text: str) -> Move:
        """Return the move that reads what a text names."""
        if is_address(text):
            headers = here.value(self.headers) if self.headers else None
            seconds = timeout_seconds(here, self.timeout, self.unit_seconds)
            return ask_web(here, "GET", text, envelope=False, headers=headers, seconds=seconds)
        scope, dot, name = text.partition(".")
        if dot and scope.lower() in SCOPES:
            if not name:
                raise ScriptError('a session variable needs a name, for example "session.city"')
            return Ask(Query("get_session_variable", (name,)))
        found, value = member_of_variable(here, text)
        if found:
            return here.into(self.into, value)
        if not text:
            raise ScriptError('GET needs a text that says what to read, for example "session.city".')
        if ":" in text:  # no name of a file
            return self.ask_bot_server(here)
        return Ask(Query("read_file", (text,)), memo=_FILE)

    def read(self, here: Here, memo: Value, value: Value) -> Move:
        """Return what comes after a question of a file: of the table of its name, then of its rows."""
        name = to_text(here.value(self.text)).strip()
        match memo:
            case str() if is_table_name(name):
                return Ask(rows_of_table(name.lower()), memo=[value])
            case [_] if value is not None:
                return Ask(rows_of_file(name), memo={"table": value})
            case [content]:
                value = content
            case {"table": saved}:
                return here.into(self.into, cast(Value, joined_rows(value, saved)))
        return self.ask_bot_server(here) if value is None else here.into(self.into, value)

    def seconds(self, here: Here) -> float:
        """Return how long the bot server, or the web, may take."""
        seconds = timeout_seconds(here, self.timeout, self.unit_seconds)
        return here.policy.keyword_seconds_max if seconds is None else seconds

    def ask_bot_server(self, here: Here) -> Move:
        """Return the request of a text that names none of ours."""
        deadline = here.now + timedelta(seconds=self.seconds(here))
        payload: Value = {"arguments": [to_text(here.value(self.text)).strip()], "clauses": {}}
        return Await(ForRequest("GET", deadline=deadline), (Request("GET", payload, deadline=deadline),))


def member_of_variable(here: Here, text: str) -> tuple[bool, Value]:
    """Return whether a text is `name.member` of a variable that has members, and the member's value."""
    match = _MEMBER.fullmatch(text)
    value = here.lookup(match[1].lower()) if match else None
    if match is None or not isinstance(value, dict | list):
        return False, None
    for part in _PART.finditer(match[2]):
        value = get_index(value, part[1] if part[1] is not None else int(part[2]))
    return True, value
