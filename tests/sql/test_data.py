"""workflow_data: what data keywords ask, on real tables; and that nothing said becomes SQL or leaves the bot's schema."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from daemon.migrations import Connection

ONE, TWO = UUID(int=1), UUID(int=2)
SCHEMA = "bot_" + ONE.hex
ROWS: dict[str, Any] = {"where": None, "order": [], "limit": None}
HOSTILE = "x'; drop schema public cascade; --\" || $1 \\"

Data = Callable[..., Coroutine[Any, Any, Any]]


@pytest.fixture
async def data(connection: Connection) -> Data:
    """`await data("find", table="t")` of bot ONE; `bot=TWO` of another."""
    return asking(connection)


def asking(connection: Connection, **changes: Any) -> Data:
    manner = {"prefix": "bot_", "role": "", "rows_max": 50, "zone": "America/Sao_Paulo"} | changes

    async def run(verb: str, bot: UUID = ONE, **asked: Any) -> Any:
        asked = (ROWS | asked) if verb in ("find", "update", "delete", "aggregate") else asked
        async with connection.transaction():
            answer = await connection.fetchval(
                "select workflow_data($1, $2, $3::jsonb, $4::jsonb)", bot, verb, json.dumps(asked), json.dumps(manner)
            )
        return None if answer is None else json.loads(answer)

    return run


def where(column: str, sign: str, value: Any) -> list[Any]:
    return [sign, ["column", column], ["value", value]]


@asynccontextmanager
async def refused(code: str, *words: str) -> AsyncIterator[None]:
    with pytest.raises(asyncpg.PostgresError) as caught:
        yield
    assert caught.value.sqlstate == code
    assert all(word in str(caught.value) + str(getattr(caught.value, "hint", "")) for word in words), caught.value


async def test_a_table_is_made_of_what_is_saved_and_grows(data: Data) -> None:
    assert await data("find", table="people") == []
    assert await data("update", table="people", set={"a": ["value", 1]}) == 0
    assert await data("save", table="people", rows=[{"name": "Ada", "age": 36, "none": None}], one=True) == 1
    assert await data("save", table="people", rows=[{"name": "Alan"}, {"tags": ["x"], "name": "Eve"}], one=False) == [
        2,
        3,
    ]
    assert await data("save", table="people", rows=[{"id": 1, "age": "about 36"}], one=True) == 1
    rows = await data("find", table="people", order=[["name", False]])
    assert rows[0] == {"id": 1, "age": "about 36", "name": "Ada", "tags": None}
    assert [row["name"] for row in rows] == ["Ada", "Alan", "Eve"] and rows[2]["tags"] == ["x"]
    assert await data("save", table="people", rows=[{"id": 90, "name": "Bo"}], one=True) == 90
    assert await data("save", table="people", rows=[{"name": "Cy"}], one=True) == 91


async def test_conditions(data: Data) -> None:
    rows = [{"n": n, "t": f"row {n}", "even": n % 2 == 0, "day": f"2026-01-0{n}"} for n in range(1, 6)]
    await data("save", table="t", rows=[*rows, {"n": 6}], one=False)

    async def found(tree: list[Any]) -> list[int]:
        return [row["n"] for row in await data("find", table="t", where=tree)]

    assert await found(where("n", ">", 3)) == [4, 5, 6]
    assert await found(where("n", "=", "2")) == [2]
    assert await found(where("n", "=", "two")) == []
    assert await found(where("t", "=", None)) == await found(where("t", "=", "")) == [6]
    assert await found(where("t", "<>", "row 1")) == [2, 3, 4, 5, 6]
    assert await found(["not", where("t", "=", "row 1")]) == [2, 3, 4, 5, 6]
    assert await found(where("t", "like", "%3")) == await found(where("t", "like", "*3")) == [3]
    assert await found(where("t", "ilike", "ROW 4")) == await found(where("t", "ends", "4")) == [4]
    assert await found(["true", ["column", "even"]]) == await found(where("even", "=", 1)) == [2, 4]
    assert await found(["in", ["column", "n"], ["value", 1], ["value", "5"], ["value", "x"]]) == [1, 5]
    assert await found(["in", ["column", "n"], *(["value", n] for n in range(2, 40))]) == [2, 3, 4, 5, 6]
    assert await found(["in", ["column", "n"]]) == []
    assert await found(["or", where("n", "=", 1), ["and", where("n", ">", 1), where("n", "<", 3)]]) == [1, 2]
    assert await found([">", ["arith", "*", ["column", "n"], ["value", 2]], ["value", 9]]) == [5, 6]
    assert await found(["=", ["call", "upper", ["column", "t"]], ["value", "ROW 5"]]) == [5]
    assert await found(["=", ["call", "date", ["column", "day"]], ["value", "2026-01-02"]]) == [2]
    assert await found(["=", ["call", "datediff", ["column", "day"], ["value", "2026-01-01"]], ["value", 3]]) == [4]
    assert await found(["=", ["value", 1], ["value", 1]]) == [1, 2, 3, 4, 5, 6]
    assert await found(["<", ["value", 5], ["column", "n"]]) == [6]
    assert await found(["=", ["column", "n"], ["name", "n"]]) == [1, 2, 3, 4, 5, 6]
    assert await found(["=", ["column", "t"], ["name", "open"]]) == []
    assert await found(where("nothing_like_it", "=", 5)) == []


async def test_changing_and_adding_up(data: Data) -> None:
    await data("save", table="t", rows=[{"k": "a", "n": 1}, {"k": "b", "n": 2}, {"k": "c", "n": ""}], one=False)
    grow = {"n": ["arith", "+", ["name", "n"], ["value", 10]], "note": ["value", {"why": "sale"}]}
    assert await data("update", table="t", set=grow, where=where("k", "=", "b")) == 1
    assert await data("merge", table="t", by=["k"], rows=[{"k": "a", "n": 5}, {"k": "d", "n": 7}]) == 2
    rows = {row["k"]: row for row in await data("find", table="t")}
    assert rows["b"]["n"] in (12, "12") and rows["b"]["note"] == {"why": "sale"} and set(rows) == set("abcd")
    for name, total in (("COUNT", 3), ("SUM", 24), ("AVG", 8)):
        assert await data("aggregate", table="t", function=name, field="n") == total
    assert await data("aggregate", table="t", function="COUNT", field="*") == 4
    assert await data("aggregate", table="none", function="SUM", field="n") == 0
    assert await data("delete", table="t", where=["in", ["column", "k"], ["value", "a"]]) == 1
    assert await data("delete", table="t") == 3


CARS = [
    {"name": "id", "type": "bigint", "key": True, "identity": True},
    {"name": "plate", "type": "character varying", "size": [5], "not_null": True, "unique": True},
    {"name": "made", "type": "timestamp with time zone"},
    {"name": "doors", "type": "integer", "default": ["value", 4]},
]


async def test_a_declared_table_keeps_its_word(data: Data) -> None:
    assert await data("table", table="cars", columns=CARS) is True
    assert await data("table", table="cars", columns=CARS) is False
    assert await data("save", table="cars", positional=[["ab", "2026-01-31 10:00"]], one=True) == 1
    row = {"id": 1, "plate": "ab", "made": "2026-01-31T10:00:00-03:00", "doors": 4}
    assert await data(
        "find", table="cars", where=["=", ["call", "date", ["column", "made"]], ["value", "2026-01-31"]]
    ) == [row]
    async with refused("SW064", "cars", "(plate)=(ab)"):
        await data("insert", table="cars", rows=[{"plate": "ab"}], one=True)
    async with refused("SW064", "plate", "must have a value"):
        await data("insert", table="cars", rows=[{"doors": 3}], one=True)
    async with refused("SW062", "doors", '"many"'):
        await data("insert", table="cars", rows=[{"plate": "x", "doors": "many"}], one=True)
    async with refused("SW062", "cars", "too long"):
        await data("insert", table="cars", rows=[{"plate": "too long"}], one=True)
    async with refused("SW063", "no column dors", "plate, made, doors"):
        await data("insert", table="cars", rows=[{"plate": "x", "dors": 3}], one=True)
    async with refused("SW063", "no column dors"):
        await data("find", table="cars", where=where("dors", "=", 1))
    async with refused("SW062", "doors"):
        await data("update", table="cars", set={"doors": ["value", "many"]})
    async with refused("SW063", "values need names"):
        await data("save", table="nowhere", positional=[[1, 2]], one=True)
    wider = [*CARS[:3], {"name": "doors", "type": "numeric", "size": [6, 2]}, {"name": "colour", "type": "text"}]
    assert await data("table", table="cars", columns=wider) is True
    assert (await data("find", table="cars"))[0] == {**row, "colour": None}
    assert await data("table", table="cars", columns=wider) is False


async def test_more_rows_than_allowed_are_an_error_that_says_so(data: Data) -> None:
    await data("save", table="t", rows=[{"n": n} for n in range(60)], one=False)
    async with refused("SW061", "FIND t", "more than 50 rows", "rows_max"):
        await data("find", table="t")
    assert len(await data("find", table="t", limit=50)) == 50


async def test_numbers_that_json_lacks_dates_and_bytes_are_values(data: Data, connection: Connection) -> None:
    await data("save", table="t", rows=[{"n": 1}], one=True)
    await connection.execute(
        f"create table {schema(ONE)}.odd as select 1 as id, 'NaN'::numeric as a, 'infinity'::float8 as b, date '2026-01-31' as c,"
        " '\\xff'::bytea as d, 12345678901234567890.5::numeric as e, interval '1 day' as f, null::point as g, 1 as r, 2 as t, 3 as s"
    )
    [row] = await data("find", table="odd")
    assert await data("merge", table="odd", by=["r", "s"], rows=[{"r": 1, "s": 3, "t": 9, "id": 1}]) == 1
    assert (await data("find", table="odd"))[0]["t"] == 9
    assert (row["a"], row["b"], row["c"], row["d"]) == ("NaN", "Infinity", "2026-01-31", "\\xff")


def schema(bot: UUID) -> str:
    return f"bot_{bot.hex}"


# ── nothing else can be reached ──


async def test_what_is_said_never_becomes_sql(data: Data, connection: Connection) -> None:
    await data("save", table="t", rows=[{"name": HOSTILE, HOSTILE[:40].lower(): 1}], one=True)
    [row] = await data("find", table="t", where=where("name", "=", HOSTILE), order=[[HOSTILE[:40].lower(), True]])
    assert row["name"] == HOSTILE
    for verb, asked in (
        ("find", {"where": where(HOSTILE, "like", HOSTILE)}),
        ("find", {"where": ["=", ["call", "lower", ["column", "name"]], ["name", HOSTILE]]}),
        ("find", {"where": ["in", ["column", "name"], ["value", HOSTILE]], "limit": 1}),
        ("update", {"set": {"name": ["value", HOSTILE + "2"], HOSTILE[:30]: ["value", HOSTILE]}}),
        ("merge", {"by": ["name"], "rows": [{"name": HOSTILE}]}),
        ("save", {"table": HOSTILE[:40], "rows": [{"a": HOSTILE}], "one": True}),
        ("table", {"table": "d", "columns": [{"name": HOSTILE[:30], "type": "text", "default": ["value", HOSTILE]}]}),
        ("insert", {"table": "d", "rows": [{HOSTILE[:30]: None}], "one": True}),
    ):
        await data(verb, **({"table": "t"} | asked))
    assert await connection.fetchval("select count(*) from workflow_migrations") > 0


@pytest.mark.parametrize(
    ("verb", "asked"),
    [
        ("find", {"where": ["pg_sleep", ["column", "n"], ["value", 1]]}),
        ("find", {"where": ["= 1 or 1 =", ["column", "n"], ["value", 1]]}),
        ("find", {"where": ["=", ["call", "pg_read_file", ["value", "x"]], ["value", 1]]}),
        ("find", {"where": ["=", ["sql", "now()"], ["value", 1]]}),
        (
            "find",
            {"where": ["=", ["arith", "; select 1", ["column", "n"], ["value", 1]], ["value", 0]], "limit": "1; x"},
        ),
        ("aggregate", {"function": "pg_sleep", "field": "n"}),
        ("table", {"columns": [{"name": "a", "type": "text; drop table t"}]}),
        ("table", {"columns": [{"name": "a", "type": "numeric", "size": ["1); x"]}]}),
        ("drop", {}),
    ],
)
async def test_only_known_operators_functions_types_and_verbs(data: Data, verb: str, asked: dict[str, Any]) -> None:
    await data("save", table="t", rows=[{"n": 1}], one=True)
    with pytest.raises(asyncpg.PostgresError):
        await data(verb, **({"table": "t"} | asked))


async def test_a_bot_sees_its_own_tables_alone(data: Data) -> None:
    await data("save", table="secrets", rows=[{"n": 1}], one=True)
    for name in (
        "secrets",
        f"{schema(ONE)}.secrets",
        f'{schema(ONE)}"."secrets',
        "workflow_executions",
        "pg_class",
        "pg_roles",
    ):
        assert await data("find", bot=TWO, table=name) == []
    assert await data("find", table="public.workflow_executions") == []


async def test_statements_run_as_a_role_that_may_touch_nothing_else(connection: Connection, data: Data) -> None:
    await data("save", table="t", rows=[{"n": 1}], one=True)
    await connection.execute(f"""
        create view {schema(ONE)}.who as select 1 as id, current_user::text as name;
        create function {schema(ONE)}.look() returns trigger language plpgsql as
            $$begin perform count(*) from public.workflow_plans; return new; end$$;
        create trigger look before insert on {schema(ONE)}.t for each row execute function {schema(ONE)}.look();
    """)
    assert (await data("find", table="who"))[0]["name"] == "stepwell_data"
    async with refused("SW065", "workflow_plans", "migrate --roles"):
        await data("save", table="t", rows=[{"n": 2}], one=True)
    assert await connection.fetchval("select current_user || current_setting('role')") == "postgresnone"
    assert await connection.fetchval("select workflow_data_role('no_such_role')") is None


async def test_a_daemon_without_more_rights_than_its_role_can_do_all_of_it(
    connection: Connection, database: str
) -> None:
    if not await connection.fetchval("select 1 from pg_roles where rolname = 't_daemon'"):
        await connection.execute("create role t_daemon login")
    await connection.execute("grant stepwell_daemon to t_daemon")
    daemon = await asyncpg.connect(database, user="t_daemon")
    try:
        own = asking(daemon)
        assert await own("save", table="t", rows=[{"n": 1}], one=True) == 1
        assert await own("save", table="t", rows=[{"n": "x", "m": [1]}], one=True) == 2
        assert await own("table", table="d", columns=CARS) is True
        assert len(await own("find", table="t")) == 2
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with daemon.transaction():
                await daemon.execute("set local role stepwell_data")
                await daemon.execute("select * from workflow_plans")
    finally:
        await daemon.close()


WRITTEN: list[Any] = [1, -7, 10**19, 1.5, True, "", "x", "12", None, [1], {"a": None}]


@pytest.mark.parametrize("first", [1, "x", True, [1], None])
@pytest.mark.parametrize("kind", ["", "integer", "varchar(3)"])
async def test_one_row_is_saved_as_several_are(data: Data, connection: Connection, first: Any, kind: str) -> None:
    """One row goes a shorter way, wherever it may: into a table made of what was saved, or one of somebody else's."""
    await connection.execute(f"create schema {SCHEMA}")
    for value in WRITTEN:
        results = []
        for name, rows in (("one", 1), ("several", 2)):
            await connection.execute(f"drop table if exists {SCHEMA}.{name}")
            if kind:
                await connection.execute(
                    f"create table {SCHEMA}.{name} (id int generated always as identity, v {kind})"
                )
            results.append([await outcome(data, name, v, rows) for v in (first, value)])
        assert results[0] == results[1], (first, value)


async def outcome(data: Data, name: str, value: Any, rows: int) -> Any:
    """Save a row with a value twice, `rows` in one question; return the values in the table then, or the refusal."""
    try:
        for _ in range(2 // rows):
            await data("save", table=name, rows=[{"v": value}] * rows, one=rows == 1)
    except asyncpg.PostgresError as error:
        return error.sqlstate
    return [row.get("v") for row in await data("find", table=name, order=[["id", False]])]
