"""Prices: what measuring would newly cost, from what was seen and what is held."""

import numpy as np
import pytest

from ponder.orchestrator.budget import COUNTED
from ponder.orchestrator.pipeline import Pipeline
from ponder.search.prices import Prices
from ponder.strategies import AdaptiveConsistency, BestOfN, FirstAccepted, Rank, Rebase, Sample, SelfConsistency, Vote
from ponder.verifiers import ExactMatch, ProcessReward

REWARD = ProcessReward()
VOTE4, VOTE8, BEST4, SURE8, ACCEPTED, TREE, SHORT, LONG = range(8)
FILTER = Rank(verifier=REWARD, keep=2)
COMPOSITIONS = [
    SelfConsistency(n=4),
    SelfConsistency(n=8),
    BestOfN(n=4, verifier=REWARD),
    AdaptiveConsistency(n=8),
    FirstAccepted(n=4, verifier=REWARD),
    Rebase(n=4, verifier=REWARD),
    Pipeline.series(Sample(n=3), FILTER, Vote()),
    Pipeline.series(Sample(n=3), FILTER, Rank(verifier=ExactMatch())),
]
MOST = {VOTE4: 400, VOTE8: 800, BEST4: 600, SURE8: 800, ACCEPTED: 600, TREE: 900, SHORT: 500, LONG: 600}
FAMILIES = [0, 0, 1, 2, 3, 4, 5, 6]
ALL = np.arange(10)
TOKENS, CALLS = COUNTED.index("total_tokens"), COUNTED.index("calls")


def row(tokens: float, calls: float = 0) -> np.ndarray:
    found = np.zeros(len(COUNTED))
    found[[TOKENS, CALLS]] = tokens, calls
    return found


def prices() -> Prices:
    most = np.array([row(MOST[number], 4) for number in range(8)])
    return Prices(COMPOSITIONS, most, np.array(FAMILIES), 10, lambda part: row(100 * len(part.nodes)))


def new(found: Prices, composition: int, items=ALL, replicate: int = 0) -> float:
    return float(found.new(composition, replicate, items)[TOKENS])


def test_before_anything_is_seen_a_query_costs_the_most_it_may() -> None:
    assert prices().costs()[:, TOKENS].tolist() == list(MOST.values())
    assert new(prices(), VOTE8) == 8000


def test_what_was_seen_scales_what_was_not_by_family_first() -> None:
    found = prices()
    found.see(VOTE4, 0, ALL[:2], np.array([row(100, 2), row(300, 2)]))
    assert found.costs()[[VOTE4, VOTE8, BEST4], TOKENS].tolist() == [200, 400, 300]
    found.see(BEST4, 0, ALL, np.array([row(60)] * 10))
    assert found.costs()[[VOTE8, BEST4], TOKENS].tolist() == [400, 60]
    assert found.costs()[TREE, TOKENS] == pytest.approx(900 * (0.5 + 0.1) / 2)
    assert found.costs()[VOTE8, CALLS] == 2


def test_the_mean_is_over_all_that_was_seen_each_query_and_replicate_once() -> None:
    found = prices()
    found.see(VOTE4, 0, ALL[:3], np.array([row(100)] * 3))
    found.see(VOTE4, 0, ALL[3:4], np.array([row(500)]))
    assert found.costs()[VOTE4, TOKENS] == 200
    found.see(VOTE4, 0, ALL[3:4], np.array([row(100)]))
    assert found.costs()[VOTE4, TOKENS] == 100
    found.see(VOTE4, 1, ALL[:4], np.array([row(300)] * 4))
    assert found.costs()[VOTE4, TOKENS] == 200


def test_draws_held_are_not_paid_again() -> None:
    found = prices()
    found.hold(VOTE4, 4, 0, ALL[:5])
    assert new(found, VOTE4, ALL[:5]) == 0
    assert new(found, VOTE4) == 5 * 400
    assert new(found, VOTE8, ALL[:5]) == 5 * 400
    assert new(found, VOTE8, ALL[:5], replicate=1) == 5 * 800


def test_judging_what_is_drawn_costs_the_judgement() -> None:
    found = prices()
    found.hold(VOTE4, 4, 0, ALL)
    assert new(found, BEST4) == 10 * 300, "half of it, as long as draws alone were never seen"
    found.see(VOTE4, 0, ALL, np.array([row(400)] * 10))
    assert new(found, BEST4) == 10 * 200
    found.hold(BEST4, 4, 0, ALL)
    assert new(found, BEST4) == 0


def test_what_stops_as_it_goes_is_free_where_its_pool_is_held() -> None:
    found = prices()
    found.hold(VOTE4, 4, 0, ALL)
    assert new(found, SURE8) == 8000, "it may need 8"
    found.hold(VOTE8, 8, 0, ALL[:6])
    assert new(found, SURE8) == 4 * 800
    assert new(found, ACCEPTED) == 6000, "nobody judged it"
    found.hold(BEST4, 4, 0, ALL)
    assert new(found, ACCEPTED) == 0
    assert new(found, ACCEPTED, replicate=1) == 6000


def test_what_runs_as_it_stands_is_paid_once() -> None:
    found = prices()
    found.hold(TREE, 1, 0, ALL[:9])
    assert new(found, TREE) == 900


def test_pipelines_share_their_beginnings() -> None:
    found = prices()
    found.hold(SHORT, 1, 0, ALL)
    assert new(found, LONG) == pytest.approx(10 * 600 / 3), "two of three parts of 100 are held"


def test_elsewhere_nothing_is_held_and_costs_are_known() -> None:
    found = prices()
    found.see(VOTE4, 0, ALL, np.array([row(200)] * 10))
    found.hold(VOTE4, 4, 0, ALL)
    other = found.elsewhere(3)
    assert new(other, VOTE4, ALL[:3]) == 3 * 200
    other.hold(VOTE4, 4, 0, ALL[:3])
    assert (new(other, VOTE4, ALL[:3]), new(found, VOTE4)) == (0, 0)
    assert new(found, VOTE8) == 10 * 200
