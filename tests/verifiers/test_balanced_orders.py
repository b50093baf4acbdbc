"""Orders that favour no place: every text stands everywhere equally often."""

from collections import Counter

import pytest
from judging import context

from ponder.orchestrator.context import Context
from ponder.verifiers.balanced_orders import balanced_orders

TEXTS = ["a", "b", "c", "d", "e"]


def orders(texts: list[str], count: int, ctx: Context | None = None) -> list[tuple[str, ...]]:
    return [tuple(texts[i] for i in order) for order in balanced_orders(texts, count, ctx or context())]  # type: ignore[arg-type]


@pytest.mark.parametrize("rounds", [1, 2, 3])
def test_every_text_stands_in_every_place_equally_often(rounds: int) -> None:
    found = orders(TEXTS, 5 * rounds)
    places = Counter((place, text) for order in found for place, text in enumerate(order))
    assert len(found) == 5 * rounds
    assert set(places.values()) == {rounds} and len(places) == 25


def test_they_do_not_depend_on_the_order_that_comes_in() -> None:
    assert orders(TEXTS, 12) == orders(TEXTS[::-1], 12)


def test_fewer_are_the_beginning_of_more() -> None:
    assert orders(TEXTS, 12)[:7] == orders(TEXTS, 7)


def test_rounds_have_orders_of_their_own() -> None:
    found = orders(TEXTS, 10)
    assert set(found[:5]) != set(found[5:])


def test_one_text_has_one_order() -> None:
    assert orders(["a"], 3) == [("a",)] * 3
