"""Vote as a node: reads answers, weighs by scores that candidates carry, and says what it lacks."""

import pytest
from making import candidate, context, indices

from ponder.orchestrator.errors import ShapeError
from ponder.orchestrator.plan import Plan
from ponder.orchestrator.shape import Shape
from ponder.orchestrator.types import Query
from ponder.strategies import Vote
from ponder.verifiers.answers import TextAnswer

QUERY = Query.ask("?")
TEXTS = ("it is 3", "3.0", "so 4", "no idea", "03")
SCORES = (0.1, 0.1, 0.9, 1.0, None)
CANDIDATES = [candidate(None, i, score, text=text) for i, (text, score) in enumerate(zip(TEXTS, SCORES, strict=True))]


async def test_spellings_of_one_number_stand_together() -> None:
    ordered = await Vote().run(QUERY, CANDIDATES, context())
    assert indices(ordered) == [0, 1, 4, 2, 3]
    assert [each.answer for each in ordered] == ["3", "3", "3", "4", None]


async def test_weights_are_the_scores_of_the_named_verifier() -> None:
    ordered = await Vote(weights="judge").run(QUERY, CANDIDATES, context())
    assert indices(ordered) == [2, 0, 1, 4, 3]


async def test_answers_are_read_as_asked() -> None:
    ordered = await Vote(answer=TextAnswer()).run(QUERY, CANDIDATES, context())
    assert [each.answer for each in ordered] == list(TEXTS)


async def test_a_negative_weight_is_noted_and_loses_nothing() -> None:
    ctx = context()
    given = [candidate(None, 0, -0.5, text="1"), candidate(None, 1, 0.5, text="2")]
    assert indices(await Vote(weights="judge").run(QUERY, given, ctx)) == [1, 0]
    assert "at least 0, got -0.5 from 'judge', which weighs nothing; map it" in ctx._run.reason


def test_vote_needs_candidates_with_the_scores_it_weighs_by() -> None:
    with pytest.raises(ShapeError, match="vote chooses among candidates"):
        Vote().infer(Shape(), Plan())
    with pytest.raises(
        ShapeError, match="weighs by the scores of 'prm', but candidates carry those of: judge; put a rank"
    ):
        Vote(weights="prm").infer(Shape(1, 4, frozenset({"judge"})), Plan())
    shape = Shape(1, 4, frozenset({"judge"}))
    assert Vote(weights="judge").infer(shape, Plan()) == shape
    assert Vote().engine_names() == ()
