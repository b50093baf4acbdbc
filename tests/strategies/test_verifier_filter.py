"""Only a candidate that is found incorrect goes; what is unknown stays, and all stay where none would."""

import pytest
from answering import Answering
from making import candidate, context

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.errors import ShapeError
from ponder.orchestrator.plan import Plan
from ponder.orchestrator.shape import Shape
from ponder.orchestrator.types import Query
from ponder.strategies.verifier_filter import PROMPT, VerifierFilter

QUERY = Query.ask("Which?")
THREE = [candidate("1", i, text=text) for i, text in enumerate(["good", "bad", "odd"])]


def judge(**verdicts):
    """Reasons about anything, and gives each response the verdict named; None fails the call."""

    def answer(prompt):
        if "Examination:" not in prompt:
            return "It claims something."
        return next(reply for text, reply in verdicts.items() if f"\n{text}\n" in prompt)

    return Answering(answer)


async def kept(engine, candidates=THREE, **knobs):
    found = await VerifierFilter().run(QUERY, candidates, context(engine, **knobs))
    return [(c.text, c.scores["verifier_filter"].value) for c in found]


async def test_what_is_found_incorrect_goes():
    engine = judge(good="[Correct]", bad="[Incorrect]", odd="[Correct]")
    assert await kept(engine) == [("good", 1.0), ("odd", 1.0)]
    assert len(engine.prompts) == 6


async def test_where_all_are_found_incorrect_all_stay_flagged_by_their_scores():
    engine = judge(good="[Incorrect]", bad="[Incorrect]", odd="[Incorrect]")
    assert await kept(engine) == [("good", 0.0), ("bad", 0.0), ("odd", 0.0)]


@pytest.mark.parametrize("reply", [None, "It is not [Correct]", "correct", "[Correct] or [Incorrect]", ""])
async def test_what_has_no_verdict_stays(reply):
    assert await kept(judge(good="[Correct]", bad="[Incorrect]", odd=reply)) == [("good", 1.0), ("odd", None)]


async def test_reasoning_that_fails_asks_for_no_verdict():
    engine = Answering(lambda prompt: None if "\nodd\n" in prompt else "[Correct]")
    assert await kept(engine) == [("good", 1.0), ("bad", 1.0), ("odd", None)]
    assert len(engine.prompts) == 5


async def test_verdicts_that_can_never_be_read_are_noted():
    ctx = context(Answering(lambda _: "It looks fine."))
    assert len(await VerifierFilter().run(QUERY, THREE, ctx)) == 3
    assert "must read a last line that is [Correct] or [Incorrect]" in ctx._run.reason


async def test_equal_candidates_are_judged_once():
    engine = judge(good="[Correct]")
    assert await kept(engine, [THREE[0], candidate("1", 7, text="good")]) == [("good", 1.0)] * 2
    assert len(engine.prompts) == 2


async def test_a_budget_that_ends_in_between_keeps_the_rest():
    engine = judge(good="[Correct]", bad="[Correct]", odd="[Correct]")
    found = await kept(engine, budget=Budget(calls=4))
    assert found == [("good", 1.0), ("bad", None), ("odd", None)]
    assert await kept(engine, budget=Budget(calls=2)) == [("good", None), ("bad", None), ("odd", None)]


async def test_a_score_tells_what_both_calls_cost():
    found = await VerifierFilter().run(QUERY, THREE[:1], context(judge(good="[Correct]")))
    score = found[0].scores["verifier_filter"]
    assert (score.usage.calls, score.scale) == (2, "binary")


async def test_no_candidates_cost_no_call():
    engine = judge()
    assert await kept(engine, []) == []
    assert engine.prompts == []


def test_the_reasoning_is_not_told_what_to_find():
    assert "may be right or wrong" in PROMPT
    assert "why" not in PROMPT


def test_there_must_be_candidates_and_they_are_scored():
    with pytest.raises(ShapeError, match="verifier_filter works on candidates"):
        VerifierFilter().infer(Shape(), Plan())
    assert VerifierFilter().infer(Shape(3, 3), Plan()) == Shape(1, 3, frozenset({"verifier_filter"}))
