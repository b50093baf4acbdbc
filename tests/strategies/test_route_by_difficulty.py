"""Probes or metadata say how hard a query is; that chooses the strategy."""

import pytest
from answering import Answering, in_turn
from making import ByTable, Counting, Failing, context
from pydantic import ValidationError

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.engines.simulated import SimulatedSpec
from ponder.orchestrator.errors import ShapeError
from ponder.orchestrator.plan import Plan
from ponder.orchestrator.shape import Shape
from ponder.orchestrator.types import Query
from ponder.strategies import STRATEGIES
from ponder.strategies.route_by_difficulty import RouteByDifficulty
from ponder.strategies.sample import Sample

QUERY = Query.ask("Which?")
ROUTES = (Sample(n=1), Sample(n=2), Sample(n=3))
KNOBS = {"routes": ROUTES, "thresholds": (0.25, 0.75)}
TABLE = ByTable(table={"right": 1.0, "half": 0.5, "wrong": 0.0})
PROBING = RouteByDifficulty(**KNOBS, verifier=TABLE, probe=Sample(n=4))
STATED = RouteByDifficulty(**KNOBS, metadata="level")


async def run(strategy, *texts, query=QUERY, **knobs):
    ctx = context(Answering(in_turn(*texts)), **knobs)
    return [c.text for c in await strategy.run(query, [], ctx)], ctx._run


@pytest.mark.parametrize(
    ("probes", "drawn"),
    [
        (["right"] * 4, 1),
        (["right", "right", "right", "wrong"], 2),
        (["half"] * 4, 2),
        (["right", "wrong", "wrong", "wrong"], 3),
        (["wrong"] * 4, 3),
        (["right", "unknown", "unknown", "unknown"], 1),
        (["unknown"] * 4, 3),
        ([None] * 4, 3),
    ],
)
async def test_one_minus_the_mean_score_of_the_probes_chooses_the_route(probes, drawn):
    assert (await run(PROBING, *probes, "answer"))[0] == ["answer"] * drawn


@pytest.mark.parametrize(("level", "drawn"), [(0, 1), (0.2, 1), (0.25, 2), (0.74, 2), (0.75, 3), (7, 3)])
async def test_metadata_can_say_it(level, drawn):
    query = QUERY.model_copy(update={"metadata": {"level": level}})
    assert (await run(STATED, "answer", query=query))[0] == ["answer"] * drawn


@pytest.mark.parametrize("metadata", [{}, {"level": "hard"}, {"level": float("nan")}])
async def test_what_is_not_known_takes_the_last_route_and_is_noted(metadata):
    texts, run_state = await run(STATED, "answer", query=QUERY.model_copy(update={"metadata": metadata}))
    assert texts == ["answer"] * 3
    assert "under 'level' as a number" in run_state.reason


async def test_a_verifier_that_cannot_work_takes_the_last_route():
    strategy = RouteByDifficulty(**KNOBS, verifier=Failing(), probe=Sample(n=2))
    assert (await run(strategy, "a", "b", "answer"))[0] == ["answer"] * 3


async def test_probes_come_back_best_first_where_the_route_gives_nothing():
    assert (await run(PROBING, "half", "wrong", "right", "wrong", None))[0] == ["right", "half", "wrong", "wrong"]


async def test_a_budget_that_ends_with_the_probes_leaves_them():
    assert (await run(PROBING, "half", "right", budget=Budget(calls=2)))[0] == ["right", "half"]


async def test_metadata_draws_no_probes():
    _, state = await run(STATED, "answer", query=QUERY.model_copy(update={"metadata": {"level": 0}}))
    assert state.ledger.spent.calls == 1


@pytest.mark.parametrize(
    ("knobs", "rule"),
    [
        ({"thresholds": (0.5,), "metadata": "level"}, "2 rising numbers"),
        ({"thresholds": (0.5, 0.5), "metadata": "level"}, "2 rising numbers"),
        ({}, "either verifier or metadata"),
        ({"metadata": "level", "verifier": Counting()}, "either verifier or metadata"),
    ],
)
def test_a_route_that_cannot_be_chosen_is_refused(knobs, rule):
    with pytest.raises(ValidationError, match=rule):
        RouteByDifficulty(**{**KNOBS, **knobs})


def test_its_estimate_is_that_of_one_route():
    plan = Plan({"generator": SimulatedSpec().open()}, {"generator": 10})
    shape = STATED.infer(Shape(), plan)
    assert (shape.fewest, shape.most) == (1, 3)
    assert (plan.estimate.least.calls, plan.estimate.most.calls) == (1, 3)
    probed = Plan({"generator": SimulatedSpec().open()}, {"generator": 10})
    assert PROBING.infer(Shape(), probed).most == 4
    assert (probed.estimate.least.calls, probed.estimate.most.calls) == (5, 7)


def test_a_route_that_cannot_work_is_named():
    with pytest.raises(ShapeError, match=r"node 'route\.0': sample draws"):
        STATED.infer(Shape(1, 1), Plan(node="route"))


def test_it_is_data():
    assert (
        STRATEGIES.build(PROBING.model_copy(update={"verifier": None, "metadata": "x"}).model_dump()).routes == ROUTES
    )
