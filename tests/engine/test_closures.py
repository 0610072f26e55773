"""An expression's closure gives what walking its tree gives: the same value, the same error, the same draws."""

from __future__ import annotations

import ast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.closures import closure_of, stop
from engine.errors import ScriptError
from engine.expressions import Expression, evaluate, walk
from engine.functions import FUNCTIONS
from engine.nodes import call_node, name_node
from engine.quick_operators import ITEMS_MAX, Unusual
from engine.values import Value
from tests.engine.test_expressions_properties import trees, values
from tests.engine.trees import a_moment, tree
from tests.scale import examples

_NAMES = ["a", "b", "c", "rows", "$t1"]
# Short and alike, so that operators meet what they have in common, and what closures are unsure of.
_ALIKE: list[Value] = [
    None, True, False, 0, 1, -1, 2, 7, 2**63, 2**64, -(2**64) - 1, 2**4095, 0.5, 1e308, "", "a", "A", "b", "1", "07",
    "true", "2026-11-22", "22/11/2026", "2026-11-22T13:00:00Z", "P1D", "-PT2H", "x" * 2_001, "x" * 60_000, [], {},
    [1, 2, 3], ["a", "b"], {"a": 1, "B": [1]}, list(range(ITEMS_MAX + 1)), {str(i): i for i in range(ITEMS_MAX + 1)},
    [{"a": 1}, {"a": 2}], {"status": 200, "statusText": "", "headers": {}, "data": {"a": 5}}, [["x"] * 70], "length",
]  # fmt: skip
_SETTINGS = settings(
    deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def _both(node: ast.expr, variables: dict[str, Value]) -> tuple[list[object], list[object]]:
    """Return what evaluating says, and what walking says: the value with its type, or the error; and what is
    drawn behind it."""
    said: list[list[object]] = []
    for way in (evaluate, walk):
        moment = a_moment()
        try:
            value = way(Expression("", node, 1, 1), variables.get, moment)
            outcome: list[object] = [repr(value)]  # by repr: 1, 1.0 and True are equal in Python
        except ScriptError as error:
            outcome = [error.message, error.kind]
        said.append([*outcome, moment.random.random()])
    return said[0], said[1]


@settings(_SETTINGS, max_examples=examples(300))
@given(trees, st.dictionaries(st.sampled_from(_NAMES), st.one_of(st.sampled_from(_ALIKE), values)))
def test_any_tree_gives_what_walking_it_gives(node: ast.expr, variables: dict[str, Value]) -> None:
    evaluated, walked = _both(node, variables)
    assert evaluated == walked


_OPERATORS: list[ast.operator | ast.cmpop] = [
    ast.Add(), ast.Sub(), ast.Mult(), ast.Div(), ast.FloorDiv(), ast.Mod(), ast.BitAnd(),
    ast.Eq(), ast.NotEq(), ast.Lt(), ast.LtE(), ast.Gt(), ast.GtE(), ast.In(), ast.NotIn(),
]  # fmt: skip


@pytest.mark.parametrize("operator", _OPERATORS, ids=lambda o: type(o).__name__)
def test_an_operator_gives_what_walking_gives_for_every_pair(operator: ast.operator | ast.cmpop) -> None:
    a, b = name_node("a"), name_node("b")
    node = ast.BinOp(a, operator, b) if isinstance(operator, ast.operator) else ast.Compare(a, [operator], [b])
    for left in _ALIKE:
        for right in _ALIKE:
            evaluated, walked = _both(node, {"a": left, "b": right})
            assert evaluated == walked, (left, right)


def test_a_member_an_item_and_a_text_give_what_walking_gives() -> None:
    a, b = name_node("a"), name_node("b")
    nodes = [ast.Subscript(a, b, ast.Load()), call_node("$text", a, ast.Constant(" – "), b), call_node("$object", a, b)]
    nodes += [
        ast.List([a, b], ast.Load()),
        ast.IfExp(a, b, a),
        ast.BoolOp(ast.And(), [a, b]),
        ast.UnaryOp(ast.USub(), a),
    ]
    for node in nodes:
        for left in _ALIKE:
            for right in _ALIKE:
                evaluated, walked = _both(node, {"a": left, "b": right})
                assert evaluated == walked, (ast.dump(node), left, right)


@settings(_SETTINGS, max_examples=examples(4))
@given(st.data())
@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_a_function_gives_what_walking_gives(name: str, data: st.DataObject) -> None:
    function = FUNCTIONS[name]
    most = function.required + 2 if function.most is None else function.most
    given_ = data.draw(st.lists(st.one_of(st.sampled_from(_ALIKE), values), max_size=most + 1))
    node = call_node(name, *(name_node(str(i)) for i in range(len(given_))))
    evaluated, walked = _both(node, {str(i): value for i, value in enumerate(given_)})
    assert evaluated == walked


COMMON = [
    "n + 1", "n - 1", "n * 2", "n / 2", "n > 10", "n == 3 and said != ''", "not (n < 5 or n >= 50)", "said == 'stop'",
    "said", "'You have ' & n", "int_text('You said ', said, '!')", "LEN(said) > 3", "UCASE(said)", "dot_trim(said)",
    "LEFT(said, 3) + '…'", "order.total", "order['total'] + n", "rows[0].name", "rows[n - 41]", "said in ['a', 'b']",
    "int_coalesce(nothing, said)", "IIF(n > 3, 'many', 'few')", "'many' if n > 3 else 'few'", "[n, said]",
    "int_object('a', n)", "-n", "+n", "LEN(rows)", "NOW()", "ROUND(n / 3, 2)", "VAL('3')",
    "said < 'h'", "n in rows", "INSTR(said, 'e')", "REPLACE(said, 'e', 'a')", "YEAR('2026-11-22')",
]  # fmt: skip


@pytest.mark.parametrize("text", COMMON)
def test_what_scripts_say_all_the_time_is_not_walked(text: str) -> None:
    order: dict[str, Value] = {"total": 12.5}
    variables: dict[str, Value] = {"n": 41, "said": " hello ", "order": order, "rows": [{"name": "Ada"}]}
    node = tree(text)
    closure = closure_of(node)
    assert closure is not stop
    assert closure(variables.get, a_moment()) == walk(Expression("", node, 1, 1), variables.get, a_moment())


def test_a_closure_is_made_once_and_belongs_to_its_expression() -> None:
    one, other = (Expression("n + 1", tree("n + 1"), 1, 1) for _ in range(2))
    assert evaluate(one, {"n": 1}.get, a_moment()) == 2
    closure = one.closure
    assert evaluate(one, {"n": 2}.get, a_moment()) == 3 and one.closure is closure
    assert one == other and hash(one) == hash(other) and repr(one).partition("node=")[0] == "Expression(text='n + 1', "


@pytest.mark.parametrize("text", ["RND()", "GUID()", "RANDOM(1, 6)", "1 + RND()", "no_such(1)", "LEFT()", "1 << 2"])
def test_what_draws_or_can_only_fail_is_walked(text: str) -> None:
    assert closure_of(tree(text)) is stop


def test_a_long_expression_is_walked() -> None:
    assert closure_of(ast.List([tree("n + 1")] * 500, ast.Load())) is stop


@pytest.mark.parametrize("value", ["x" * 2_001, 2**65, list(range(ITEMS_MAX + 1))])
def test_a_closure_stops_at_what_is_large(value: Value) -> None:
    closure = closure_of(tree("'' & a"))
    assert closure is not stop
    with pytest.raises(Unusual):
        closure({"a": value}.get, a_moment())
