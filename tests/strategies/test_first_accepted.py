"""First accepted: when it stops, what it falls back on, and how accurate an erring verifier lets it be."""

import math
from collections.abc import Sequence
from typing import Literal

import pytest
from making import ByTable, Counting, Failing, context, indices
from pydantic import ValidationError
from scripted_engines import Dice, Scripted

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.judging import Judging
from ponder.orchestrator.plan import Plan
from ponder.orchestrator.runtime import Runtime
from ponder.orchestrator.shape import Shape
from ponder.orchestrator.types import Candidate, Finish, Query, Score, Usage
from ponder.orchestrator.verifier import Verifier
from ponder.strategies import FirstAccepted, Sample
from ponder.verifiers import ExactMatch, ProcessReward, SelfEvaluation, SequenceLogprob
from ponder.verifiers.reliability import MixedResamplingLaw, ResamplingLaw, WorthTrying

QUERY = Query.ask("Which one?")
TEXTS = ["a", "b", "c", "d", "e", "f"]


class Imperfect(Verifier):
    """Accepts what is right with one probability, and what is wrong with another."""

    kind: Literal["imperfect"] = "imperfect"
    accepts_correct: float
    accepts_wrong: float

    async def score(self, query: Query, candidates: Sequence[Candidate], ctx: Judging) -> list[Score]:
        chances = [self.accepts_correct if each.text == "right" else self.accepts_wrong for each in candidates]
        draws = [int(ctx.nonce(str(each.index)), 16) / 2**64 for each in candidates]
        return [Score(float(draw < chance)) for draw, chance in zip(draws, chances, strict=True)]


async def test_it_stops_at_the_first_that_is_accepted() -> None:
    engine = Scripted(TEXTS)
    found = await FirstAccepted(n=6, verifier=ByTable(table={"a": 0.1, "b": 0.49, "c": 0.5, "d": 1.0})).run(
        QUERY, [], context(engine)
    )
    assert [each.text for each in found] == ["c", "b", "a"]


async def test_a_round_is_paid_whole_and_its_best_comes_first() -> None:
    table = {"a": 0.4, "b": 0.6, "c": 0.9, "d": 1.0}
    found = await FirstAccepted(n=6, round=3, verifier=ByTable(table=table)).run(QUERY, [], context(Scripted(TEXTS)))
    assert [each.text for each in found] == ["c", "b", "a"]


async def test_where_none_is_accepted_the_best_scored_comes_first() -> None:
    table = {"a": 0.1, "b": 0.3, "d": 0.3, "e": 0.2}
    found = await FirstAccepted(n=5, round=2, verifier=ByTable(table=table)).run(QUERY, [], context(Scripted(TEXTS)))
    assert [each.text for each in found] == ["b", "d", "e", "a", "c"]


async def test_what_cannot_be_judged_is_not_accepted() -> None:
    for verifier in (Counting(value=None), Counting(value=math.nan), Failing()):
        found = await FirstAccepted(n=4, verifier=verifier, threshold=0).run(QUERY, [], context(Scripted(TEXTS)))
        assert indices(found) == [0, 1, 2, 3]


def test_a_threshold_that_all_or_none_pass_is_refused_before_anything_is_paid() -> None:
    for verifier, threshold in ((ProcessReward(), 1.5), (ExactMatch(), -0.1), (SelfEvaluation(), 2)):
        rule = f"threshold must be from 0 to 1, as {verifier.name} scores on the scale '{verifier.score_scale}', got"
        with pytest.raises(ValidationError, match=rule):
            FirstAccepted(verifier=verifier, threshold=threshold)
    assert FirstAccepted(verifier=SequenceLogprob(), threshold=-1.5).threshold == -1.5


async def test_a_draw_that_is_lost_costs_one_draw() -> None:
    ctx = context(Scripted(["a", None, "c", "d"]))
    found = await FirstAccepted(n=4, verifier=ByTable(table={"c": 1.0})).run(QUERY, [], ctx)
    assert [each.text for each in found] == ["c", "a"]


async def test_a_single_draw_is_not_judged() -> None:
    verifier = Counting()
    (only,) = await FirstAccepted(n=1, verifier=verifier).run(QUERY, [], context(Dice({"right": 0.5, "wrong": 0.5})))
    (drawn,) = await Sample(n=1).run(QUERY, [], context(Dice({"right": 0.5, "wrong": 0.5})))
    assert (only.text, verifier.asked) == (drawn.text, [])


async def test_a_budget_that_ends_it_leaves_the_best_so_far() -> None:
    ctx = context(Scripted(TEXTS), budget=Budget(calls=3))
    found = await FirstAccepted(n=6, round=2, verifier=ByTable(table={"b": 0.2, "c": 0.1})).run(QUERY, [], ctx)
    assert ctx.is_stopped
    assert [each.text for each in found] == ["b", "c", "a"]


async def test_accuracy_and_cost_are_those_of_the_closed_form() -> None:
    law = ResamplingLaw(correct=0.3, accepts_correct=0.9, accepts_wrong=0.2)
    strategy = FirstAccepted(n=5, verifier=Imperfect(accepts_correct=0.9, accepts_wrong=0.2))
    engine = Dice({"right": 0.3, "wrong": 0.7})
    runs = [await strategy.run(QUERY, [], context(engine, seed=seed)) for seed in range(1000)]
    right = sum(found[0].text == "right" for found in runs) / len(runs)
    assert abs(right - law.accuracy(5)) <= 4 * math.sqrt(0.6151 * 0.3849 / len(runs))
    drawn = sum(len(found) for found in runs) / len(runs)
    assert abs(drawn - law.draws(5)) <= 4 * 1.4 / math.sqrt(len(runs))


