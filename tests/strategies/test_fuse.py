"""Fused answers are new ones; where there are none, those that came stand."""

import pytest
from answering import Answering
from making import candidate, context

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.errors import ShapeError
from ponder.orchestrator.plan import Plan
from ponder.orchestrator.shape import Shape
from ponder.orchestrator.types import Query
from ponder.strategies.fuse import Fuse

QUERY = Query.ask("Which?")
TWO = [candidate("1", 0, 0.5, text="one").with_critique("too short"), candidate("2", 1, 0.4, text="two")]


async def test_fused_answers_replace_the_candidates_with_nothing_left_over():
    engine = Answering(lambda _: "fused")
    fused = await Fuse(n=3).run(QUERY, TWO, context(engine))
    assert [(c.text, c.critique, c.answer, c.scores, c.index) for c in fused] == [
        ("fused", None, None, {}, i) for i in range(3)
    ]
    assert len(engine.prompts) == 3
    assert "one\n\nCritique:\ntoo short\n" in engine.prompts[0]


async def test_critiques_never_outlive_their_candidates():
    ctx = context(Answering(lambda _: "fused"))
    first = await Fuse(n=2).run(QUERY, TWO, ctx.child("0", "fuse"))
    engine = Answering(lambda _: "again")
    await Fuse().run(QUERY, first, context(engine))
    assert "Critique:" not in engine.prompts[0]


async def test_one_candidate_can_be_fused():
    assert [c.text for c in await Fuse().run(QUERY, TWO[:1], context(Answering(lambda _: "better")))] == ["better"]


async def test_calls_that_all_fail_leave_the_first_candidates():
    assert await Fuse(n=2).run(QUERY, TWO, context(Answering(lambda _: None))) == TWO
    assert await Fuse().run(QUERY, TWO, context(Answering(lambda _: None))) == TWO[:1]
    assert await Fuse(n=2).run(QUERY, TWO, context(Answering(lambda _: "x"), budget=Budget(total_tokens=20))) == TWO


async def test_without_candidates_the_question_is_put_plainly():
    engine = Answering(lambda _: "plain")
    assert [c.text for c in await Fuse().run(QUERY, [], context(engine))] == ["plain"]
    assert engine.prompts == ["Which?"]


def test_there_must_be_candidates():
    with pytest.raises(ShapeError, match="fuse works on candidates, but nothing before it draws any; put a sample"):
        Fuse().infer(Shape(), Plan())


def test_its_shape_has_no_critique():
    given = Shape(1, 4, frozenset({"judge"}), 9).with_carried("critique", Shape(1, 1))
    fused = Fuse(n=2, max_tokens=30).infer(given, Plan())
    assert (fused.most, fused.longest, fused.scored_by, dict(fused.carries)) == (2, 30, frozenset(), {})
