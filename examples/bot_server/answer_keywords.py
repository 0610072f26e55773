"""A program that answers keywords of scripts: SEND FILE and USE KB, by SQL alone.

    python answer_keywords.py postgresql://user@host/database FILES OUTBOX

It needs nothing of Stepwell but a login that has the role stepwell_client, and asyncpg. A request is a row: this
program is told that there are some, takes a few for a minute, does what they ask, and answers each. It may be killed
at any moment: what it had taken goes to the next taker, under the same id. So whatever it does outside of the
database, it does by that id, and doing it twice is doing it once.
"""

import asyncio
import json
import logging
import shutil
import sys
from contextlib import suppress
from pathlib import Path

import asyncpg

KINDS = ("SEND FILE", "USE KB")
LIMIT = 10  # requests taken at once
LOOK_SECONDS = 5.0  # a notification is a hint and may be lost: look this often besides

FILES, OUTBOX = Path("files"), Path("outbox")  # see main


class Refused(Exception):
    """It cannot be done, however often it is tried; the script gets this sentence as its error."""


def send_file(key: str, arguments: list, clauses: dict) -> dict:
    """SEND FILE path, caption: put the file into the outbox of the session's channel."""
    if not arguments:
        raise Refused("SEND FILE needs the name of a file.")
    source = (FILES / str(arguments[0])).resolve()
    if not source.is_relative_to(FILES.resolve()) or not source.is_file():
        raise Refused(f"There is no file {arguments[0]}.")
    shutil.copyfile(source, OUTBOX / f"{key}{source.suffix}")  # named by the key: sent twice is sent once
    return {"sent": source.name, "caption": str(arguments[1]) if len(arguments) > 1 else "", "key": key}


def use_kb(key: str, arguments: list, clauses: dict) -> dict:
    """USE KB name: say what the knowledge base of that name holds."""
    folder = FILES / str(arguments[0] if arguments else "")
    if not folder.is_dir():
        raise Refused(f"There is no knowledge base {arguments[0] if arguments else '(without a name)'}.")
    return {"name": folder.name, "documents": sorted(path.name for path in folder.iterdir())}


HANDLERS = {"SEND FILE": send_file, "USE KB": use_kb}


async def answer(connection, request) -> None:
    """Do what one request asks, and say what came of it."""
    payload = json.loads(request["payload"])
    try:
        result = HANDLERS[request["kind"]](str(request["id"]), payload["arguments"], payload["clauses"])
    except Refused as refused:
        await connection.execute("select workflow_fail($1, $2, retry => false)", request["id"], str(refused))
    except Exception as error:  # it may work the next time: pending again, after a pause that grows
        logging.exception("%s %s failed", request["kind"], request["id"])
        attempt = request["attempt"]
        await connection.execute("select workflow_fail($1, $2, attempt => $3)", request["id"], repr(error), attempt)
    else:
        await connection.execute("select workflow_complete($1, $2)", request["id"], json.dumps(result))


async def main(dsn: str) -> None:
    """Answer until killed."""
    OUTBOX.mkdir(parents=True, exist_ok=True)
    connection = await asyncpg.connect(dsn)
    told = asyncio.Event()
    channel = await connection.fetchval("select workflow_channel('requests')")
    await connection.add_listener(channel, lambda *_: told.set())
    print("answering", ", ".join(KINDS), flush=True)
    while True:
        told.clear()
        for kind in KINDS:
            take = "select * from workflow_take_requests($1, $2, lease => '1 minute')"
            while taken := await connection.fetch(take, kind, LIMIT):
                for request in taken:
                    await answer(connection, request)
        with suppress(TimeoutError):
            await asyncio.wait_for(told.wait(), LOOK_SECONDS)


if __name__ == "__main__":
    FILES, OUTBOX = Path(sys.argv[2]), Path(sys.argv[3])
    asyncio.run(main(sys.argv[1]))
