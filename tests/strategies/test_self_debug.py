"""A candidate that fails tests is revised until it passes, and never for the worse."""

import pytest
from answering import Answering, in_turn
from making import ByTable, Failing, candidate, context

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.errors import ShapeError
from ponder.orchestrator.plan import Plan
from ponder.orchestrator.shape import Shape
from ponder.orchestrator.types import Query
from ponder.strategies.self_debug import SelfDebug
from ponder.verifiers import SimulatedCode

QUERY = Query.ask("Which?", reference="7")
CODE = SimulatedCode(tests=(2, 3))


def program(number: int, index: int = 0):
    return candidate(None, index, text=f"answer: {number}")


async def debugged(given, *replies, rounds=2, verifier=CODE, **knobs):
    engine = Answering(in_turn(*replies))
    strategy = SelfDebug(rounds=rounds, verifier=verifier)
    found = await strategy.run(QUERY, given, context(engine, **knobs))
    return [c.text for c in found], engine


async def test_a_candidate_that_passes_all_tests_is_left_alone():
    texts, engine = await debugged([program(7), program(1, 1)], "never asked")
    assert (texts, engine.prompts) == (["answer: 7", "answer: 1"], [])


async def test_a_failing_candidate_is_revised_in_its_place_until_it_passes():
    texts, engine = await debugged([program(8), program(7, 1)], "answer: 9", "answer: 7", "never", rounds=5)
    assert texts == ["answer: 7", "answer: 7"]
    assert len(engine.prompts) == 2
    assert "It passes 0 of 2 tests. It fails: 1, 2." in engine.prompts[0]
    assert "It passes 1 of 2 tests. It fails: 2." in engine.prompts[1]
    assert "\nanswer: 9\n" in engine.prompts[1]


async def test_no_more_rounds_than_told():
    assert len((await debugged([program(8)], "answer: 8", rounds=3))[1].prompts) == 3


@pytest.mark.parametrize("reply", ["answer: 8", "nothing", None])
async def test_a_worse_revision_or_none_changes_nothing(reply):
    assert (await debugged([program(9)], reply))[0] == ["answer: 9"]


async def test_an_equal_revision_is_taken():
    assert (await debugged([program(9)], "answer: 11", rounds=1))[0] == ["answer: 11"]


async def test_what_cannot_be_tested_is_left_alone():
    texts, engine = await debugged([program(8)], "never asked", verifier=Failing())
    assert (texts, engine.prompts) == (["answer: 8"], [])


async def test_a_verifier_without_steps_must_give_one_whole():
    table = ByTable(table={"answer: 8": 0.9, "good": 1.0})
    texts, engine = await debugged([program(8)], "good", verifier=table)
    assert (texts, len(engine.prompts)) == (["good"], 1)
    assert "It does not pass." in engine.prompts[0]


async def test_a_budget_that_ends_leaves_what_there_is():
    texts, _ = await debugged([program(8), program(8, 1)], "answer: 9", "answer: 7", budget=Budget(calls=1))
    assert texts == ["answer: 9", "answer: 8"]


async def test_no_candidates_cost_no_call():
    assert (await debugged([], "never asked"))[0] == []


def test_there_must_be_candidates():
    with pytest.raises(ShapeError, match="self_debug works on candidates"):
        SelfDebug(verifier=CODE).infer(Shape(), Plan())
    shape = SelfDebug(verifier=CODE, max_tokens=9).infer(Shape(1, 2, longest=5), Plan())
    assert (shape.most, shape.longest, shape.scored_by) == (2, 9, {"simulated_code"})
