"""Arms: what is run for a composition, and which compositions share it."""

import pytest

from ponder.orchestrator.pipeline import Pipeline
from ponder.search.pools.arms import Arm, arm_of, draws_of, is_pooled
from ponder.strategies import AdaptiveConsistency, BestOfN, Rank, Sample, SelfConsistency, TreeOfThoughts
from ponder.verifiers import ExactMatch, PairwiseJudge, ProcessReward, ScalarJudge
from ponder.verifiers.answers import TextAnswer

REWARD = ProcessReward()
VOTE, BEST, WEIGHTED = SelfConsistency(n=8), BestOfN(n=16, verifier=REWARD), BestOfN(verifier=REWARD, weighted=True)


def test_any_number_of_draws_is_one_arm() -> None:
    for one, other in ((VOTE, SelfConsistency(n=64)), (BEST, BestOfN(n=2, verifier=REWARD))):
        assert arm_of(one) == arm_of(other)
    assert arm_of(BEST).at(5) == BestOfN(n=5, verifier=REWARD)
    assert arm_of(VOTE).at(5) == Sample(n=5)
    assert [draws_of(each) for each in (VOTE, BEST, Sample(), AdaptiveConsistency(n=9))] == [8, 16, 1, 1]


def test_draws_are_named_apart_from_who_judges_and_reads_them() -> None:
    streams = {arm_of(each).stream for each in (VOTE, BEST, WEIGHTED, Sample(), BestOfN(n=1, verifier=REWARD))}
    assert len(streams) == 1
    for other in ({"temperature": 0.5}, {"max_tokens": 9}, {"engine": "big"}, {"top_p": 0.5}):
        assert arm_of(SelfConsistency(n=2, **other)).stream not in streams
    assert len({arm_of(each).id for each in (VOTE, BEST, WEIGHTED, Sample())}) == 4


def serves(one, other) -> bool:
    return arm_of(one).serves(arm_of(other))


def test_a_pool_serves_what_needs_no_more_than_it_carries() -> None:
    assert serves(VOTE, Sample())
    assert serves(BEST, Sample())
    assert serves(WEIGHTED, VOTE)
    assert serves(WEIGHTED, BEST)
    assert not serves(Sample(), VOTE)
    assert not serves(VOTE, BEST)
    assert not serves(BEST, VOTE), "its answers were not read"
    assert not serves(SelfConsistency(answer=TextAnswer()), VOTE)
    assert not serves(BestOfN(n=4, verifier=ExactMatch()), BEST)
    assert not serves(SelfConsistency(temperature=0.1), VOTE)


@pytest.mark.parametrize(
    "composition",
    [
        AdaptiveConsistency(n=4),
        Pipeline.series(Sample(n=3), Rank(verifier=REWARD)),
        BestOfN(n=4, verifier=PairwiseJudge()),
    ],
)
def test_what_is_no_choice_from_a_pool_runs_as_it_stands(composition) -> None:
    assert not is_pooled(composition)
    assert arm_of(composition) == Arm(composition)
    assert arm_of(composition).at(7) is composition
    assert arm_of(composition).serves(arm_of(composition))
    assert not serves(composition, Sample())


def test_a_subclass_may_do_more_than_choose_and_runs_as_it_stands() -> None:
    class Twice(BestOfN):
        """Another strategy."""

    assert arm_of(Twice(n=4, verifier=REWARD)) == Arm(Twice(n=4, verifier=REWARD))


def test_knobs_that_are_tables_can_be_told_apart_too() -> None:
    """What holds a table has no hash of its own in Python."""
    judges = [ScalarJudge(engine="generator"), ScalarJudge(engine="generator", votes=3)]
    assert len({*judges, ScalarJudge(engine="generator")}) == 2
    assert len({arm_of(BestOfN(n=4, verifier=judge)) for judge in (*judges, judges[0])}) == 2
    assert len({TreeOfThoughts(), TreeOfThoughts(), Sample()}) == 2
