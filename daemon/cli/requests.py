"""`stepwell requests`: what scripts ask of the world and nobody has answered, and what to do about it."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias
from uuid import UUID

import msgspec
from cyclopts import Parameter
from rich.table import Table
from rich.text import Text

from daemon.cli.database import Stores, ask
from daemon.cli.exits import OK, WRONG, CommandError
from daemon.cli.options import NO_OPTIONS, Options
from daemon.cli.output import ago, cut, open_console, plural, span, write_json
from daemon.rows import RequestOutcome
from daemon.store_open_requests import OpenRequest
from engine.values import Value

Action: TypeAlias = Literal["list", "retry", "complete", "fail"]
StatusName: TypeAlias = Literal["pending", "taken", "in_doubt"]
ID_CHARACTERS = 8
COLORS = {"in_doubt": "bold red", "taken": "cyan"}
ENDS_AS = {"retry": "pending", "complete": "done", "fail": "failed"}


def requests(
    action: Action = "list",
    id: str = "",
    answer: str = "",
    *,
    status: Annotated[list[StatusName] | None, Parameter(negative=(), help="Only these (may be repeated).")] = None,
    kind: Annotated[str | None, Parameter(help='Only requests of this kind: http, mail, "SEND FILE".')] = None,
    execution: Annotated[UUID | None, Parameter(help="Only requests of this conversation.")] = None,
    limit: Annotated[int, Parameter(help="How many, those in doubt first, then the oldest.")] = 50,
    json: Annotated[bool, Parameter(negative=(), help="Print JSON.")] = False,
    options: Options = NO_OPTIONS,
) -> int:
    """List what scripts ask of the world and nobody has answered yet, or end the doubt about one of them.

    A request is in doubt if an attempt was cut short and it must not be repeated unseen: look whether it had its
    effect, then retry it, complete it, or let it fail.

    Parameters
    ----------
    action
        list; retry (again, under the same key), complete (answer it yourself), fail (an error of the script).
    id
        For the actions: the id of the request, or as much of its beginning as only it has.
    answer
        For complete the answer, as JSON; for fail the reason that the script gets.
    """
    if action != "list":
        return _act(action, id, answer, options, json=json)
    found = ask(
        options,
        lambda stores: stores.requests.list_open(
            statuses=status, kind=kind, execution_id=execution, limit=max(1, limit)
        ),
    )
    if json:
        write_json([msgspec.to_builtins(request) for request in found])
    else:
        _print(found)
    return OK


def _print(found: list[OpenRequest]) -> None:
    console = open_console()
    if not found:
        console.print("No request is waiting for its answer.")
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("id", "kind", "status", "script", "attempts"):
        table.add_column(heading, no_wrap=True)
    table.add_column("what", overflow="fold", ratio=1)
    table.add_column("since", no_wrap=True)
    for request in found:
        state = Text(request.status.replace("_", " "), COLORS.get(request.status, ""))
        where = f"{request.script}, step {request.current_step}"
        row = (str(request.id)[:ID_CHARACTERS], request.kind, state, where, str(request.attempts), what_of(request))
        table.add_row(*row, ago(request.created_at, request.now))
    console.print(table)
    doubtful = sum(request.status == "in_doubt" for request in found)
    if doubtful:
        console.print(f"\n{plural(doubtful, 'request')} in doubt: stepwell requests retry|complete|fail ID")


def what_of(request: OpenRequest) -> str:
    """Return what is known of a request in words: its host, when it is tried again, what went wrong."""
    parts = [cut(request.host)] if request.host else []
    if request.status == "pending" and request.not_before > request.now:
        parts.append(f"again in {span(request.not_before - request.now)}")
    if request.status == "pending" and request.not_before <= request.now and request.kind == request.kind.upper():
        parts.append("to be taken again" if request.attempts else "nobody has taken it")
    if request.kind == "approval":
        parts.append("nobody has decided: select * from workflow_approvals")
    if request.deadline is not None and request.deadline > request.now:
        parts.append(f"{span(request.deadline - request.now)} left")
    if request.error:
        parts.append(cut(request.error))
    return "; ".join(parts)


def _act(action: Action, id: str, answer: str, options: Options, *, json: bool) -> int:
    async def run(stores: Stores) -> tuple[UUID, RequestOutcome]:
        found = await _find(stores, id)
        match action:
            case "retry":
                return found, await stores.requests.retry(found)
            case "complete":
                return found, await stores.requests.complete(found, _value(answer))
            case _:
                return found, await stores.requests.fail(found, answer or None)

    found, outcome = ask(options, run)
    if json:
        write_json({"id": found, "changed": outcome.changed, "status": outcome.status, "sentence": outcome.sentence})
    else:
        open_console().print(outcome.sentence)
    return OK if outcome.changed or outcome.status == ENDS_AS[action] else WRONG


async def _find(stores: Stores, beginning: str) -> UUID:
    digits = beginning.replace("-", "").lower()
    try:
        low, high = UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))
    except ValueError:
        digits = ""
    if not digits:
        raise CommandError(f"{beginning!r} is not the beginning of an id; stepwell requests shows them")
    found = await stores.requests.find(low, high)
    if not found:
        raise CommandError(f"there is no request whose id begins with {beginning}; it may have been answered since")
    if len(found) > 1:
        raise CommandError(f"several ids begin with {beginning}, such as {found[0]} and {found[1]}; give more of it")
    return found[0]


def _value(answer: str) -> Value:
    if not answer:
        return None
    try:
        value: Value = msgspec.json.decode(answer)
    except (msgspec.DecodeError, RecursionError):
        raise CommandError(f"the answer is no JSON: {cut(answer)}. A text is written in quotes: '\"sent\"'") from None
    return value
