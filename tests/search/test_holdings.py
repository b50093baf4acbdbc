"""Holdings: which pools are wanted, and what those that came say of all the compositions that they serve."""

import random
from collections.abc import Sequence

import pytest

from ponder.orchestrator.errors import UsageError
from ponder.orchestrator.pipeline import Pipeline
from ponder.orchestrator.types import Query, Usage
from ponder.search.pools.estimators import estimates
from ponder.search.pools.holdings import Holdings, Told
from ponder.search.pools.needs import Need
from ponder.search.pools.outcomes import Reading, method_of
from ponder.search.pools.pool import Draw, Pool
from ponder.search.pools.wanted import Wanted
from ponder.search.problem import Ask
from ponder.strategies import AdaptiveConsistency, BestOfN, FirstAccepted, Rank, Sample, SelfConsistency
from ponder.verifiers import ExactMatch, ProcessReward

REWARD = ProcessReward()
SAMPLE, VOTE2, VOTE4, BEST4, SURE4, ACCEPTED = range(6)
STRATEGIES = [
    Sample(),
    SelfConsistency(n=2),
    SelfConsistency(n=4),
    BestOfN(n=4, verifier=REWARD),
    AdaptiveConsistency(n=4),
    FirstAccepted(n=3, verifier=REWARD),
]
QUERIES = [Query.ask(f"problem {i}", reference="1", id=f"q{i}") for i in range(3)]


def pool(right: Sequence[int], query: str = "q0") -> Pool:
    draws = [Draw(str(i), label, i / 10, Usage(10, 0, 5, 1), Usage(2, 0, 0, 0, 1)) for i, label in enumerate(right)]
    return Pool(query, "", tuple(draws))


class Held(Holdings):
    """Holdings whose pools are put in by hand."""

    def __init__(self) -> None:
        self.pools: dict[str, Pool] = {}
        super().__init__(STRATEGIES, QUERIES, self.pools)

    def ask(self, *asks: Ask, right: Sequence[int] = (1, 0, 1, 0)) -> tuple[list[Wanted], list[Told]]:
        """Have everything that some asks want."""
        wanted = self.wanted(asks)
        self.pools.update({one.id: pool(right[: one.draws], one.query.id) for one in wanted})
        return wanted, self.told(asks, wanted)


def names(wanted: Sequence[Wanted]) -> list[tuple[str, int, str, int]]:
    return [(one.arm.strategy.kind, one.draws, one.query.id, one.replicate) for one in wanted]


def test_an_arm_is_wanted_once_as_large_as_any_member_needs() -> None:
    wanted = Held().wanted([Ask(VOTE2, (0, 1)), Ask(VOTE4, (1, 2)), Ask(VOTE4, (0,), 1)])
    assert names(wanted) == [
        ("sample", 2, "q0", 0),
        ("sample", 4, "q1", 0),
        ("sample", 4, "q2", 0),
        ("sample", 4, "q0", 1),
    ]
    assert len({one.id for one in wanted}) == 4


def test_what_is_held_is_not_wanted_again_and_a_larger_pool_replaces_a_smaller() -> None:
    held = Held()
    held.ask(Ask(VOTE2, (0,)))
    assert held.wanted([Ask(VOTE2, (0,))]) == []
    assert names(held.wanted([Ask(VOTE4, (0,))])) == [("sample", 4, "q0", 0)]
    assert names(held.wanted([Ask(VOTE2, (0,), 1)])) == [("sample", 2, "q0", 1)]


def test_a_new_pool_tells_of_all_that_it_serves() -> None:
    _, told = Held().ask(Ask(BEST4, (0,)))
    assert {one.composition: one.outcomes[0].value for one in told} == {SAMPLE: 0.5, BEST4: 0.0}
    costs = {one.composition: one.outcomes[0].cost.tolist()[:5] for one in told}
    assert costs == {SAMPLE: [10, 5, 15, 1, 0], BEST4: [48, 20, 68, 4, 4]}
    _, told = Held().ask(Ask(VOTE4, (0, 2)))
    assert {one.composition: one.items for one in told} == {SAMPLE: (0, 2), VOTE2: (0, 2), VOTE4: (0, 2)}


def test_what_did_not_come_tells_nothing_and_a_smaller_pool_does_not_stand_for_it() -> None:
    held = Held()
    held.ask(Ask(VOTE2, (0,)))
    asks = [Ask(VOTE4, (0, 1))]
    assert len(held.wanted(asks)) == 2
    assert held.told(asks, []) == []
    assert names(held.wanted(asks)) == [("sample", 4, "q0", 0), ("sample", 4, "q1", 0)]


