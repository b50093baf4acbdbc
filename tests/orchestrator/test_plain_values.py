"""The one channel of values: what goes through it comes out as it was, and nothing else gets through."""

import enum
import json
import math
from collections import Counter, OrderedDict, defaultdict, namedtuple

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ponder.orchestrator.plain_values import DEPTH, MOST_ITEMS, from_json, to_json

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.complex_numbers()
hashables = st.recursive(
    scalars, lambda some: st.lists(some).map(tuple) | st.frozensets(some, max_size=1), max_leaves=5
)
values = st.recursive(
    scalars | st.text(st.characters(codec=None, categories=["Cs", "L"])),
    lambda some: (
        st.lists(some) | st.lists(some).map(tuple) | st.sets(hashables, max_size=1) | st.dictionaries(hashables, some)
    ),
    max_leaves=12,
)


@given(values)
@settings(max_examples=300, deadline=None)
def test_every_plain_value_comes_out_as_it_was(value):
    text = json.dumps(to_json(value))
    assert to_json(from_json(orjson.loads(text))) == to_json(value)
    assert repr(from_json(orjson.loads(text))) == repr(from_json(json.loads(text))) == repr(value)


EXACT = [
    0, True, None, 1.0, -0.0, 2**53 + 1, -(2**15000), "\ud800", "é", b"\x00\xff", (), (1,), [[]], {1: (2,)}, {"a": 1},
    {"$tuple": [1]}, {"$x": 1}, {}, set(), {1, 2, ()}, frozenset({(1, 2), 3}), 1e300, 5e-324, 1 + 2j, {None: {}},
]  # fmt: skip


@pytest.mark.parametrize("value", EXACT, ids=lambda value: type(value).__name__)
def test_types_are_exact(value):
    back = from_json(orjson.loads(json.dumps(to_json(value))))
    assert back == value and type(back) is type(value)
    assert not isinstance(value, float) or math.copysign(1, back) == math.copysign(1, value)


def test_odd_floats_are_told_apart():
    forms = [to_json(each) for each in (math.nan, math.inf, -math.inf, complex(math.nan, -math.inf))]
    assert [form["$float"] for form in forms[:3]] == ["nan", "inf", "-inf"]
    assert list(map(repr, map(from_json, forms))) == ["nan", "inf", "-inf", "(nan-infj)"]


class Colour(enum.IntEnum):
    RED = 1


class Liar(list):
    def __eq__(self, other):
        return True

    def __iter__(self):
        return iter([42])

    def __len__(self):
        return 42


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Counter("aa"), {"a": 2}),
        (defaultdict(list, {1: [2]}), {1: [2]}),
        (OrderedDict(a=1), {"a": 1}),
        (namedtuple("Point", "x y")(1, 2), (1, 2)),
        (Colour.RED, 1),
        (Liar([1, 2]), [1, 2]),
    ],
)
def test_a_subclass_stands_for_what_it_holds(value, plain):
    assert repr(from_json(to_json(value))) == repr(plain)


@pytest.mark.parametrize(
    "value", [object(), len, iter([]), range(3), (x for x in "ab"), int, {1: object()}, [Ellipsis]]
)
def test_nothing_else_gets_in(value):
    with pytest.raises(ValueError, match="plain"):
        to_json(value)


def deep(levels: int) -> list:
    value: list = []
    for _ in range(levels - 1):
        value = [value]
    return value


def wide(doublings: int) -> list:
    value: list = [1]
    for _ in range(doublings):
        value = [value, value]
    return value


def test_depth_and_members_are_bounded():
    assert to_json(deep(DEPTH)) == deep(DEPTH) == from_json(deep(DEPTH))
    endless: list = []
    endless.append(endless)
    for value in (deep(DEPTH + 1), endless, wide(60), [0] * MOST_ITEMS):
        with pytest.raises(ValueError, match="at most"):
            to_json(value)
    for form in (deep(DEPTH + 1), [0] * MOST_ITEMS):
        with pytest.raises(ValueError, match="at most"):
            from_json(form)


@pytest.mark.parametrize(
    "form",
    [
        {"$int": "0x1"}, {"$int": 5}, {"$int": "0x" + "f" * 20 + "_0"}, {"$int": "-0X" + "f" * 20}, {"$int": "nan"},
        {"$float": "1.0"}, {"$float": None}, {"$float": "NaN"}, {"$str": "YQ=="}, {"$str": 1}, {"$bytes": "*"},
        {"$bytes": "YQ"}, {"$bytes": [1]}, {"$complex": [1, 2]}, {"$complex": [1.0]}, {"$complex": "1j"},
        {"$complex": [{"$complex": [1.0, 1.0]}, 1.0]}, {"$tuple": 1}, {"$set": {"a": 1}}, {"$set": [[1]]},
        {"$dict": [[1]]}, {"$dict": [[[1], 2]]}, {"$dict": {"a": 1}}, {"$dict": [1]}, 2**60, math.nan, math.inf, (1,),
        {1: 2}, {"a": object()},
    ],
)  # fmt: skip
def test_what_is_not_written_by_the_rules_is_refused(form):
    with pytest.raises(ValueError, match=r"."):
        from_json(form)
