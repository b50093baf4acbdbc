"""Arms: the fewest runs that cover the compositions."""

from ponder.orchestrator.pipeline import Pipeline
from ponder.search.arms import arms
from ponder.strategies import BestOfN, Rank, Sample, SelfConsistency
from ponder.verifiers import ExactMatch, ProcessReward
from ponder.verifiers.answers import TextAnswer

REWARD = ProcessReward()


def test_all_n_of_all_ways_to_choose_share_one_pool() -> None:
    compositions = [
        Sample(),
        *(SelfConsistency(n=n) for n in (2, 8)),
        *(BestOfN(n=n, verifier=REWARD, weighted=w) for n in (2, 16) for w in (False, True)),
    ]
    [arm] = arms(compositions)
    assert arm.strategy == BestOfN(n=16, verifier=REWARD)
    assert (arm.draws, arm.compositions) == (16, tuple(compositions))
    assert (arm.verifier, arm.answer) == (REWARD, SelfConsistency().answer)


def test_without_a_judge_the_pool_is_a_sample() -> None:
    [arm] = arms([SelfConsistency(n=2), Sample(), BestOfN(n=1, verifier=REWARD)])
    assert arm.strategy == Sample(n=2)
    assert arm.verifier is None


def test_other_sampling_judges_or_answers_are_other_pools() -> None:
    for other in (
        SelfConsistency(n=2, temperature=0.5),
        SelfConsistency(n=2, max_tokens=9),
        SelfConsistency(n=2, engine="big"),
        SelfConsistency(n=2, answer=TextAnswer()),
    ):
        assert len(arms([SelfConsistency(n=2), other])) == 2
    assert len(arms([BestOfN(verifier=REWARD), BestOfN(verifier=ExactMatch())])) == 2
    assert len(arms([BestOfN(verifier=REWARD), BestOfN(n=1, verifier=ExactMatch())])) == 1


def test_what_is_no_choice_from_a_pool_runs_as_it_stands() -> None:
    pipeline = Pipeline.series(Sample(n=3), Rank(verifier=REWARD))
    pooled, alone = arms([pipeline, Sample()])
    assert (alone.strategy, alone.compositions, alone.draws) == (pipeline, (pipeline,), None)
    assert pooled.strategy == Sample()


def test_a_subclass_may_do_more_than_choose_and_runs_as_it_stands() -> None:
    class Twice(BestOfN):
        """Another strategy."""

    [arm] = arms([Twice(n=4, verifier=REWARD)])
    assert arm.draws is None
