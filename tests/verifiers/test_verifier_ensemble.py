"""What all ensembles keep: each member asked once and paid once, and everything else is that of the members."""

import asyncio

import pytest
from columns import Broken, Column, asked, columns, scored, values
from judging import context, judged
from pydantic import ValidationError
from self_judged import QUERY, SPEC

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.engine import Sampling
from ponder.orchestrator.errors import ShapeError, UsageError
from ponder.orchestrator.pipeline import Node, Pipeline
from ponder.orchestrator.pipeline_file import load, save
from ponder.orchestrator.runtime import Runtime
from ponder.orchestrator.types import Usage
from ponder.orchestrator.verifier import Verifier
from ponder.strategies import BestOfN, FirstAccepted, Rank, Sample
from ponder.verifiers import (
    VERIFIERS,
    Calibrated,
    Confidence,
    ExactMatch,
    PlattMap,
    QuantileEnsemble,
    RankEnsemble,
    RegexMatch,
    ScalarJudge,
    SelfCertainty,
    SelfEvaluation,
    SequenceLogprob,
    WeightedEnsemble,
)

FAST, SLOW = SelfEvaluation(), SelfEvaluation(form="question")
LINE = PlattMap(slope=1, offset=0)
TWO = WeightedEnsemble(members=(FAST, SLOW))


async def test_its_usage_is_that_of_its_members_and_the_run_pays_it() -> None:
    async with Runtime({"generator": SPEC}) as runtime:
        drawn = await runtime.run(Sample(n=4, max_tokens=60), QUERY)
        alone = [await runtime.run(BestOfN(n=4, verifier=each, max_tokens=60), QUERY) for each in (FAST, SLOW)]
        both = await runtime.run(BestOfN(n=4, verifier=TWO, max_tokens=60), QUERY)
    assert both.usage - drawn.usage == Usage.total(each.usage - drawn.usage for each in alone)
    said = {each.text: each.scores[TWO.name].usage for each in both.candidates}  # equal candidates are judged once
    assert Usage.total(said.values()) == both.usage - drawn.usage
    halves = [
        {each.index: each.scores[name].value for each in run.candidates}
        for run, name in zip(alone, (FAST.name, SLOW.name), strict=True)
    ]
    for each in both.candidates:
        assert each.scores[TWO.name].value == pytest.approx((halves[0][each.index] + halves[1][each.index]) / 2)


async def test_equal_members_are_asked_and_counted_once_wherever_they_stand() -> None:
    nested = WeightedEnsemble(members=(FAST, FAST, TWO, WeightedEnsemble(members=(TWO, SLOW))))
    assert nested.leaves() == [FAST, SLOW]
    async with Runtime({"generator": SPEC}) as runtime:
        once = await runtime.run(BestOfN(n=4, verifier=TWO, max_tokens=60), QUERY)
        often = await runtime.run(BestOfN(n=4, verifier=nested, max_tokens=60), QUERY)
    assert often.usage == once.usage
    assert {each.index: each.scores[nested.name].usage for each in often.candidates} == {
        each.index: each.scores[TWO.name].usage for each in once.candidates
    }


async def test_what_is_set_aside_with_the_draws_pays_for_all_members() -> None:
    strategy = BestOfN(n=4, verifier=TWO, max_tokens=60)
    async with Runtime({"generator": SPEC}) as runtime:
        most = (await runtime.estimate(strategy, QUERY)).most
        budget = Budget(total_tokens=most.total_tokens, verifier_calls=most.verifier_calls)
        result = await runtime.run(strategy, QUERY, budget)
    assert result.stopped == "done"
    assert all(each.scores[TWO.name].value is not None for each in result.candidates)


def test_each_column_is_asked_once_for_all_candidates() -> None:
    one, two, three = columns(3, scale="reward")
    asked.clear()
    nested = WeightedEnsemble(members=(one, RankEnsemble(members=(one, two)), one, three), scale="reward")
    scored(
        nested.model_copy(update={"members": (*nested.members[1:2], nested.members[1])}),
        (0.1, 0.2, 0.3),
        (0.2, 0.1, 0.4),
    )
    assert sorted(asked) == [(0, 2), (1, 2)]


