"""Several engines draw side by side, each as many and as it is told."""

import pytest
from answering import Answering
from making import context

from ponder.orchestrator.errors import ShapeError
from ponder.orchestrator.plan import Plan
from ponder.orchestrator.shape import Shape
from ponder.orchestrator.types import Query
from ponder.strategies import STRATEGIES
from ponder.strategies.ensemble import Ensemble
from ponder.strategies.sample import Sample

QUERY = Query.ask("Which?")
TWO = Ensemble(members=(Sample(n=2, temperature=0.5), Sample(n=1, engine="other", max_tokens=9)))


async def test_each_member_draws_its_own_number_in_its_own_way():
    one, other = Answering(lambda _: "a", "one"), Answering(lambda _: "b", "other")
    drawn = await TWO.run(QUERY, [], context(one, other=other))
    assert [(c.text, c.index) for c in drawn] == [("a", 0), ("a", 1), ("b", 2)]
    assert [s.temperature for s in one.samplings] == [0.5, 0.5]
    assert [s.max_tokens for s in other.samplings] == [9]


async def test_a_dead_engine_costs_its_own_draws():
    dead = Answering(lambda _: None, "one")
    drawn = await TWO.run(QUERY, [], context(dead, other=Answering(lambda _: "b", "other")))
    assert [c.text for c in drawn] == ["b"]


async def test_one_member_is_a_sample():
    member = Sample(n=3)
    alone = await Ensemble(members=(member,)).run(QUERY, [], context(Answering(lambda _: "a")))
    assert alone == await member.run(QUERY, [], context(Answering(lambda _: "a")))


def test_it_must_come_first():
    with pytest.raises(ShapeError, match="must come first, but it is given candidates; move it"):
        TWO.infer(Shape(1, 1), Plan())


def test_its_shape_is_that_of_all_members():
    shape = TWO.infer(Shape(), Plan())
    assert (shape.most, shape.longest, shape.drawn_by) == (3, 512, {"generator", "other"})
    assert TWO.engine_names() == ("generator", "other")


def test_a_member_is_a_table_of_knobs():
    built = STRATEGIES.build({"kind": "ensemble", "members": [{"n": 2, "temperature": 0.5}]})
    assert built == Ensemble(members=(Sample(n=2, temperature=0.5),))