def test_what_is_asked_again_is_told_again() -> None:
    held = Held()
    _, first = held.ask(Ask(VOTE4, (0,)))
    wanted, again = held.ask(Ask(VOTE2, (0,)))
    assert wanted == []
    assert [one.composition for one in again] == [VOTE2]
    before = next(one for one in first if one.composition == VOTE2)
    assert [(o.value, *o.cost) for o in again[0].outcomes] == [(o.value, *o.cost) for o in before.outcomes]


def test_what_another_arm_told_already_is_neither_wanted_nor_replaced() -> None:
    held = Held()
    held.ask(Ask(VOTE4, (0,)), right=(1, 0, 0, 0))
    held.ask(Ask(BEST4, (0,)), right=(1, 1, 1, 1))
    wanted, told = held.ask(Ask(SAMPLE, (0,)))
    assert wanted == [], "who judges them or reads them does not matter to a single draw"
    assert [(one.composition, one.outcomes[0].value) for one in told] == [(SAMPLE, 0.25)]


def sources(wanted: Sequence[Wanted]) -> list[tuple[Need, ...]]:
    return [one.replayed_from for one in wanted if not one.arm.is_pool]


@pytest.mark.parametrize("together", [False, True])
def test_what_stops_as_it_goes_is_replayed_from_the_pool_that_is_held_or_wanted_with_it(together: bool) -> None:
    held = Held()
    asks = [Ask(SURE4, (0,)), Ask(VOTE4, (0,))]
    if not together:
        held.ask(asks.pop())
    wanted = held.wanted(asks)
    assert sources(wanted) == [(Need("generator", Sample().sampling, 4),)]
    assert "/replayed-4/" in next(one.id for one in wanted if one.replayed_from)


def test_it_runs_where_the_pool_is_too_small_of_another_replicate_or_not_judged() -> None:
    held = Held()
    held.ask(Ask(VOTE2, (0,)), Ask(VOTE4, (1,)))
    assert sources(held.wanted([Ask(SURE4, (0, 2)), Ask(SURE4, (1,), 1)])) == [(), (), ()]
    assert sources(held.wanted([Ask(ACCEPTED, (1,))])) == [()]
    held.ask(Ask(BEST4, (1,)))
    assert sources(held.wanted([Ask(ACCEPTED, (1,))])) == [(Need("generator", Sample().sampling, 4, (REWARD,)),)]


def test_pools_that_different_judges_read_serve_together() -> None:
    both = [
        BestOfN(n=4, verifier=REWARD),
        BestOfN(n=2, verifier=ExactMatch()),
        Pipeline.series(BestOfN(n=2, verifier=REWARD), Rank(verifier=ExactMatch())),
    ]
    pools: dict[str, Pool] = {}
    holdings = Holdings(both, QUERIES, pools)
    asks = [Ask(0, (0,)), Ask(1, (0,))]
    wanted = holdings.wanted(asks)
    pools.update({one.id: pool((1, 0, 1, 0)[: one.draws]) for one in wanted})
    holdings.told(asks, wanted[:1])
    assert sources(holdings.wanted([Ask(2, (0,))])) == [()]
    holdings.told(asks, wanted)
    [(need,)] = sources(holdings.wanted([Ask(2, (0,))]))
    assert (need.draws, set(need.verifiers)) == (2, {REWARD, ExactMatch()})


@pytest.mark.parametrize("draws", [1, 5, 64, 70])
def test_a_reading_tells_what_the_estimators_tell(draws: int) -> None:
    rng = random.Random(draws)
    drawn = [
        Draw(rng.choice("abc"), rng.random(), rng.choice((None, 0.2, 0.7)), Usage(10, 0, rng.randint(1, 9), 1))
        for _ in range(draws)
    ]
    held = Pool("q", "", tuple(drawn))
    reading = Reading(held)
    for n in {1, min(4, draws), draws}:
        for composition in (
            SelfConsistency(n=n),
            BestOfN(n=n, verifier=REWARD),
            BestOfN(n=n, verifier=REWARD, weighted=True),
        ):
            method, number = method_of(composition)
            told = reading.of(composition)
            assert told.value == estimates([held], method, number)[0]
    with pytest.raises(UsageError, match="draw more"):
        reading.of(SelfConsistency(n=draws + 1))
