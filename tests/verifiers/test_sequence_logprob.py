"""The likelihood of an attempt, a token or in all."""

import pytest
from self_judged import attempt, best_of, scores

from ponder.orchestrator.engine import Sampling
from ponder.orchestrator.types import Candidate, Finish
from ponder.verifiers import SequenceLogprob


@pytest.mark.parametrize(("of", "values"), [("mean", [-1.0, -2.0, -1.5]), ("sum", [-3.0, -2.0, -4.5])])
def test_values(of: str, values: list[float]) -> None:
    first = attempt(1.0, 2.0, 3.0)
    second = attempt(4.0, index=1, text="b")
    path = attempt(4.0, 2.0, index=2, text="d", after=attempt(3.0, finish=Finish.STEP, text="c"))
    found = scores(SequenceLogprob(of=of), [first, second, path])
    assert [score.value for score in found] == values
    assert {(score.kind, score.scale, score.detail) for score in found} == {("self", "reward", "")}


def test_what_has_no_log_probabilities_is_not_judged() -> None:
    drawn = Candidate((1,), "a", Finish.EOS, usage=attempt(1.0).usage)
    found = scores(SequenceLogprob(), [drawn, attempt(text="b")])
    assert [score.value for score in found] == [None, None]
    assert "best_of_n" in found[0].detail


async def test_best_of_n_draws_with_what_it_needs() -> None:
    result = await best_of(SequenceLogprob())
    values = [each.scores["sequence_logprob"].value for each in result.candidates]
    assert values == pytest.approx([sum(each.logprobs) / len(each.logprobs) for each in result.candidates])
    assert values == sorted(values, reverse=True)
    assert len(set(values)) > 1
    assert result.usage.verifier_calls == 0


def test_names_and_sampling() -> None:
    assert SequenceLogprob().name == "sequence_logprob"
    assert SequenceLogprob(of="sum").name == "sequence_logprob:sum"
    assert SequenceLogprob().sampling(Sampling(top_logprobs=3)) == Sampling(top_logprobs=3, logprobs=True)
