"""The fixtures themselves: each test has a database of its own, and the randomness can be repeated."""

from __future__ import annotations

import random
from collections.abc import Callable

import asyncpg


async def test_two_databases_of_one_test_are_apart(make_database: Callable[..., str]) -> None:
    first, second = make_database(empty=True), make_database()
    connection = await asyncpg.connect(first)
    try:
        await connection.execute("CREATE TABLE only_here ()")
    finally:
        await connection.close()
    connection = await asyncpg.connect(second)
    try:
        assert await connection.fetchval("SELECT to_regclass('only_here')") is None
    finally:
        await connection.close()


def test_a_test_without_a_loop_may_have_a_database(empty_database: str) -> None:
    assert empty_database.startswith("postgresql://")


async def test_the_database_is_utf8_and_utc(database: str) -> None:
    connection = await asyncpg.connect(database)
    try:
        assert await connection.fetchval("SHOW server_encoding") == "UTF8"
        assert await connection.fetchval("SHOW timezone") == "UTC"
    finally:
        await connection.close()


def test_the_random_numbers_depend_on_the_test_and_the_seed(rng: random.Random, request: object) -> None:
    assert rng.random() != random.Random("another").random()
