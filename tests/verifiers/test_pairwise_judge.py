"""Candidates compared two by two: no place is favoured, the best is found, and each match costs two calls."""

from itertools import permutations

import pytest
from judge_engine import JudgeEngine
from judge_prompts import choosing, code_of, leaning, shown
from judging import candidate, context, judged
from pydantic import ValidationError

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.engine import Capabilities
from ponder.orchestrator.engines.simulated import SimulatedSpec
from ponder.orchestrator.errors import ShapeError, UsageError
from ponder.orchestrator.plan import Plan
from ponder.orchestrator.runtime import Runtime
from ponder.orchestrator.shape import Shape
from ponder.orchestrator.types import Query, Score, Usage
from ponder.strategies import BestOfN, Rank
from ponder.verifiers import PairwiseJudge

FORMS = ("written", "labels")
SCHEDULES = ("round_robin", "knockout", "swiss")
SCORINGS = ("share", "bradley_terry")
EVERY = [
    PairwiseJudge(form=form, schedule=schedule, scoring=scoring)
    for form in FORMS
    for schedule in SCHEDULES
    for scoring in SCORINGS
]
FIVE = ["alpha", "beta", "gamma", "delta", "epsilon"]


def by(worth):
    return JudgeEngine(choosing(worth.get), leaning(worth.get))


async def scores(verifier, texts, engine, **knobs):
    return await judged(verifier, texts, None, context({"generator": engine}, **knobs))


def values(found):
    return [score.value for score in found]


