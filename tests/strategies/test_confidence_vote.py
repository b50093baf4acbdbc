"""Confidence voting: the sure few may outvote the many."""

import pytest
from making import context, indices
from scripted_engines import Scripted

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.engine import Sampling
from ponder.orchestrator.engines.simulated import SimulatedSpec
from ponder.orchestrator.engines.simulated_world import World
from ponder.orchestrator.errors import ShapeError
from ponder.orchestrator.plan import Plan
from ponder.orchestrator.shape import Shape
from ponder.orchestrator.types import Candidate, Query
from ponder.strategies import ConfidenceVote, SelfConsistency

QUERY = Query.ask("Which number?")


async def voted(texts: list[str], sure: list[float] | None, **knobs: object) -> list[Candidate]:
    """The candidates of a run whose texts have that confidence at every token."""
    tokens = None if sure is None else [[value] * (len(text) + 1) for text, value in zip(texts, sure, strict=True)]
    strategy = ConfidenceVote.model_validate({"n": len(texts), **knobs})
    return await strategy.run(QUERY, [], context(Scripted(texts, tokens)))


async def test_the_sure_outvote_the_many() -> None:
    found = await voted(["1", "2", "2"], [9.0, 4.0, 4.0], keep=1.0)
    assert [each.answer for each in found] == ["1", "2", "2"]


async def test_only_the_most_confident_vote() -> None:
    texts, sure = ["1", "2", "1", "2", "1"], [5.0, 8.0, 5.0, 6.0, 5.0]
    assert (await voted(texts, sure, keep=1.0))[0].answer == "1"
    found = await voted(texts, sure, keep=0.4)
    assert indices(found) == [1, 3, 0, 2, 4]


async def test_alike_confidence_is_the_majority() -> None:
    found = await voted(["1", "2", "2"], [4.0] * 3, keep=1.0)
    assert [each.answer for each in found] == ["2", "2", "1"]


async def test_without_confidences_all_vote_alike() -> None:
    found = await voted(["1", "2", "2"], None, keep=0.1)
    assert [each.answer for each in found] == ["2", "2", "1"]
    assert found[0].scores["confidence"].value is None


async def test_abstainers_come_last_however_sure() -> None:
    found = await voted(["none", "2", "1"], [9.0, 3.0, 2.0], keep=0.5)
    assert [each.answer for each in found] == ["2", None, "1"]
    assert [each.answer for each in await voted(["none", "no"], [1.0, 2.0])] == [None, None]


@pytest.mark.parametrize(("measure", "winner"), [("mean", "1"), ("tail", "2"), ("min", "2"), ("bottom", "2")])
async def test_each_measure_looks_elsewhere(measure: str, winner: str) -> None:
    texts, sure = ["so it is 1", "so it is 2"], [[9.0] * 9 + [1.0] * 2, [4.0] * 11]
    strategy = ConfidenceVote.model_validate({"n": 2, "measure": measure, "window": 2, "keep": 1.0})
    found = await strategy.run(QUERY, [], context(Scripted(texts, sure)))
    assert found[0].answer == winner


async def test_one_draw_is_its_own_vote() -> None:
    (only,) = await voted(["7"], [1.0], keep=0.1)
    assert only.answer == "7"


async def test_a_budget_that_ends_it_leaves_the_vote_so_far() -> None:
    engine = Scripted(["1", "2", "3"], [[1.0] * 2, [5.0] * 2, [9.0] * 2])
    found = await ConfidenceVote(n=3).run(QUERY, [], context(engine, budget=Budget(calls=2)))
    assert [each.answer for each in found] == ["2", "1"]


async def test_the_whole_vote_at_full_length_is_that_of_the_simulated_model() -> None:
    engine, query = SimulatedSpec(world=World(seed=1, steps=2, branching=3)).open(), Query.ask("Problem 3?")
    for seed in range(5):
        found = await ConfidenceVote(n=6, keep=0.5).run(query, [], context(engine, seed=seed))
        values = [each.scores["confidence"].value for each in found]
        assert all(value is not None and value > 0 for value in values)
        assert min(values[:3]) >= max(values[3:])  # type: ignore[type-var]


def test_it_asks_for_confidences_and_says_who_scored() -> None:
    assert ConfidenceVote(max_tokens=9, top_logprobs=5).sampling == Sampling(max_tokens=9, top_logprobs=5)
    assert "confidence" in ConfidenceVote().infer(Shape(), Plan()).scored_by
    assert SelfConsistency().sampling.top_logprobs == 0


def test_an_engine_that_gives_none_is_refused_before_anything_is_paid() -> None:
    with pytest.raises(ShapeError, match="log-probabilities"):
        ConfidenceVote().infer(Shape(), Plan({"generator": Scripted(["1"])}))