def test_recorded_members_stay_recorded_and_the_ensemble_is_not() -> None:
    async def twice() -> list[list[float | None]]:
        ctx = context()
        return [[score.value for score in await judged(ensemble, ["0.5 0.25"], None, ctx)] for _ in range(2)]

    ensemble = WeightedEnsemble(members=(Column(at=0, recorded=True), Column(at=1)))
    asked.clear()
    assert asyncio.run(twice()) == [[0.375], [0.375]]
    assert sorted(asked) == [(0, 1), (1, 1), (1, 1)]
    assert not ensemble.is_recorded


def test_a_member_that_fails_is_one_that_cannot_tell() -> None:
    broken = (Broken(), Column(at=0))
    (score,) = scored(WeightedEnsemble(members=broken), (0.5,))
    assert (score.value, score.detail.partition(":")[0]) == (None, "broken cannot tell")
    assert "RuntimeError: out of order" in score.detail
    assert values(WeightedEnsemble(members=broken, missing="skip"), (0.5,)) == [0.5]
    assert values(RankEnsemble(members=broken), (0.5,), (0.7,)) == [0.0, 1.0]
    assert values(QuantileEnsemble(members=broken, knots=((0.0,), (0.5,)), missing="skip"), (0.5,)) == [0.5]


def test_a_member_without_weight_is_not_asked() -> None:
    asked.clear()
    ensemble = WeightedEnsemble(members=(Broken(), *columns(2)), weights=(0, 2, 0))
    assert values(ensemble, (0.5, 0.9)) == [0.5]
    assert asked == [(0, 1)]
    assert ensemble.name.startswith("weighted(column 0):")
    engines = WeightedEnsemble(members=(FAST, ExactMatch()), weights=(0, 1)).engine_names()
    assert engines == ()


@pytest.mark.parametrize("make", [WeightedEnsemble, RankEnsemble])
def test_its_traits_are_those_of_its_members(make: type[WeightedEnsemble] | type[RankEnsemble]) -> None:
    judge = SelfEvaluation(engine="judge")
    mapped = [Calibrated(verifier=each, map=LINE) for each in (SelfCertainty(top_logprobs=7), SequenceLogprob())]
    ensemble = make(members=(FAST, judge, *mapped))
    assert ensemble.engine_names() == ("generator", "judge")
    assert ensemble.sampling(Sampling()) == Sampling(top_logprobs=7, logprobs=True)
    assert not ensemble.needs_reference
    assert make(members=(ExactMatch(),)).needs_reference
    assert make(members=(FAST, ExactMatch())).name == f"{ensemble.kind}(self_evaluation+exact_match)"


@pytest.mark.parametrize(
    ("ensemble", "needs"),
    [
        (WeightedEnsemble(members=(FAST, ExactMatch())), True),
        (WeightedEnsemble(members=(FAST, ExactMatch()), missing="skip"), False),
        (RankEnsemble(members=(FAST, ExactMatch())), False),
        (WeightedEnsemble(members=(FAST, WeightedEnsemble(members=(FAST, ExactMatch())))), True),
    ],
)
def test_it_needs_a_reference_where_it_cannot_judge_without(ensemble: Verifier, needs: bool) -> None:
    assert ensemble.needs_reference == needs


def test_members_that_need_other_draws_are_refused() -> None:
    with pytest.raises(UsageError, match="top_logprobs 7 and 20; set both alike"):
        RankEnsemble(members=(SelfCertainty(top_logprobs=7), Confidence())).sampling(Sampling())


def test_what_no_member_can_do_here_is_refused_before_anything_is_paid() -> None:
    from ponder.verifiers import Function

    with pytest.raises(UsageError, match="a function must be importable at 'nowhere:f'"):
        RankEnsemble(members=(FAST, Function(function="nowhere:f"))).check()


