"""The canonical form: what is the same has one id, and what costs or does anything else another."""

import pytest

from ponder.orchestrator.engines.simulated import SimulatedSpec
from ponder.orchestrator.pipeline import Node, Pipeline
from ponder.search.spaces.plain import plain
from ponder.strategies import (
    AdaptiveConsistency,
    AdaptiveSampling,
    BestOfN,
    Cascade,
    Critic,
    EarlyStoppingSelfConsistency,
    Ensemble,
    FirstAccepted,
    Fuse,
    Rank,
    Ranker,
    RouteByDifficulty,
    Sample,
    SelfConsistency,
    Strategy,
    UnitTestEvaluator,
    Vote,
)
from ponder.verifiers import ExactMatch, ProcessReward
from ponder.verifiers.answers import TextAnswer

REWARD = ProcessReward()
ONE, FOUR = Sample(temperature=0.7, stop=("x",)), Sample(n=4)
LIKE_ONE = {"n": 1, "temperature": 0.7, "stop": ("x",)}


def series(*strategies: Strategy) -> Pipeline:
    return Pipeline.series(*strategies)


def cascade(*stages: Strategy) -> Cascade:
    return Cascade(stages=stages, verifier=REWARD, thresholds=(0.5,))


SAME = {
    "one of a vote": (SelfConsistency(**LIKE_ONE), ONE),
    "best of one": (BestOfN(**LIKE_ONE, verifier=REWARD, weighted=True), ONE),
    "first of one": (FirstAccepted(**LIKE_ONE, verifier=REWARD), ONE),
    "adaptive vote of one": (AdaptiveConsistency(**LIKE_ONE), ONE),
    "adaptive draws, one": (AdaptiveSampling(**LIKE_ONE), ONE),
    "stopping vote of one": (EarlyStoppingSelfConsistency(**LIKE_ONE), ONE),
    "a window as wide as all": (EarlyStoppingSelfConsistency(n=5, window=5), SelfConsistency(n=5)),
    "a round as large as all": (AdaptiveConsistency(n=4, round=8), SelfConsistency(n=4)),
    "a series of one": (Pipeline.series(BestOfN(verifier=REWARD), name="mine"), BestOfN(verifier=REWARD)),
    "a series in a series": (series(series(FOUR, Vote()), Fuse()), series(FOUR, Vote(), Fuse())),
    "a vote of one in a series": (series(FOUR, Fuse(), Vote()), series(FOUR, Fuse())),
    "a vote of one alone": (series(SelfConsistency(**LIKE_ONE), Vote()), ONE),
    "all that is idle in a series": (series(ONE, series(Vote(), Ranker())), ONE),
    "a ranker of one": (series(ONE, Ranker(keep=1), Fuse()), series(ONE, Fuse())),
    "a free rank of one": (series(ONE, Rank(verifier=ExactMatch())), ONE),
    "an ensemble of one": (series(Ensemble(members=(FOUR,)), Vote()), series(FOUR, Vote())),
    "keeping all": (series(FOUR, Rank(verifier=REWARD, keep=4)), series(FOUR, Rank(verifier=REWARD))),
    "an answer that nobody reads": (BestOfN(verifier=REWARD, answer=TextAnswer()), BestOfN(verifier=REWARD)),
    "nucleus of the greedy": (Sample(temperature=0, top_p=0.5), Sample(temperature=0)),
    "how nobody is asked": (
        series(FOUR, UnitTestEvaluator(verifier=REWARD, engine="x", temperature=0.1)),
        series(FOUR, UnitTestEvaluator(verifier=REWARD)),
    ),
    "stages": (cascade(SelfConsistency(**LIKE_ONE), series(FOUR, Fuse(), Vote())), cascade(ONE, series(FOUR, Fuse()))),
    "routes": (
        RouteByDifficulty(routes=(series(ONE), ONE), thresholds=(0.5,), verifier=REWARD),
        RouteByDifficulty(routes=(ONE, ONE), thresholds=(0.5,), verifier=REWARD),
    ),
}


@pytest.mark.parametrize(("strategy", "plainer"), SAME.values(), ids=SAME)
def test_what_is_the_same_has_one_form(strategy, plainer) -> None:
    assert plain(strategy) == plainer
    assert plain(plainer) == plainer
    assert strategy.id != plainer.id


class MyVote(SelfConsistency):
    """Does whatever it likes."""


BRANCHES = Pipeline(
    nodes=(
        Node(name="a", strategy=FOUR),
        Node(name="b", strategy=FOUR),
        Node(name="v", strategy=Vote(), after=("a", "b")),
    )
)


@pytest.mark.parametrize(
    "strategy",
    [
        series(ONE, Rank(verifier=REWARD)),  # judges, though in vain
        series(ONE, Critic(), Fuse()),
        series(FOUR, Ranker(keep=3), Fuse()),
        BestOfN(n=2, verifier=REWARD, weighted=True, answer=TextAnswer()),
        FirstAccepted(n=1, verifier=REWARD, abstain=True),
        AdaptiveConsistency(n=1, launch="all"),
        AdaptiveConsistency(n=5, round=4),
        EarlyStoppingSelfConsistency(n=6, window=5),
        Sample(temperature=0.1, top_p=0.5),
        Ensemble(members=(FOUR, FOUR)),
        MyVote(n=1),
        BRANCHES,
        Pipeline.series(FOUR, Vote(), engines={"generator": SimulatedSpec()}),
    ],
    ids=lambda strategy: strategy.kind,
)
def test_what_differs_in_answer_or_cost_is_left_as_it_is(strategy) -> None:
    assert plain(strategy) == strategy


def test_what_stands_in_a_graph_is_plain_too() -> None:
    nodes = [node.model_copy(update={"strategy": SelfConsistency(n=1)}) for node in BRANCHES.nodes[:2]]
    assert [node.strategy for node in plain(Pipeline(nodes=(*nodes, BRANCHES.nodes[2]))).nodes] == [
        Sample(),
        Sample(),
        Vote(),
    ]
