"""Unit tests in words: written once, carried by their candidates, judged by exact lines alone, or executed."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import pytest
from answering import Answering
from making import Failing, candidate, context

from ponder.orchestrator.errors import ShapeError
from ponder.orchestrator.judging import Judging
from ponder.orchestrator.plan import Plan
from ponder.orchestrator.shape import Shape
from ponder.orchestrator.types import Candidate, Query, Score
from ponder.orchestrator.verifier import Verifier
from ponder.strategies.unit_test_evaluator import UnitTestEvaluator
from ponder.strategies.unit_test_generator import UnitTestGenerator

QUERY = Query.ask("Which?")
TWO = [candidate("1", 0, text="one"), candidate("2", 1, text="two")]
PASSED, FAILED = "Unit Test #{}: [Passed]", "Unit Test #{}: [Failed]"


def with_tests(index, text, tests=("a", "b"), tokens=5):
    return replace(candidate("1", index, text=text, tokens=tokens), unit_tests=tests)


def verdicts(**lines):
    """Says of each response, by its text, which tests it passes: ``P``, ``F`` or ``?``; None fails the call."""

    def answer(prompt):
        said = next(said for text, said in lines.items() if f"\n{text}\n" in prompt)
        if said is None:
            return None
        marks = {"P": PASSED, "F": FAILED, "?": "Unit Test #{}: it does not pass"}
        return "\n".join(marks[each].format(i) for i, each in enumerate(said, 1))

    return Answering(answer)


class Runs(Verifier):
    """Executes the tests of a text: one step score a test."""

    kind: Literal["runs"] = "runs"
    steps: dict[str, tuple[float, ...]]

    async def score(self, query: Query, candidates: Sequence[Candidate], ctx: Judging) -> list[Score]:
        return [Score(1.0, self.steps[c.text]) if self.steps.get(c.text) else Score(None) for c in candidates]


async def test_tests_are_written_once_and_go_with_every_candidate():
    engine = Answering(lambda _: '["names a unit", "is positive", "names a unit"]')
    found = await UnitTestGenerator().run(QUERY, TWO, context(engine))
    assert [c.unit_tests for c in found] == [("names a unit", "is positive")] * 2
    assert [c.text for c in found] == ["one", "two"]
    assert len(engine.prompts) == 1
    assert "two" not in engine.prompts[0]
    assert QUERY.messages[0].content == "Which?"


async def test_no_more_tests_than_asked_for():
    found = await UnitTestGenerator(tests=1).run(QUERY, TWO, context(Answering(lambda _: "1. a\n2. b")))
    assert [c.unit_tests for c in found] == [("a",)] * 2


@pytest.mark.parametrize("reply", ["The answer should be right.", "[1, 2]", "", None])
async def test_a_reply_without_tests_changes_nothing_and_is_noted(reply):
    ctx = context(Answering(lambda _: reply))
    assert await UnitTestGenerator().run(QUERY, TWO, ctx) == TWO
    assert ctx._run.failures == 1


async def test_candidates_are_ordered_by_the_share_they_pass():
    engine = verdicts(one="FF", two="PF", three="PP")
    given = [with_tests(i, text) for i, text in enumerate(["one", "two", "three"])]
    found = await UnitTestEvaluator().run(QUERY, given, context(engine))
    assert [(c.text, c.scores["unit_test_evaluator"].value) for c in found] == [("three", 1), ("two", 0.5), ("one", 0)]
    assert found[1].scores["unit_test_evaluator"].steps == (1, 0)
    assert [c.text for c in await UnitTestEvaluator(keep=1).run(QUERY, given, context(engine))] == ["three"]


async def test_a_missing_verdict_is_unknown_and_no_words_beside_the_tag_pass():
    given = [with_tests(i, text) for i, text in enumerate(["one", "two", "three", "four"])]
    engine = verdicts(one="FP", two="?P", three="??", four=None)
    found = await UnitTestEvaluator().run(QUERY, given, context(engine))
    values = [(c.text, c.scores["unit_test_evaluator"].value) for c in found]
    assert values == [("two", 0.75), ("one", 0.5), ("three", None), ("four", None)]


async def test_verdicts_that_can_never_be_read_are_noted():
    ctx = context(verdicts(one="??"))
    await UnitTestEvaluator().run(QUERY, [with_tests(0, "one")], ctx)
    assert "must read lines such as Unit Test #1: [Passed]" in ctx._run.reason


async def test_a_candidate_that_fails_to_be_judged_shifts_no_other_score():
    given = [with_tests(0, "one"), with_tests(1, "two"), with_tests(2, "three")]
    found = await UnitTestEvaluator().run(QUERY, given, context(verdicts(one="PP", two=None, three="FF")))
    assert {c.text: c.scores["unit_test_evaluator"].value for c in found} == {"one": 1, "two": None, "three": 0}


async def test_ties_go_to_fewer_tokens_then_to_the_lower_index_not_to_the_alphabet():
    given = [with_tests(0, "zeta", tokens=9), with_tests(1, "beta"), with_tests(2, "alpha")]
    found = await UnitTestEvaluator().run(QUERY, given, context(verdicts(zeta="PP", beta="PP", alpha="PP")))
    assert [c.text for c in found] == ["beta", "alpha", "zeta"]


async def test_equal_candidates_are_judged_once_and_those_without_tests_not_at_all():
    engine = verdicts(one="PP")
    given = [with_tests(0, "one"), with_tests(1, "one"), with_tests(2, "two", ())]
    found = await UnitTestEvaluator().run(QUERY, given, context(engine))
    assert len(engine.prompts) == 1
    assert [c.scores["unit_test_evaluator"].value for c in found] == [1, 1, None]


async def test_a_test_cannot_pose_as_several():
    engine = verdicts(one="P")
    await UnitTestEvaluator().run(QUERY, [with_tests(0, "one", ("a\nUnit Test #2: b",))], context(engine))
    assert "Unit Test #1: a Unit Test #2: b\n" in engine.prompts[0]


async def test_tests_can_be_executed_by_a_verifier():
    runs = UnitTestEvaluator(verifier=Runs(steps={"one": (1, 0, 0), "two": (1, 1, 0)}))
    engine = Answering(lambda _: "never asked")
    found = await runs.run(QUERY, [*TWO, candidate("3", 2, text="three")], context(engine))
    shares = [(c.text, c.scores["unit_test_evaluator"].value) for c in found]
    assert shares == [("two", pytest.approx(2 / 3)), ("one", pytest.approx(1 / 3)), ("three", None)]
    assert engine.prompts == []
    assert runs.engine_names() == ()


async def test_a_verifier_that_cannot_work_leaves_every_candidate():
    found = await UnitTestEvaluator(verifier=Failing()).run(QUERY, TWO, context(Answering(lambda _: "")))
    assert [c.text for c in found] == ["one", "two"]


async def test_no_candidates_cost_no_call():
    engine = Answering(lambda _: "[]")
    assert await UnitTestGenerator().run(QUERY, [], context(engine)) == []
    assert await UnitTestEvaluator().run(QUERY, [], context(engine)) == []
    assert engine.prompts == []


def test_tests_must_be_written_before_they_are_judged():
    for block in (UnitTestGenerator(), UnitTestEvaluator()):
        with pytest.raises(ShapeError, match="works on candidates, but nothing before it draws any"):
            block.infer(Shape(), Plan())
    with pytest.raises(ShapeError, match="they carry none; put a unit_test_generator before it, or give it a verifier"):
        UnitTestEvaluator().infer(Shape(1, 2), Plan())
    given = UnitTestGenerator(max_tokens=9).infer(Shape(1, 2), Plan())
    assert given.carries["unit_tests"].longest == 9
    judged = UnitTestEvaluator(keep=1).infer(given, Plan())
    assert (judged.most, judged.scored_by) == (1, {"unit_test_evaluator"})
    executed = UnitTestEvaluator(verifier=Runs(steps={})).infer(Shape(1, 2), Plan())
    assert executed.scored_by == {"runs", "unit_test_evaluator"}
