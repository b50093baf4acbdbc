"""First accepted: when it stops, what it falls back on, and how accurate an erring verifier lets it be."""

import math
from collections.abc import Sequence
from typing import Literal

from making import ByTable, Counting, Failing, context, indices
from scripted_engines import Dice, Scripted

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.judging import Judging
from ponder.orchestrator.types import Candidate, Query, Score
from ponder.orchestrator.verifier import Verifier
from ponder.strategies import FirstAccepted, Sample
from ponder.verifiers.resampling_law import ResamplingLaw

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
        found = await FirstAccepted(n=4, verifier=verifier, threshold=-1e9).run(QUERY, [], context(Scripted(TEXTS)))
        assert indices(found) == [0, 1, 2, 3]


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