@pytest.mark.parametrize("verifier", EVERY, ids=lambda each: each.name)
@pytest.mark.parametrize("place", [1, 2])
async def test_a_judge_who_looks_at_the_place_makes_all_equal(verifier, place):
    chances = [0.9, 0.1] if place == 1 else [0.1, 0.9]
    engine = JudgeEngine(lambda prompt: f"{code_of(prompt)}[{place}]", lambda *_: chances)
    found = await scores(verifier, FIVE, engine)
    assert values(found) == [0.5] * 5
    for score in found:
        mine, all_ = score.detail.split(", ")
        assert mine.split()[0] == mine.split()[2] > "0"
        assert all_.split()[0] == all_.split()[2] == str(engine.calls // 2)


@pytest.mark.parametrize("verifier", EVERY, ids=lambda each: each.name)
async def test_a_judge_who_never_errs_finds_the_best_at_the_stated_cost(verifier):
    for order in [*permutations(range(5))][::7]:
        worth = dict(zip(FIVE, order, strict=True))
        engine = by(worth)
        found = values(await scores(verifier, FIVE, engine))
        assert [text for text, value in zip(FIVE, found, strict=True) if value == max(found)] == [
            max(worth, key=worth.get)
        ]
        assert engine.calls == {"round_robin": 20, "knockout": 8, "swiss": 12}[verifier.schedule]
    if verifier.schedule == "round_robin":
        assert sorted(FIVE, key=worth.get) == sorted(FIVE, key=dict(zip(FIVE, found, strict=True)).get)


async def test_exact_shares():
    worth = {"alpha": 1, "beta": 3, "gamma": 3, "delta": 0}
    found = await scores(PairwiseJudge(), FIVE[:4], by(worth))
    assert values(found) == [1 / 3, pytest.approx(2.5 / 3), pytest.approx(2.5 / 3), 0.0]
    assert {score.detail for score in found} == {"0 of 3 matches inconsistent, 0 of 6 in all"}
    assert {(score.kind, score.scale) for score in found} == {("learned", "probability")}


async def test_chances_of_labels_are_averaged_over_both_orders():
    """In the one order the first has 0.8, in the other 0.4: its chance is (0.8 + 0.6) / 2."""
    engine = JudgeEngine(chances=lambda prompt, _: (0.8, 0.2) if shown(prompt)[0] == "alpha" else (0.4, 0.6))
    found = await scores(PairwiseJudge(form="labels"), ["beta", "alpha"], engine)
    assert values(found) == [pytest.approx(0.3), pytest.approx(0.7)]
    assert found[0].detail == "0 of 1 matches inconsistent, 0 of 1 in all"
    engine = JudgeEngine(chances=lambda prompt, _: (0.6, 0.2) if shown(prompt)[0] == "alpha" else (0.44, 0.36))
    found = await scores(PairwiseJudge(form="labels"), ["alpha", "beta"], engine)
    assert values(found) == [pytest.approx(0.6), pytest.approx(0.4)]
    assert found[0].detail == "1 of 1 matches inconsistent, 1 of 1 in all"


@pytest.mark.parametrize(
    ("one", "other", "value", "detail"),
    [
        ("{}[1]", "{}[2]", 1.0, "0 of 1"),
        ("{}[2]", "{}[1]", 0.0, "0 of 1"),
        ("so\n{}[Tie]\n", "{}[Tie]", 0.5, "0 of 1"),
        ("{}[1]", "{}[1]", 0.5, "1 of 1"),
        ("{}[Tie]", "{}[1]", 0.5, "1 of 1"),
        ("{}[1]", "[2]", None, "none of its 1 matches"),
        ("{}[1]", "{}[2] I think", None, "none of its 1 matches"),
        ("{}[1]\nThe first.", "{}[2]", None, "none of its 1 matches"),
        ("{}[3]", "{}[2]", None, "none of its 1 matches"),
        ("", "{}[2]", None, "none of its 1 matches"),
        (None, "{}[2]", None, "none of its 1 matches"),
    ],
)
async def test_a_win_needs_both_orders_and_what_cannot_be_read_was_not_played(one, other, value, detail):
    def says(prompt):
        reply = one if shown(prompt)[0] == "alpha" else other
        return reply and reply.format(code_of(prompt))

    found = await scores(PairwiseJudge(), ["alpha", "beta"], JudgeEngine(says))
    assert values(found) == [value, None if value is None else 1 - value]
    assert all(score.detail.startswith(detail) for score in found)


async def test_a_match_that_was_not_played_leaves_the_others():
    worth = {"alpha": 2, "beta": 1, "gamma": 0}
    engine = JudgeEngine(lambda p: "no idea" if {*shown(p)} == {"alpha", "beta"} else choosing(worth.get)(p))
    assert values(await scores(PairwiseJudge(), [*worth], engine)) == [1.0, 1.0, 0.0]


async def test_a_reply_that_was_cut_is_no_verdict():
    engine = by({"alpha": 1, "beta": 0})
    whole = len("I see.\n12345678 [1]") + 1
    assert values(await scores(PairwiseJudge(max_tokens=whole), ["alpha", "beta"], engine)) == [1.0, 0.0]
    assert values(await scores(PairwiseJudge(max_tokens=whole - 1), ["alpha", "beta"], engine)) == [None, None]


async def test_without_a_code_the_last_line_is_the_verdict():
    engine = JudgeEngine(lambda p: f"{code_of(p)}[{1 + (shown(p)[0] != 'alpha')}]")
    assert values(await scores(PairwiseJudge(signed=False), ["alpha", "beta"], engine)) == [1.0, 0.0]
    assert code_of(engine.prompts[0]) == ""


async def test_labels_that_the_judge_would_not_say_are_no_verdict():
    for chances in [(0.2, 0.1), (0.0, 0.0)]:
        engine = JudgeEngine(chances=lambda *_, told=chances: told)
        assert values(await scores(PairwiseJudge(form="labels"), ["alpha", "beta"], engine)) == [None, None]
    engine = JudgeEngine(chances=lambda *_: (0.2, 0.1))
    assert values(await scores(PairwiseJudge(form="labels", least_mass=0.0), ["alpha", "beta"], engine)) == [0.5, 0.5]


@pytest.mark.parametrize("verifier", EVERY, ids=lambda each: each.name)
async def test_one_candidate_and_equal_ones_cost_no_call(verifier):
    for few in ([], ["alpha"], ["alpha", "alpha"], ["alpha", "alpha", ":", ""]):
        engine = by({"alpha": 1})
        found = await scores(verifier, few, engine)
        assert values(found) == [0.5 if text == "alpha" else 0.0 for text in few]
        assert engine.calls == 0
    engine = by({"alpha": 1, "beta": 0})
    worst, best, again = values(await scores(verifier, ["beta", "alpha", "beta"], engine))
    assert (worst, engine.calls) == (again, 2)
    assert worst < 0.5 < best


@pytest.mark.parametrize("verifier", EVERY, ids=lambda each: each.name)
async def test_the_order_that_came_in_means_nothing(verifier):
    worth = dict(zip(FIVE, [2, 0, 3, 3, 1], strict=True))
    asked = set()
    plain = dict(zip(FIVE, await scores(verifier, FIVE, by(worth)), strict=True))
    for shift in range(5):
        engine = by(worth)
        moved = FIVE[shift:] + FIVE[:shift][::-1]
        assert await scores(verifier, moved, engine) == [plain[text] for text in moved]
        asked.add(tuple(engine.prompts))
    assert len(asked) == 1


@pytest.mark.parametrize("verifier", EVERY, ids=lambda each: each.name)
@pytest.mark.parametrize("count", [2, 3, 4, 5])
async def test_scores_tell_what_was_spent_and_no_more_than_the_bound(verifier, count):
    engine = by(dict(zip(FIVE, range(5), strict=True)))
    ctx = context({"generator": engine})
    found = await judged(verifier, FIVE[:count], None, ctx)
    spent = ctx._run.ledger.spent
    assert Usage.total(score.usage for score in found) == spent
    assert spent.verifier_calls == engine.calls
    assert spent.calls == 0
    share = verifier.bound({"generator": engine}, 10, max(map(len, FIVE)), count)
    assert share.verifier_calls == -(-engine.calls // count)
    for name, value in Usage.total([share] * count).as_dict().items():
        assert value >= getattr(spent, name)
    assert verifier.bound({"generator": engine}, 10, 99) == verifier.least({"generator": engine}, 10) == Usage()


async def test_a_match_is_paid_once_whoever_else_is_there():
    engine = by(dict(zip(FIVE, range(5), strict=True)))
    ctx = context({"generator": engine})
    for count, calls in ((3, 6), (5, 20), (4, 20)):
        await judged(PairwiseJudge(), FIVE[:count], None, ctx)
        assert engine.calls == calls


async def test_seeds_come_from_an_earlier_score():
    engine = JudgeEngine(lambda prompt: f"{code_of(prompt)}[Tie]")
    verifier = PairwiseJudge(schedule="knockout", seeded_by="cheap")
    cheap = {"alpha": 0.1, "beta": 0.9, "gamma": None, "delta": 0.5, "epsilon": 0.7, "zeta": 0.2}
    given = [candidate(text, i).with_score("cheap", Score(value)) for i, (text, value) in enumerate(cheap.items())]
    await context({"generator": engine}).score(Query.ask("?"), given, verifier)
    met = [{*shown(prompt)} for prompt in engine.prompts[::2]]
    assert met[:2] == [{"delta", "gamma"}, {"zeta", "alpha"}]
    assert met[2:] == [{"beta", "zeta"}, {"epsilon", "delta"}, {"beta", "epsilon"}]


async def test_an_engine_that_fails_leaves_no_score():
    found = await scores(PairwiseJudge(), FIVE, JudgeEngine(lambda _: None))
    assert values(found) == [None] * 5
    assert all("'generator' gave no judgement" in score.detail for score in found)


@pytest.mark.parametrize("verifier", EVERY, ids=lambda each: each.name)
async def test_no_budget_is_overrun_and_what_was_played_counts(verifier):
    for calls in (1, 3, 7):
        ctx = context({"generator": by(dict(zip(FIVE, range(5), strict=True)))}, Budget(verifier_calls=calls))
        found = await judged(verifier, FIVE, None, ctx)
        assert ctx._run.ledger.spent.verifier_calls <= calls
        assert (calls > 1) == any(score.value is not None for score in found)
        assert all(score.value is not None or score.detail for score in found)


@pytest.mark.parametrize("verifier", EVERY[::2], ids=lambda each: each.name)
async def test_the_best_of_n_is_found_within_what_was_set_aside(verifier):
    """The longest answer is the best; a budget of the whole estimate pays for all of it."""
    judge = JudgeEngine(choosing(len), leaning(len))
    strategy = BestOfN(n=5, verifier=verifier.model_copy(update={"engine": "judge"}), max_tokens=60)
    async with Runtime({"generator": SimulatedSpec(), "judge": judge}) as runtime:
        most = (await runtime.estimate(strategy, Query.ask("Problem 1?"))).most
        budget = Budget(total_tokens=most.total_tokens, verifier_calls=most.verifier_calls, calls=5)
        result = await runtime.run(strategy, Query.ask("Problem 1?"), budget)
    assert (result.stopped, result.failures) == ("done", 0)
    assert len(result.text) == max(len(each.text) for each in result.candidates)
    assert result.usage.verifier_calls == judge.calls <= most.verifier_calls


@pytest.mark.parametrize("strategy", [BestOfN(n=4, verifier=PairwiseJudge(), weighted=True)])
def test_its_scores_never_stand_alone(strategy):
    assert PairwiseJudge().is_relative
    with pytest.raises(ShapeError, match="compares candidates with one another"):
        strategy.infer(Shape(), Plan())
    assert Rank(verifier=PairwiseJudge()).infer(Shape(2, 2), Plan()).scored_by == {"pairwise_judge"}


@pytest.mark.parametrize("form", FORMS)
def test_what_cannot_judge_is_refused_before_anything_is_drawn(form):
    class Wordless(JudgeEngine):
        @property
        def capabilities(self):
            return Capabilities(token_ids=True)

    verifier = PairwiseJudge(form=form)
    with pytest.raises(UsageError, match=r"one of the pipeline's engines \(none\), got 'generator'"):
        verifier.bound({}, 1, 1, 2)
    if form == "labels":
        with pytest.raises(UsageError, match="tells the probability of a label"):
            verifier.bound({"generator": Wordless()}, 1, 1, 2)
    else:
        assert verifier.bound({"generator": Wordless()}, 1, 1, 2).verifier_calls == 1


@pytest.mark.parametrize(
    ("knobs", "rule"),
    [
        ({"rounds": 3}, "rounds must be left out for a round_robin"),
        ({"rounds": 3, "schedule": "knockout"}, "rounds must be left out for a knockout"),
        ({"seeded_by": "cheap"}, "seeded_by must be left out where all meet all"),
        ({"form": "labels", "labels": ("a", "a")}, "labels must be two that differ, got 'a' twice"),
    ],
)
def test_a_knob_that_would_be_ignored_or_never_works_is_refused(knobs, rule):
    with pytest.raises(ValidationError, match=rule):
        PairwiseJudge(**knobs)


async def test_a_seed_that_nobody_has_is_told():
    judge = JudgeEngine(choosing(len))
    ctx = context({"generator": judge})
    given = [candidate(text, i).with_score("cheap", Score(0.5)) for i, text in enumerate(("a", "bb"))]
    judged = await ctx.score(Query.ask("?"), given, verifier := PairwiseJudge(schedule="swiss", seeded_by="dear"))
    found = [each.scores[verifier.name] for each in judged]
    told = "seeded_by must name a score that the candidates have (cheap), got 'dear'; judge by that verifier first"
    assert all(score.value is None and told in score.detail for score in found) and not judge.calls


def test_its_scores_are_filed_by_engine_form_schedule_and_scoring():
    assert PairwiseJudge().name == "pairwise_judge"
    assert PairwiseJudge(engine="judge", form="labels", schedule="swiss").name == "pairwise_judge:judge:labels:swiss"
    assert len({verifier.name for verifier in EVERY}) == len(EVERY)