async def test_drawing_in_rounds_has_the_accuracy_of_drawing_in_turn() -> None:
    strategy = FirstAccepted(n=4, round=2, verifier=Imperfect(accepts_correct=0.9, accepts_wrong=0.2))
    law = ResamplingLaw(correct=0.3, accepts_correct=0.9, accepts_wrong=0.2)
    engine = Dice({"right": 0.3, "wrong": 0.7})
    right = 0
    for seed in range(500):
        right += (await strategy.run(QUERY, [], context(engine, seed=seed)))[0].text == "right"
    assert abs(right / 500 - law.accuracy(4)) <= 4 * 0.5 / math.sqrt(500)


async def test_where_none_is_accepted_it_abstains_and_keeps_what_was_drawn() -> None:
    table = {"a": 0.1, "b": 0.3, "c": 0.2}
    found = await FirstAccepted(n=3, abstain=True, verifier=ByTable(table=table)).run(
        QUERY, [], context(Scripted(TEXTS))
    )
    none, *rejected = found
    assert (none.text, none.answer, none.usage, none.finish) == ("", None, Usage(), Finish.EOS)
    assert none.scores["table"] == Score(None, detail="no attempt was accepted")
    assert [each.text for each in rejected] == ["b", "c", "a"]
    assert [each.scores["table"].value for each in rejected] == [0.3, 0.2, 0.1]


async def test_no_answer_is_the_result_of_a_run_that_abstains() -> None:
    async with Runtime({"generator": Scripted(TEXTS)}) as runtime:
        result = await runtime.run(FirstAccepted(n=2, abstain=True, verifier=ByTable(table={"a": 0.1})), QUERY)
    assert (result.text, result.answer, result.stopped, result.failures) == ("", None, "done", 0)
    assert len(result.candidates) == 3 and result.usage.calls == 2


async def test_what_is_accepted_is_answered_whether_it_may_abstain_or_not() -> None:
    table = {"b": 0.9}
    for abstain in (False, True):
        strategy = FirstAccepted(n=3, abstain=abstain, verifier=ByTable(table=table))
        assert [c.text for c in await strategy.run(QUERY, [], context(Scripted(TEXTS)))] == ["b", "a"]


async def test_a_single_draw_is_judged_where_it_may_abstain() -> None:
    strategy = FirstAccepted(n=1, abstain=True, verifier=ByTable(table={"a": 0.4}))
    assert [c.text for c in await strategy.run(QUERY, [], context(Scripted(TEXTS)))] == ["", "a"]


async def test_nothing_drawn_is_no_abstention() -> None:
    strategy = FirstAccepted(n=2, abstain=True, verifier=ByTable(table={}))
    assert await strategy.run(QUERY, [], context(Scripted([None, None]))) == []


async def test_a_budget_that_ends_it_before_any_is_accepted_abstains() -> None:
    ctx = context(Scripted(TEXTS), budget=Budget(calls=2))
    found = await FirstAccepted(n=6, abstain=True, verifier=ByTable(table={"c": 1.0})).run(QUERY, [], ctx)
    assert ctx.is_stopped
    assert [each.text for each in found] == ["", "a", "b"]


EASY, HARD = ResamplingLaw(0.87, 1.0, 0.25), ResamplingLaw(0.13, 1.0, 0.25)


def stopping(wrong_cost: float, call_cost: float = 0.0) -> WorthTrying:
    law = MixedResamplingLaw((EASY, HARD), (0.58, 0.42))
    return WorthTrying(law=law, wrong_cost=wrong_cost, call_cost=call_cost)


@pytest.mark.parametrize(("wrong_cost", "n", "most"), [(0.7, 8, 3), (0.7, 2, 2), (1, 8, 2), (4, 8, 1), (0, 8, 8)])
async def test_no_more_attempts_are_made_than_are_worth_it(wrong_cost: float, n: int, most: int) -> None:
    strategy = FirstAccepted(n=n, round=2, abstain=True, stopping=stopping(wrong_cost), verifier=ByTable(table={}))
    found = await strategy.run(QUERY, [], context(Scripted([*TEXTS, "g", "h"])))
    assert len(found) == most + 1
    assert strategy.infer(Shape(), Plan()).most == most + 1


async def test_value_is_that_of_the_law_and_the_most_where_the_rule_stops() -> None:
    """Tasks of two types, judged by a verifier that takes a quarter of what is wrong: 1 a right answer, -1 a wrong."""
    law, runs, values = stopping(1.0).law, 600, {}
    verifier = Imperfect(accepts_correct=1.0, accepts_wrong=0.25)
    for n in (1, 2, 6):
        worth = []
        for seed in range(runs):
            share = 0.87 if seed % 50 < 29 else 0.13
            engine = Dice({"right": share, "wrong": 1 - share})
            strategy = FirstAccepted(n=n, abstain=True, verifier=verifier)
            first = (await strategy.run(QUERY, [], context(engine, seed=seed)))[0].text
            worth.append({"right": 1.0, "wrong": -1.0, "": 0.0}[first])
        values[n] = sum(worth) / runs
        assert abs(values[n] - law.value(n, wrong_cost=1.0)) < 4 / math.sqrt(runs)
    assert stopping(1.0).most(6) == 2


def test_what_is_not_worth_a_single_attempt_is_refused() -> None:
    with pytest.raises(ValidationError, match="stopping must leave one attempt that is worth making"):
        FirstAccepted(abstain=True, stopping=stopping(8.0), verifier=ByTable(table={}))
    with pytest.raises(ValidationError, match="abstain must be true where stopping is set"):
        FirstAccepted(stopping=stopping(1.0), verifier=ByTable(table={}))
