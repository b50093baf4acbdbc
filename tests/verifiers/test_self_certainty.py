"""Self-certainty: the divergence from the uniform distribution over the likeliest tokens, to the letter."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from self_judged import attempt, best_of, scores

from ponder.orchestrator.types import Candidate, Finish
from ponder.verifiers import Confidence, SelfCertainty

laws = st.lists(st.floats(0.01, 1), min_size=4, max_size=4).map(lambda weights: [w / sum(weights) for w in weights])


def confidence(law: list[float]) -> float:
    """What an engine gives where these are the likeliest tokens."""
    return -sum(map(math.log, law)) / len(law)


@given(st.lists(laws, min_size=1, max_size=5))
def test_over_the_whole_vocabulary_it_is_the_mean_divergence_from_uniform(rows: list[list[float]]) -> None:
    divergences = [sum(math.log(0.25 / p) / 4 for p in law) for law in rows]
    (score,) = scores(SelfCertainty(top_logprobs=4), [attempt(*map(confidence, rows))])
    assert score.value == pytest.approx(sum(divergences) / len(rows), abs=1e-8)
    assert score.value >= 0


def test_a_uniform_guess_is_worth_nothing_and_certainty_much() -> None:
    even = attempt(*[math.log(4)] * 3)
    sure = attempt(*[confidence([0.97, 0.01, 0.01, 0.01])] * 3, index=1, text="b")
    found = scores(SelfCertainty(top_logprobs=4), [even, sure])
    assert [score.value for score in found] == pytest.approx(
        [0.0, (math.log(0.25 / 0.97) + 3 * math.log(25)) / 4], abs=1e-8
    )
    assert found[0].value >= 0.0
    assert {(score.kind, score.scale) for score in found} == {("self", "reward")}


def test_it_is_the_mean_confidence_less_a_constant() -> None:
    attempts = [attempt(3.0, 5.0), attempt(4.0, 9.0, 5.0, index=1, text="b")]
    certain = scores(SelfCertainty(), attempts)
    confident = scores(Confidence(measure="mean"), attempts)
    for one, other in zip(certain, confident, strict=True):
        assert one.value == other.value - math.log(20)


def test_what_has_no_log_probabilities_is_not_judged() -> None:
    (score,) = scores(SelfCertainty(), [Candidate((), "a", Finish.EOS)])
    assert (score.value, score.detail) == (None, "no token was generated")


async def test_best_of_n_by_self_certainty_costs_its_draws_alone() -> None:
    result = await best_of(SelfCertainty())
    assert result.best.scores["self_certainty"].value == max(
        each.scores["self_certainty"].value for each in result.candidates
    )
    assert (result.usage.calls, result.usage.verifier_calls) == (6, 0)
