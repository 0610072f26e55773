"""Functions of numbers, and those that draw lots from the turn's own source."""

from __future__ import annotations

import math
import uuid
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation, localcontext

from engine.errors import ScriptError
from engine.functions.signature import Function, Moment, function
from engine.operators import checked
from engine.operators import power as raised
from engine.values import Value

_DIGITS_MAX = 300


def round_half_away(number: int | float, digits: int = 0) -> int | float:
    """Return the number rounded to digits behind the point, halves away from zero, as people do it.

    ROUND(2.5) = 3
    ROUND(2.675, 2) = 2.68
    ROUND(1250, -2) = 1300
    """
    if abs(digits) > _DIGITS_MAX:
        raise ScriptError(f"ROUND expects at most {_DIGITS_MAX} digits, not {digits}.", "argument")
    if isinstance(number, int) and digits >= 0:
        return number
    rounded = rounded_decimal(number, digits)
    return int(rounded) if digits <= 0 else float(rounded)


def rounded_decimal(number: int | float, digits: int) -> Decimal:
    """Return the number as a decimal with so many digits behind the point, halves away from zero.

    Goes by the shortest text of a float: 2.675 is 2.675, though no float holds it.
    """
    with localcontext() as context:
        context.prec = 2_000
        try:
            return Decimal(repr(number)).quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_UP)
        except InvalidOperation:
            raise ScriptError("The number is too big to be rounded.", "limit") from None


def absolute(number: int | float) -> int | float:
    """Return the number without its sign.

    ABS(-3) = 3
    """
    return abs(number)


def floor(number: int | float) -> int:
    """Return the largest whole number that is not above it.

    INT(2.7) = 2
    INT(-2.5) = -3
    """
    return math.floor(number)


def ceiling(number: int | float) -> int:
    """Return the smallest whole number that is not below it.

    CEIL(2.1) = 3
    """
    return math.ceil(number)


def cut(number: int | float) -> int:
    """Return the whole number that is left without what stands behind the point.

    FIX(-2.7) = -2
    """
    return math.trunc(number)


def square_root(number: int | float) -> int | float:
    """Return the square root.

    SQR(9) = 3
    """
    if number < 0:
        raise ScriptError("SQR expects a number from 0 on: below it there is no real root.", "argument")
    root = math.sqrt(number)
    return int(root) if root == int(root) else root


def sign(number: int | float) -> int:
    """Return -1, 0 or 1.

    SGN(-7) = -1
    """
    return (number > 0) - (number < 0)


def power(base: int | float, exponent: int | float) -> Value:
    """Return a number raised to another.

    POWER(2, 10) = 1024
    """
    return raised(base, exponent)


def exponential(number: int | float) -> int | float:
    """Return e raised to the number.

    EXP(0) = 1
    """
    return checked(math.exp(number))


def logarithm(number: int | float, base: int | float | None = None) -> float:
    """Return the natural logarithm, or the one to a base. (LOG is a statement: it writes to the log.)

    LN(1) = 0
    """
    if number <= 0 or (base is not None and (base <= 0 or base == 1)):
        raise ScriptError("LN expects a number above 0 (and a base above 0 that is not 1).", "argument")
    return math.log(number) if base is None else math.log(number) / math.log(base)


def sine(number: int | float) -> float:
    """Return the sine of an angle in radians.

    SIN(0) = 0
    """
    return math.sin(number)


def cosine(number: int | float) -> float:
    """Return the cosine of an angle in radians.

    COS(0) = 1
    """
    return math.cos(number)


def tangent(number: int | float) -> float:
    """Return the tangent of an angle in radians.

    TAN(0) = 0
    """
    return checked(math.tan(number))


def pi() -> float:
    """Return the number pi.

    ROUND(PI(), 2) = 3.14
    """
    return math.pi


def draw(moment: Moment, *bounds: int) -> Value:
    """Return a number drawn by lot.

    RANDOM() is from 0 to below 1, RANDOM(n) a whole number from 1 to n, RANDOM(a, b) one from a to b.

    RANDOM(3, 3) = 3
    RANDOM(1) = 1
    """
    if not bounds:
        return moment.random.random()
    if len(bounds) > 2:
        raise ScriptError(f"RANDOM takes 0 to 2 arguments, not {len(bounds)}.", "argument")
    low, high = bounds if len(bounds) == 2 else (1, bounds[0])
    if high < low:
        raise ScriptError(f"RANDOM expects a range that is not empty, not {low} to {high}.", "argument")
    return moment.random.randint(low, high)


def fraction(moment: Moment, seed: int | float | None = None) -> float:
    """Return a number from 0 to below 1, drawn by lot; an argument changes nothing.

    RND() < 1
    """
    return moment.random.random()


def guid(moment: Moment) -> str:
    """Return a new UUID (version 4), drawn by lot.

    LEN(GUID()) = 36
    """
    return str(uuid.UUID(int=moment.random.getrandbits(128), version=4))


FUNCTIONS: dict[str, Function] = {
    "round": function("number whole?", round_half_away),
    "abs": function("number", absolute),
    "int": function("number", floor),
    "floor": function("number", floor),
    "ceil": function("number", ceiling),
    "ceiling": function("number", ceiling),
    "fix": function("number", cut),
    "trunc": function("number", cut),
    "sqr": function("number", square_root),
    "sqrt": function("number", square_root),
    "sgn": function("number", sign),
    "sign": function("number", sign),
    "power": function("number number", power),
    "pow": function("number number", power),
    "exp": function("number", exponential),
    "ln": function("number number?", logarithm),
    "sin": function("number", sine),
    "cos": function("number", cosine),
    "tan": function("number", tangent),
    "pi": function("", pi),
    "random": function("whole*", draw, moment=True),
    "rnd": function("number?", fraction, moment=True),
    "guid": function("", guid, moment=True),
    "uuid": function("", guid, moment=True),
}
