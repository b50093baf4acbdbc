"""Calibrated: the inner verifier's judgement on the scale of probabilities, and nothing else changed."""

import asyncio
from collections.abc import Sequence
from typing import Literal

import pytest
from judging import context, judge, judged
from pydantic import ValidationError

from ponder.orchestrator.engine import Sampling
from ponder.orchestrator.engines.simulated import SimulatedSpec
from ponder.orchestrator.errors import UsageError
from ponder.orchestrator.types import Candidate, Query, Score, Usage
from ponder.orchestrator.verifier import Verifier
from ponder.verifiers import VERIFIERS, Calibrated, ExactMatch, MathAnswer, ProcessReward, SelfEvaluation
from ponder.verifiers.reliability import IsotonicMap, PlattMap

STEPS = IsotonicMap(scores=(0.0, 1.0), chances=(0.2, 0.6))
LINE = PlattMap(slope=1.0, offset=0.0, on="log_odds")


class Lengths(Verifier):
    """Scores a text by its length; an empty one it cannot tell."""

    kind: Literal["lengths"] = "lengths"
    is_for_ranks: bool = False

    @property
    def is_relative(self) -> bool:
        return self.is_for_ranks

    def sampling(self, sampling: Sampling) -> Sampling:
        return Sampling(max_tokens=sampling.max_tokens + 1)

    async def score(self, query: Query, candidates: Sequence[Candidate], ctx: object) -> list[Score]:
        usage = Usage(verifier_calls=1)
        return [
            Score(len(c.text) / 4, (0.5,), "self", "reward", "counted", usage)
            if c.text
            else Score(None, kind="self", detail="nothing to count")
            for c in candidates
        ]


SLOW_CALLS: list[str] = []


class Slow(Verifier):
    """Its scores are journalled; remembers what it was asked."""

    kind: Literal["slow"] = "slow"

    @property
    def is_recorded(self) -> bool:
        return True

    async def score(self, query: Query, candidates: Sequence[Candidate], ctx: object) -> list[Score]:
        SLOW_CALLS.extend(candidate.text for candidate in candidates)
        return [Score(0.5) for _ in candidates]


def test_scores_are_mapped_and_the_rest_is_kept() -> None:
    found = asyncio.run(judged(Calibrated(verifier=Lengths(), map=STEPS), ["aa", "", "aaaaaaaa"], None))
    usage = Usage(verifier_calls=1)
    assert STEPS.chance(0.5) == pytest.approx(0.4)
    assert found == [
        Score(STEPS.chance(0.5), (), "self", "probability", "counted", usage),
        Score(None, kind="self", detail="nothing to count"),
        Score(0.6, (), "self", "probability", "counted", usage),
    ]


def test_a_score_without_log_odds_is_not_told() -> None:
    found = asyncio.run(judged(Calibrated(verifier=Lengths(), map=LINE), ["aa", "aaaaaaaa"], None))
    assert [score.value for score in found] == [pytest.approx(0.5), None]
    assert found[1].detail == "a score of 2 has no log-odds"


def test_rules_can_be_calibrated_too() -> None:
    assert judge(Calibrated(verifier=ExactMatch(), map=STEPS), ["7", "8"], "7") == [0.6, 0.2]


async def test_it_costs_what_the_inner_verifier_costs() -> None:
    spec, inner = SimulatedSpec(), ProcessReward(engine="generator")
    engines = {"generator": spec.open()}
    outer = Calibrated(verifier=inner, map=STEPS)
    for together in (1, 3):
        assert outer.bound(engines, 5, 9, together) == inner.bound(engines, 5, 9, together)
    assert outer.least(engines, 5) == inner.least(engines, 5)
    assert outer.sampling(Sampling()) == inner.sampling(Sampling())
    paid = []
    for verifier in (inner, outer):
        ctx = context(engines)
        drawn = await ctx.sample(Query.ask("Problem 1?"), 3, Sampling(max_tokens=40), engine="generator")
        judged = await ctx.score(Query.ask("Problem 1?"), drawn, verifier)
        paid.append(([c.scores[verifier.name].usage for c in judged], ctx._run.ledger.spent))
    assert paid[0] == paid[1]


@pytest.mark.parametrize("inner", [ExactMatch(), MathAnswer(), ProcessReward(engine="prm"), SelfEvaluation()])
def test_it_asks_and_needs_what_the_inner_verifier_does(inner: Verifier) -> None:
    outer = Calibrated(verifier=inner, map=STEPS)
    assert outer.name.startswith(f"calibrated:{inner.name}:")
    assert outer.engine_names() == inner.engine_names()
    assert outer.needs_reference == inner.needs_reference
    assert not outer.is_relative
    outer.check()


async def test_what_was_judged_is_not_judged_again_for_another_map() -> None:
    SLOW_CALLS.clear()
    ctx = context()
    for found in (STEPS, PlattMap(slope=1.0, offset=0.0)):
        await judged(Calibrated(verifier=Slow(), map=found), ["a", "b"], None, ctx)
    assert SLOW_CALLS == ["a", "b"]


def test_candidates_are_drawn_as_the_inner_verifier_wants() -> None:
    assert Calibrated(verifier=Lengths(), map=STEPS).sampling(Sampling(max_tokens=7)).max_tokens == 8


@pytest.mark.parametrize("found", [STEPS, LINE])
def test_it_is_data(found: IsotonicMap | PlattMap) -> None:
    verifier = Calibrated(verifier=SelfEvaluation(form="question"), map=found)
    again = VERIFIERS.build(verifier.model_dump(mode="json"))
    assert again == verifier and hash(again) == hash(verifier)


def test_scores_that_only_compare_are_refused() -> None:
    with pytest.raises(ValidationError, match="verifier must score each candidate by itself, but 'lengths' compares"):
        Calibrated(verifier=Lengths(is_for_ranks=True), map=STEPS)


def test_a_map_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match="slope"):
        VERIFIERS.build({"kind": "calibrated", "verifier": {"kind": "exact_match"}, "map": {"kind": "platt"}})
