"""The split: by what is asked, of each difficulty alike, and steady."""

import random

import pytest

from ponder.orchestrator.data.sources import SimulatedData
from ponder.orchestrator.errors import UsageError
from ponder.orchestrator.types import Query
from ponder.search.split import split


def queries(count: int, levels: int = 4) -> list[Query]:
    asked = (Query.ask(f"problem {i}", reference="1", id=f"q{i}") for i in range(count))
    return [query.model_copy(update={"metadata": {"difficulty": i % levels}}) for i, query in enumerate(asked)]


def ids(part) -> set[str]:
    return {query.id for query in part}


@pytest.mark.parametrize(
    ("count", "share", "held"), [(2, 0.1, 1), (2, 0.8, 1), (3, 0.8, 2), (5, 0.4, 2), (10, 0.4, 4), (101, 0.4, 40)]
)
def test_each_query_is_in_one_part_and_the_share_holds(count, share, held) -> None:
    parts = split(queries(count), share)
    assert len(parts.confirmation) == held
    assert sorted(ids(parts.development) | ids(parts.confirmation)) == sorted(f"q{i}" for i in range(count))
    assert not ids(parts.development) & ids(parts.confirmation)


def test_the_order_of_the_data_plays_no_part() -> None:
    shuffled = queries(60)
    random.Random(1).shuffle(shuffled)
    assert split(shuffled) == split(queries(60))


def test_every_difficulty_is_held_back_alike_and_spread_evenly() -> None:
    parts = split(queries(200))
    for part, each in ((parts.development, 30), (parts.confirmation, 20)):
        levels = [query.metadata["difficulty"] for query in part]
        assert [levels.count(level) for level in range(4)] == [each] * 4
        assert all(2 <= levels[:15].count(level) <= 5 for level in range(4))


def test_with_more_queries_all_but_a_few_stay_in_their_part() -> None:
    few, many = (split(SimulatedData(size=size).load()) for size in (100, 101))
    assert len((ids(few.confirmation) ^ ids(many.confirmation)) & (ids(few.development) | ids(few.confirmation))) <= 2


def test_what_asks_the_same_comes_into_the_same_part() -> None:
    twice = [*queries(20), *(query.model_copy(update={"id": f"again-{query.id}"}) for query in queries(20))]
    parts = split(twice)
    assert len(parts.confirmation) == 16
    for part in (parts.development, parts.confirmation):
        assert {f"again-{id}" for id in ids(part) if not id.startswith("again")} <= ids(part)


@pytest.mark.parametrize("few", [[], queries(1), [*queries(1), queries(1)[0].model_copy(update={"id": "other"})]])
def test_fewer_than_two_different_queries_are_refused(few) -> None:
    with pytest.raises(UsageError, match=r"must have 2 different queries at least, .* got [01]; add more"):
        split(few)
