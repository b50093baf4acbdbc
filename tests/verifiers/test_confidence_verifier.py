"""Confidence as a verifier: DeepConf's measures of what the engine told while it drew."""

import pytest
from self_judged import QUERY, Mute, attempt, best_of, scores

from ponder.orchestrator.engine import Sampling
from ponder.orchestrator.errors import ShapeError
from ponder.orchestrator.runtime import Runtime
from ponder.orchestrator.types import Candidate, Finish
from ponder.strategies import BestOfN, ConfidenceVote
from ponder.verifiers import Confidence
from ponder.verifiers.trace_confidence import Measure, trace_confidence


@pytest.mark.parametrize(("measure", "value"), [("mean", 3.5), ("tail", 4.5), ("bottom", 2.0), ("min", 2.0)])
def test_values(measure: Measure, value: float) -> None:
    (score,) = scores(Confidence(measure=measure, window=2), [attempt(4.0, 1.0, 3.0, 6.0)])
    assert (score.value, score.kind, score.scale, score.detail) == (value, "self", "reward", "")


def test_the_whole_path_of_a_partial_attempt_counts() -> None:
    part = attempt(4.0, 1.0, finish=Finish.STEP)
    (score,) = scores(Confidence(measure="mean"), [attempt(3.0, 6.0, after=part, finish=Finish.STEP)])
    assert score.value == 3.5


def test_without_log_probabilities_the_remedy_is_named() -> None:
    found = scores(
        Confidence(), [Candidate((1,), "a", Finish.EOS, confidences=None, usage=attempt(1.0).usage), attempt()]
    )
    assert [score.value for score in found] == [None, None]
    assert found[0].detail.endswith("let best_of_n draw and judge it, on an engine that gives them")
    assert found[1].detail == "no token was generated"


async def test_best_of_n_draws_with_what_it_needs() -> None:
    result = await best_of(Confidence(measure="min", window=3))
    values = [each.scores["confidence:min:3"].value for each in result.candidates]
    assert values == [trace_confidence(each.confidences or (), "min", 3) for each in result.candidates]
    assert values == sorted(values, reverse=True)
    assert len(set(values)) > 1
    assert (result.usage.calls, result.usage.verifier_calls) == (6, 0)


async def test_it_says_what_confidence_voting_weighs_by() -> None:
    result = await best_of(Confidence())
    from self_judged import SPEC

    async with Runtime({"generator": SPEC}) as runtime:
        voted = await runtime.run(ConfidenceVote(n=6, max_tokens=60), QUERY)
    assert {each.index: each.scores["confidence"] for each in voted.candidates} == {
        each.index: each.scores["confidence"] for each in result.candidates
    }


async def test_an_engine_without_log_probabilities_is_refused_before_anything_is_drawn() -> None:
    async with Runtime({"generator": Mute()}) as runtime:
        with pytest.raises(ShapeError, match="must be able to give log-probabilities"):
            await runtime.run(BestOfN(n=2, verifier=Confidence()), QUERY)


def test_names_and_sampling() -> None:
    assert Confidence().name == "confidence"
    assert Confidence(measure="mean", window=5).name == "confidence:mean"
    assert Confidence(measure="min").name == "confidence:min"
    assert Confidence(window=5).name == "confidence:5"
    assert Confidence(top_logprobs=7).sampling(Sampling(max_tokens=3)) == Sampling(max_tokens=3, top_logprobs=7)
    assert Confidence().engine_names() == ()
