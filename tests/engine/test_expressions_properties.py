"""Any tree of the dialect's shapes has a value or fails with ScriptError, and nothing it is given changes."""

from __future__ import annotations

import ast
import copy

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.errors import ScriptError
from engine.expressions import Expression, evaluate, function_names, names_of
from engine.functions import FUNCTIONS
from engine.nodes import call_node, decode_node, encode_node, name_node
from engine.values import Value, assign_path, check_value, compare, equal, to_json, to_number, to_text
from tests.engine.trees import a_moment
from tests.scale import examples

_TEXTS = st.one_of(
    st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12),
    st.sampled_from(
        ["", "12", "-1.5", " 7 ", "1e400", "2026-11-22", "31/12/2025 08:05", "P3D", "-PT2H", "day", "month",
         "#,##0.00", "dd/MM/yyyy", "C2[pt-BR]", "0%", "desc", "a%b_", "%", "[1,", '{"a": [1, 2]}', "length",
         "n", "9" * 400]
    ),
)  # fmt: skip
_NUMBERS = st.one_of(
    st.integers(-10, 10),
    st.integers(),
    st.sampled_from([2**63, -(2**64), 10**300, 2**4095, 1e308, -1e308, 5e-324, 0.1, -0.0, 1e16]),
    st.floats(allow_nan=False, allow_infinity=False),
)
_SCALARS = st.one_of(st.none(), st.booleans(), _NUMBERS, _TEXTS)
values: st.SearchStrategy[Value] = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXTS, inner, max_size=4),
    max_leaves=10,
)
_VARIABLES = ["a", "b", "c", "rows", "$t1"]
_CALLS = sorted([*FUNCTIONS, "$coalesce", "$text", "$object", "if", "iif", "no_such"])


def _nodes(inner: st.SearchStrategy[ast.expr]) -> st.SearchStrategy[ast.expr]:
    binary = st.sampled_from([ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow, ast.BitAnd])
    compare_op = st.sampled_from([ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.In, ast.NotIn])
    return st.one_of(
        st.builds(lambda items: ast.List(items, ast.Load()), st.lists(inner, max_size=4)),
        st.builds(lambda a, op, b: ast.BinOp(a, op(), b), inner, binary, inner),
        st.builds(lambda op, a: ast.UnaryOp(op(), a), st.sampled_from([ast.USub, ast.UAdd, ast.Not]), inner),
        st.builds(
            lambda op, parts: ast.BoolOp(op(), parts),
            st.sampled_from([ast.And, ast.Or]),
            st.lists(inner, min_size=2, max_size=3),
        ),
        st.builds(lambda a, op, b: ast.Compare(a, [op()], [b]), inner, compare_op, inner),
        st.builds(ast.IfExp, inner, inner, inner),
        st.builds(lambda a, key: ast.Subscript(a, key, ast.Load()), inner, inner),
        st.builds(lambda f, args: call_node(f, *args), st.sampled_from(_CALLS), st.lists(inner, max_size=4)),
    )


trees = st.recursive(
    st.one_of(st.builds(ast.Constant, _SCALARS), st.builds(name_node, st.sampled_from(_VARIABLES))),
    _nodes,
    max_leaves=12,
)
_bindings = st.dictionaries(st.sampled_from(_VARIABLES), values, max_size=5)
_SETTINGS = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)


@settings(_SETTINGS, max_examples=examples(150))
@given(trees, _bindings)
def test_any_tree_has_a_value_or_a_script_error(node: ast.expr, variables: dict[str, Value]) -> None:
    before = copy.deepcopy(variables)
    try:
        result = evaluate(Expression("", node, 1, 1), variables.get, a_moment())
    except ScriptError as error:
        assert error.message and "Traceback" not in error.message
    else:
        check_value(result)
        to_text(result)
    assert variables == before


@settings(_SETTINGS, max_examples=examples(8))
@given(st.data())
@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_any_arguments_of_a_function_give_a_value_or_a_script_error(name: str, data: st.DataObject) -> None:
    function = FUNCTIONS[name]
    most = function.required + 2 if function.most is None else function.most
    arguments = data.draw(st.lists(values, min_size=function.required, max_size=most))
    before = copy.deepcopy(arguments)
    node = call_node(name, *(name_node(str(i)) for i in range(len(arguments))))
    try:
        check_value(evaluate(Expression("", node, 1, 1), lambda i: arguments[int(i)], a_moment()))
    except ScriptError as error:
        assert error.message
    assert arguments == before


@settings(_SETTINGS, max_examples=examples(100))
@given(trees)
def test_encoding_and_decoding_a_tree_changes_nothing(node: ast.expr) -> None:
    encoded = encode_node(node)
    decoded = decode_node(encoded)
    assert ast.dump(decoded) == ast.dump(node)
    one, other = Expression("t", node, 1, 2), Expression("t", decoded, 1, 2)
    assert one == other and hash(one) == hash(other)
    assert names_of(one) == names_of(other) <= set(_VARIABLES)


@settings(_SETTINGS, max_examples=examples(100))
@given(st.recursive(_SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXTS, inner), max_leaves=6))
def test_any_json_decodes_or_is_refused(encoded: Value) -> None:
    try:
        node = decode_node(encoded)  # type: ignore[arg-type]
    except ValueError:
        return
    assert encode_node(node) == encoded or encoded != encoded


@settings(_SETTINGS, max_examples=examples(100))
@given(values, st.lists(st.one_of(st.integers(-2, 5), _TEXTS, _SCALARS), min_size=1, max_size=4), values)
def test_assigning_a_path_never_changes_its_input(container: Value, path: list[Value], value: Value) -> None:
    before = copy.deepcopy((container, path, value))
    try:
        result = assign_path(container, tuple(path), value)
    except ScriptError:
        pass
    else:
        check_value(result)
    assert (container, path, value) == before


@settings(_SETTINGS, max_examples=examples(100))
@given(values, values)
def test_comparing_is_symmetric_and_consistent(a: Value, b: Value) -> None:
    assert equal(a, a)
    assert equal(a, b) == equal(b, a)
    try:
        order, opposite = compare(a, b), compare(b, a)
    except ScriptError:
        return
    assert order is None or opposite == -order


@settings(_SETTINGS, max_examples=examples(80))
@given(values)
def test_text_and_json_of_any_value_are_values(value: Value) -> None:
    check_value(to_text(value))
    check_value(to_json(value))
    try:
        check_value(to_number(value))
    except ScriptError as error:
        assert error.kind == "type"


def test_functions_that_an_author_can_write_have_no_internal_names() -> None:
    assert {"left", ".trim", "iif", "now"} <= function_names()
    assert not any(name.startswith("$") for name in function_names())