async def test_bounds_add_up_and_the_least_is_that_of_the_dearest() -> None:
    engine = SPEC.open()
    engines = {"generator": engine}
    bounds = [each.bound(engines, 10, 20, 3) for each in (FAST, SLOW)]
    least = [each.least(engines, 10) for each in (FAST, SLOW)]
    assert TWO.bound(engines, 10, 20, 3) == Usage.total(bounds)
    assert WeightedEnsemble(members=(FAST, TWO)).bound(engines, 10, 20, 3) == Usage.total(bounds)
    assert TWO.least(engines, 10).prompt_tokens == max(each.prompt_tokens for each in least)
    assert TWO.least(engines, 10).verifier_calls == 1


def test_a_relative_member_makes_it_relative() -> None:
    ranks = RankEnsemble(members=(FAST,))
    assert ranks.is_relative
    assert not TWO.is_relative
    assert WeightedEnsemble(members=(ScalarJudge(), ranks), scale="reward").is_relative
    assert not WeightedEnsemble(members=(FAST, ranks), weights=(1, 0)).is_relative


async def test_where_a_score_must_stand_alone_ranks_are_refused() -> None:
    ranks = RankEnsemble(members=(FAST, SLOW))
    async with Runtime({"generator": SPEC}) as runtime:
        for strategy in (
            FirstAccepted(verifier=ranks, max_tokens=60),
            BestOfN(n=2, verifier=ranks, weighted=True, max_tokens=60),
        ):
            rule = "compares candidates with one another, but (here a|scores .* must stand alone; ask without weighted)"
            with pytest.raises(ShapeError, match=rule):
                await runtime.run(strategy, QUERY)
        chosen = await runtime.run(BestOfN(n=3, verifier=ranks, max_tokens=60), QUERY)
    best = [each.scores[ranks.name].value for each in chosen.candidates]
    assert best == sorted(best, reverse=True)


SAVED: list[Verifier] = [
    WeightedEnsemble(members=(FAST, ExactMatch()), weights=(0.5, 2.0), missing="skip"),
    RankEnsemble(members=(FAST, SelfCertainty(), RankEnsemble(members=(SequenceLogprob(),)))),
    QuantileEnsemble(members=(FAST, RegexMatch(pattern="a|b")), knots=((0.25, 0.5), (0.0, 0.0, 1.0))),
]


@pytest.mark.parametrize("ensemble", SAVED, ids=lambda each: each.kind)
def test_it_is_data(ensemble: Verifier, tmp_path) -> None:
    assert VERIFIERS.build(ensemble.model_dump(mode="json")) == ensemble
    assert hash(VERIFIERS.build(ensemble.model_dump(mode="json"))) == hash(ensemble)
    nodes = (
        Node(name="draw", strategy=Sample(n=2)),
        Node(name="rank", strategy=Rank(verifier=ensemble), after=("draw",)),
    )
    pipeline = Pipeline(name="p", nodes=nodes, engines={"generator": SPEC})
    save(pipeline, tmp_path / "p.toml")
    assert load(tmp_path / "p.toml") == pipeline


@pytest.mark.parametrize(
    ("knobs", "problem"),
    [
        ({"members": ()}, "at least 1 item"),
        ({"members": columns(2), "weights": (1.0,)}, "weights must be one for each of the 2 members"),
        ({"members": columns(2), "weights": (0.0, 0.0)}, r"not all 0, got \(0.0, 0.0\); leave them out"),
        ({"members": columns(2), "weights": (1.0, -1.0)}, "greater than or equal to 0"),
        ({"members": columns(2), "weights": (1.0, float("nan"))}, "weights"),
        ({"members": [{"kind": "weightd"}]}, "did you mean 'weighted'"),
    ],
)
@pytest.mark.parametrize("make", [WeightedEnsemble, RankEnsemble])
def test_what_is_no_ensemble_is_refused_when_it_is_made(make: type, knobs: dict[str, object], problem: str) -> None:
    with pytest.raises((ValidationError, UsageError), match=problem):
        make(**knobs)


def test_no_candidates_have_no_scores() -> None:
    for ensemble in (WeightedEnsemble(members=columns(2)), RankEnsemble(members=columns(2))):
        assert values(ensemble) == []
