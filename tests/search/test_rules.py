"""What is unsound is refused by its slot, the rule and the remedy; what is sound is not."""

import pytest

from ponder.orchestrator.archon import archon
from ponder.orchestrator.errors import ShapeError
from ponder.orchestrator.pipeline import Node, Pipeline
from ponder.search.spaces.rules import check
from ponder.strategies import (
    BestOfN,
    Cascade,
    Critic,
    Ensemble,
    Fuse,
    Rank,
    Ranker,
    RouteByDifficulty,
    Sample,
    Strategy,
    UnitTestEvaluator,
    UnitTestGenerator,
    VerifierFilter,
    Vote,
)
from ponder.verifiers import ExactMatch, ProcessReward

FOUR, REWARD = Sample(n=4), ProcessReward()
RANK = Rank(verifier=REWARD)


def series(*strategies: Strategy) -> Pipeline:
    return Pipeline.series(*strategies)


@pytest.mark.parametrize(
    ("strategy", "slot", "rule", "remedy"),
    [
        (FOUR, "sample", "last stage must choose among its candidates, but sample gives up to 4", "let it give one"),
        (
            Ensemble(members=(Sample(), Sample())),
            "ensemble",
            "but ensemble gives up to 2",
            "a vote, a rank or a ranker",
        ),
        (series(FOUR, Fuse(n=2)), "fuse_1", "but fuse gives up to 2", "let it give one"),
        (series(FOUR, series(FOUR, Vote())), "pipeline_1.sample_0", "must come first", "move it to the start"),
        (series(series(FOUR)), "pipeline_0.sample_0", "but sample gives up to 4", "let it give one"),
        (series(FOUR, Critic(), Vote()), "critic_1", "its critique must be used", "put a ranker or a fuse after it"),
        (series(FOUR, Critic()), "critic_1", "the last stage must choose", "a vote, a rank or a ranker after it"),
        (series(Sample(), Critic(), Ranker()), "critic_1", "its critique must be used", "put a ranker or a fuse"),
        (series(FOUR, UnitTestGenerator(), Vote()), "unit_test_generator_1", "its unit tests must be", "evaluator"),
        (
            series(FOUR, UnitTestGenerator(), UnitTestEvaluator(verifier=REWARD)),
            "unit_test_generator_1",
            "its unit tests must be used",
            "a unit_test_evaluator without a verifier",
        ),
        (series(FOUR, UnitTestEvaluator()), "unit_test_evaluator_1", "they carry none", "put a unit_test_generator"),
        (series(FOUR, RANK, Vote()), "vote_2", "the order that rank gives must be used", "weigh the vote by its"),
        (series(FOUR, RANK, Rank(verifier=ExactMatch())), "rank_2", "the order that rank gives", "give rank a keep"),
        (series(FOUR, Ranker(keep=4), Vote()), "vote_2", "the order that ranker gives", "give ranker a keep"),
        (series(RANK), "rank_0", "nothing before it draws any", "put a sample before it"),
        (series(FOUR, Vote(weights="prm")), "vote_1", "candidates carry those of: none", "put a rank"),
        (
            series(Sample(n=5), Fuse()),
            "fuse_1",
            "at most 4 candidates may be handed on, but it is given up to 5",
            "draw",
        ),
        (
            Cascade(stages=(FOUR, Sample()), verifier=REWARD, thresholds=(0.5,)),
            "cascade.0",
            "but sample gives up to 4",
            "let it give one",
        ),
        (
            RouteByDifficulty(routes=(Sample(), series(FOUR, Fuse(n=3))), thresholds=(0.5,), verifier=REWARD),
            "route_by_difficulty.1.fuse_1",
            "but fuse gives up to 3",
            "let it give one",
        ),
        (
            series(Cascade(stages=(Sample(), series(Sample(), Critic())), verifier=REWARD, thresholds=(0.5,)), Vote()),
            "cascade_0.1.critic_1",
            "its critique must be used",
            "put a ranker or a fuse",
        ),
    ],
)
def test_what_is_unsound_names_slot_rule_and_remedy(strategy, slot, rule, remedy) -> None:
    with pytest.raises(ShapeError) as caught:
        check(strategy, most_candidates=4)
    assert caught.value.node == slot
    assert rule in caught.value.rule
    assert remedy in caught.value.remedy


BRANCHES = Pipeline(
    nodes=(
        Node(name="draw", strategy=FOUR),
        Node(name="criticise", strategy=Critic(), after=("draw",)),
        Node(name="plain", strategy=Ranker(keep=1), after=("draw",)),
        Node(name="critical", strategy=Ranker(keep=1), after=("criticise",)),
        Node(name="fuse", strategy=Fuse(), after=("plain", "critical")),
    )
)


@pytest.mark.parametrize(
    "strategy",
    [
        Sample(),
        BestOfN(n=64, verifier=REWARD),
        series(FOUR, Fuse()),
        series(FOUR, Critic(), Ranker()),
        series(FOUR, Critic(), series(Ranker(keep=2), Fuse())),
        series(FOUR, VerifierFilter()),
        series(FOUR, RANK, Vote(weights="process_reward")),
        series(FOUR, Rank(verifier=REWARD, keep=2), Vote()),
        series(FOUR, RANK, Fuse()),
        BRANCHES,
        archon(samples=4, fusers=(4, 2), check="verifier"),
        archon(samples=4, check="unit_tests", criticised=False),
        Cascade(stages=(Sample(), series(FOUR, Fuse())), verifier=REWARD, thresholds=(0.5,)),
    ],
    ids=lambda strategy: strategy.kind,
)
def test_what_is_sound_passes(strategy) -> None:
    check(strategy, most_candidates=4)
