"""Rank and its order: valid before invalid, ties by documented keys."""

import random

import pytest
from making import ByTable, Counting, Failing, candidate, context, indices

from ponder.orchestrator.errors import ShapeError
from ponder.orchestrator.plan import Plan
from ponder.orchestrator.shape import Shape
from ponder.orchestrator.types import Query
from ponder.strategies import Rank
from ponder.strategies.ranking import ranked

QUERY = Query.ask("?")


def test_every_valid_score_is_before_every_invalid_one() -> None:
    scores = [None, -5.0, float("nan"), 0.0, float("inf"), 3.0]
    assert indices(ranked([candidate("1", i, s) for i, s in enumerate(scores)], "judge")) == [5, 3, 1, 0, 2, 4]


def test_a_score_of_another_verifier_does_not_count() -> None:
    assert indices(ranked([candidate("1", 0, 0.1), candidate("1", 1, 0.9)], "someone else")) == [0, 1]


def test_ties_go_to_fewer_tokens_then_to_the_lower_index() -> None:
    tied = [candidate("1", 0, 0.5, tokens=7), candidate("1", 1, 0.5, tokens=3), candidate("1", 2, 0.5, tokens=3)]
    assert indices(ranked(tied, "judge")) == [1, 2, 0]
    assert indices(ranked(reversed(tied), "judge")) == [1, 2, 0]


async def test_rank_keeps_the_best() -> None:
    candidates = [candidate("1", i, text=text) for i, text in enumerate("abcd")]
    judge = ByTable(table={"a": 0.1, "b": 0.9, "d": 0.4})
    kept = await Rank(verifier=judge, keep=2).run(QUERY, candidates, context())
    assert indices(kept) == [1, 3]
    assert indices(await Rank(verifier=judge).run(QUERY, candidates, context())) == [1, 3, 0, 2]
    assert kept[0].scores["table"].value == 0.9
    assert kept[0].scores["judge"].value is None


async def test_permuting_the_candidates_changes_nothing() -> None:
    candidates = [candidate("1", i, text=text) for i, text in enumerate("abcd")]
    strategy = Rank(verifier=ByTable(table={"a": 0.1, "b": 0.9, "d": 0.4}))
    expected = await strategy.run(QUERY, candidates, context())
    for seed in range(5):
        shuffled = random.Random(seed).sample(candidates, 4)
        assert await strategy.run(QUERY, shuffled, context()) == expected


async def test_equal_candidates_are_judged_once() -> None:
    judge = Counting()
    candidates = [candidate("1", 0, text="a"), candidate("1", 0, text="a"), candidate("1", 1, text="b")]
    judged = await Rank(verifier=judge).run(QUERY, candidates, context())
    assert (judge.asked, len(judged)) == (["a", "b"], 3)


async def test_a_verifier_that_fails_loses_its_scores_alone() -> None:
    candidates = [candidate("1", i, text=text) for i, text in enumerate("abc")]
    ctx = context()
    judged = await Rank(verifier=Failing()).run(QUERY, candidates, ctx)
    assert indices(judged) == [0, 1, 2]
    assert all("rubric" in each.scores["failing"].detail for each in judged)


async def test_a_verifier_that_fails_on_one_candidate_loses_that_score_alone() -> None:
    candidates = [candidate("1", i, text=text) for i, text in enumerate("abc")]
    judged = await Rank(verifier=Failing(on="a", alone=True)).run(QUERY, candidates, context())
    assert [each.scores["failing"].value for each in judged] == [0.5, 0.5, None]
    assert indices(judged) == [1, 2, 0]


async def test_a_score_is_not_lost_to_a_judge_that_fails_later() -> None:
    known = [candidate("1", 0, 0.7).with_score("failing", candidate("1", 0, 0.7).scores["judge"])]
    judged = await Rank(verifier=Failing()).run(QUERY, known, context())
    assert judged[0].scores["failing"].value == 0.7


def test_rank_needs_candidates() -> None:
    with pytest.raises(
        ShapeError, match=r"node 'n': rank chooses among candidates.*; put a sample before it"
    ) as caught:
        Rank(verifier=Counting()).infer(Shape(), Plan(node="n"))
    assert caught.value.node == "n"
    shape = Rank(verifier=Counting(), keep=2).infer(Shape(1, 8), Plan())
    assert (shape.fewest, shape.most, shape.scored_by) == (1, 2, {"counting"})
