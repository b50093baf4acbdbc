"""A pipeline as the engine of another: one draw is a run, paid from what was reserved, refused where it cannot be."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
from typing import Any, ClassVar

import pytest

from ponder.orchestrator.budget import COUNTED, NANO, Budget, amounts, unit_of
from ponder.orchestrator.canonical import canonical_json
from ponder.orchestrator.engine import Capabilities, Completion, EngineSpec, Prompt, Request, Sampling, Watch
from ponder.orchestrator.engines.simulated import SimulatedEngine, SimulatedSpec
from ponder.orchestrator.engines.simulated_faults import Faults
from ponder.orchestrator.engines.simulated_world import World
from ponder.orchestrator.errors import (
    BudgetExceeded,
    EngineRefused,
    EngineUnavailable,
    PonderError,
    ShapeError,
    UsageError,
)
from ponder.orchestrator.images import Image
from ponder.orchestrator.journal import Retries
from ponder.orchestrator.pipeline import Pipeline
from ponder.orchestrator.pipeline_engine import PipelineEngine, PipelineEngineSpec
from ponder.orchestrator.pipeline_file import load, save
from ponder.orchestrator.run import arun
from ponder.orchestrator.runtime import Runtime
from ponder.orchestrator.strategy import Strategy
from ponder.orchestrator.types import Finish, Query, Usage
from ponder.strategies import BestOfN, BudgetForcing, Fuse, RandomNoiseSearch, Sample, SelfConsistency, SelfDebug
from ponder.testing.image_world import denoising, looking
from ponder.testing.rows import Rows
from ponder.verifiers import ClassLogprob, ExactMatch, ListwiseJudge, ProcessReward

WORLD = World(seed=1, steps=2)
MODEL = SimulatedSpec(world=WORLD, prompt_price=3.0, completion_price=15.0)
REWARD = SimulatedSpec(world=WORLD, reward_noise=1.0)
BEST = BestOfN(n=3, max_tokens=48, verifier=ProcessReward())
QUERY = Query.ask("Problem 3: which number do the steps lead to?")
PROMPT = Prompt(QUERY.messages)
NOW = Retries(most=1, first_wait_s=0.0)


def inner(*strategies: Strategy, model: EngineSpec = MODEL, **knobs: Any) -> PipelineEngineSpec:
    pipeline = Pipeline.series(*strategies or (BEST,), name="inner", engines={"generator": model, "reward": REWARD})
    return PipelineEngineSpec(pipeline=pipeline, **knobs)


def outer(strategy: Strategy, spec: EngineSpec) -> Pipeline:
    return Pipeline.series(strategy, engines={"generator": spec, "reward": REWARD})


async def draw(spec: PipelineEngineSpec, seed: int = 0, prompt: Prompt = PROMPT, **knobs: Any) -> Completion:
    labels, judging = knobs.pop("labels", ()), knobs.pop("judging", False)
    engine = PipelineEngine(spec, NOW)
    await engine.start()
    try:
        return await engine.complete(Request(prompt, Sampling(**knobs), seed, labels, judging))
    finally:
        await engine.close()


async def test_a_draw_is_one_text_without_ids() -> None:
    done = await draw(inner(), seed=4)
    assert done.text.startswith("step 1: ") and done.finish == Finish.EOS
    assert (done.tokens, done.logprobs, done.usage.calls) == ((), None, 3)
    assert await draw(inner(), seed=4) == done != await draw(inner(), seed=6)


async def test_it_can_do_what_a_composed_text_allows() -> None:
    can = inner(model=MODEL.model_copy(update={"context_length": 999})).open().capabilities
    assert (can.generate, can.seed, can.context_length, can.tokenizer) == (True, True, 999, "bytes")
    assert not (can.read or can.token_ids or can.continue_prefix or can.logprobs or can.labels or can.exact_count)


def test_its_identity_is_what_it_draws() -> None:
    known = inner().open().identity
    slow, dear = MODEL.model_copy(update={"latency_s": 1.0}), MODEL.model_copy(update={"prompt_price": 9.0})
    assert known == inner(model=slow).open().identity == inner(model=dear).open().identity
    other = MODEL.model_copy(update={"world": World(seed=2)})
    changed = inner(BEST.model_copy(update={"n": 4})), inner(model=other), inner(budget=Budget(calls=9))
    assert len({known, *(spec.open().identity for spec in changed)}) == 4


@pytest.mark.parametrize("dimension", COUNTED[:5] + COUNTED[6:8])
async def test_no_budget_is_ever_overrun(dimension: str) -> None:
    """Best of three runs of the best of three, judged in and out, at random budgets of a dimension."""
    pipeline = outer(BestOfN(n=3, max_tokens=48, verifier=ProcessReward()), inner())
    async with Runtime(pipeline.engines) as runtime:
        most = (await runtime.estimate(pipeline, QUERY)).most
        enough = dict(zip(COUNTED, amounts(most), strict=True))[dimension]
        drawn = []
        for amount in [*sorted(random.Random(dimension).sample(range(enough), min(12, enough))), enough]:
            limit = amount / unit_of(dimension) if dimension in NANO else amount
            budget = Budget.model_validate({dimension: limit})
            try:
                result = await runtime.run(pipeline, QUERY, budget)
            except BudgetExceeded:
                drawn.append(0)
                continue
            assert budget.fits(result.usage) and result.candidates
            drawn.append(result.usage.calls)
    assert drawn == sorted(drawn) and drawn[0] == 0 and drawn[-1] == 9 and len(set(drawn)) > 2


async def test_the_estimate_knows_the_runs_within() -> None:
    async with Runtime(outer(SelfConsistency(n=2, max_tokens=48), inner()).engines) as runtime:
        told = await runtime.estimate(outer(SelfConsistency(n=2, max_tokens=48), inner()), QUERY)
        judged = await runtime.estimate(outer(BEST, inner(Sample(max_tokens=48))), QUERY)
    assert (told.least.calls, told.most.calls, told.most.verifier_calls, told.critical_path) == (6, 6, 6, 2)
    assert told.most.completion_tokens == 2 * 3 * 48
    assert judged.critical_path == 3  # the best of three within, and its reward; then the reward without


async def test_a_run_resumes_from_any_row_with_the_same_bytes() -> None:
    pipeline = outer(BEST, inner())

    async def run(rows: Rows) -> tuple[bytes, Usage]:
        before = rows.paid()
        async with Runtime(pipeline.engines, store=rows, seed=2) as runtime:
            return canonical_json(await runtime.run(pipeline, QUERY)), rows.paid() - before

    whole = Rows()
    result, paid = await run(whole)
    assert paid.calls == 9
    for size in range(len(whole.rows) + 1):
        again, more = await run(Rows(whole.rows[:size]))
        assert again == result
    assert more == Usage()


async def test_pipelines_nest_twice_and_are_saved_as_toml(tmp_path) -> None:
    pipeline = outer(SelfConsistency(n=2, max_tokens=48), inner(Sample(n=1, max_tokens=48), model=inner()))
    save(pipeline, tmp_path / "nested.toml")
    assert load(tmp_path / "nested.toml") == pipeline
    result = await arun(load(tmp_path / "nested.toml"), QUERY)
    assert result.usage.calls == 6 and result == await arun(pipeline, QUERY)
    assert result.candidates[0].text != result.candidates[1].text


def test_a_table_is_enough_wherever_engines_are_read() -> None:
    code = (
        "from ponder.orchestrator.engines import ENGINES\nassert 'pipeline' in ENGINES.names()\n"
        "stages = [{'kind': 'sample'}]\n"
        "table = {'stages': stages, 'engines': {'generator': {'kind': 'simulated'}}}\n"
        "print(ENGINES.build({'kind': 'pipeline', 'pipeline': table}).pipeline.nodes[0].name)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "sample_0\n"


async def test_sampling_goes_to_the_draws_within() -> None:
    """Values of 1 leave a pipeline as it is; others are as if its strategies had them, judges apart."""
    cold, cut = inner(BEST.model_copy(update={"temperature": 0.0})), inner(BEST.model_copy(update={"max_tokens": 9}))
    stopped = inner(BEST.model_copy(update={"stop": ("\n",)}))
    assert await draw(cold, temperature=1.0) == await draw(cold) == await draw(inner(), temperature=0.0)
    assert await draw(inner(), top_p=0.5) == await draw(inner(BEST.model_copy(update={"top_p": 0.5})))
    assert await draw(inner(), max_tokens=9) == await draw(cut)
    assert (await draw(inner(), max_tokens=9)).finish == Finish.TOTAL_LENGTH
    assert await draw(inner(), stop=("\n",)) == await draw(stopped)
    assert (await draw(stopped)).finish == Finish.STOP


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"logprobs": True}, "tell probabilities"),
        ({"labels": (1, 2)}, "tell probabilities"),
        ({"prompt": Prompt(QUERY.messages, text="step 1: ")}, "continue a text"),
    ],
)
async def test_what_only_a_model_can_do_is_refused(asked: dict[str, Any], why: str) -> None:
    with pytest.raises(EngineRefused, match=why):
        await draw(inner(), **asked)
    with pytest.raises(EngineRefused, match="reads none"):
        await inner().open().read(PROMPT)
    with pytest.raises(EngineRefused, match="must be started"):
        await inner().open().complete(Request(PROMPT, Sampling(), 0))


class SeeingSpec(SimulatedSpec):
    def open(self) -> SimulatedEngine:
        return Seeing(self)


class Seeing(SimulatedEngine):
    """An engine that sees, and holds what it writes to any form, or says that it does."""

    shown: ClassVar[set[tuple[Image, ...]]] = set()
    forms: ClassVar[set[str | None]] = set()

    @property
    def capabilities(self) -> Capabilities:
        return super().capabilities.model_copy(update={"image_tokens": 7, "structured": True})

    async def count(self, prompt: Prompt) -> int:
        return await super().count(prompt) + 7 * len(prompt.images)

    async def complete(self, request: Request, watch: Watch | None = None) -> Completion:
        Seeing.shown.add(request.prompt.images)
        Seeing.forms.add(request.sampling.json_schema)
        return await super().complete(request, watch)


async def test_images_are_shown_to_engines_within_that_see() -> None:
    query = QUERY.model_copy(update={"images": (Image(1, 1, 3, b"abc"),)})
    seen = await arun(outer(Sample(max_tokens=48), inner(model=SeeingSpec(world=WORLD))), query)
    assert seen.text and Seeing.shown == {query.images}
    blind = await arun(outer(Sample(max_tokens=48), inner()), query)
    assert "must take images" in blind.reason and not blind.candidates


async def test_a_form_goes_to_the_draws_within_where_all_can_hold_to_it() -> None:
    form, seeing = '{"type":"object"}', SeeingSpec(world=WORLD)
    Seeing.forms.clear()
    assert (await draw(inner(model=seeing), json_schema=form)).text and Seeing.forms == {form}
    fused = inner(BEST, Fuse(max_tokens=48), SelfDebug(max_tokens=48, verifier=ProcessReward()), model=seeing)
    for spec in (inner(), fused):
        with pytest.raises(EngineRefused, match="JSON schema"):
            await draw(spec, json_schema=form)


async def test_what_a_strategy_within_cannot_follow_is_refused() -> None:
    revised = inner(Sample(max_tokens=48), SelfDebug(max_tokens=48, verifier=ProcessReward()))
    with pytest.raises(EngineRefused, match="must draw by a stop of its own"):
        await draw(revised, stop=("\n",))
    for spec in (revised, inner(Sample(max_tokens=48), model=revised)):
        with pytest.raises(ShapeError, match=r"must draw by a stop of its own, .*; leave it at"):
            await arun(outer(Sample(max_tokens=48, stop=("\n",)), spec), QUERY)


async def test_an_answer_that_may_be_longer_than_asked_is_refused_before_anything_runs() -> None:
    """What a thought is forced to end with is shortened by no cap."""
    forced = inner(BudgetForcing(max_tokens=40, thinking_tokens=20))
    with pytest.raises(ShapeError, match=r"may take \d+ tokens, but max_tokens is 40; raise it"):
        await arun(outer(Sample(max_tokens=40), forced), QUERY)
    assert (await arun(outer(Sample(max_tokens=200), forced), QUERY)).text


async def test_as_a_judge_all_its_calls_are_a_verifiers() -> None:
    judge = inner(SelfConsistency(n=3, max_tokens=48))
    engines, judging = {"generator": MODEL, "judge": judge}, ListwiseJudge(engine="judge", votes=2, max_tokens=48)
    pipeline = Pipeline.series(BestOfN(n=4, temperature=2.0, max_tokens=48, verifier=judging), engines=engines)
    async with Runtime(engines) as runtime:
        result = await runtime.run(pipeline, QUERY)
        most = (await runtime.estimate(pipeline, QUERY)).most
    assert (result.usage.calls, result.usage.verifier_calls % 3) == (4, 0) and result.usage.verifier_calls
    assert all(spent <= bound for spent, bound in zip(amounts(result.usage), amounts(most), strict=True))


async def test_its_own_budget_bounds_what_is_reserved_and_gives_the_best_so_far() -> None:
    spec = inner(SelfConsistency(n=8, max_tokens=48), budget=Budget(calls=3, total_tokens=500))
    done = await draw(spec)
    assert done.usage.calls == 3 and done.text
    told = spec.open().meter.generation(20, 48)
    assert (told.calls, told.prompt_tokens <= 500, told.completion_tokens) == (3, True, 384)
    with pytest.raises(EngineRefused, match="must pay for one attempt"):
        await draw(inner(budget=Budget(calls=0)))
    slow = MODEL.model_copy(update={"latency_s": 60.0})
    with pytest.raises(EngineUnavailable, match="no answer: seconds: the deadline"):
        await draw(inner(model=slow, budget=Budget(seconds=0.05)))


async def test_lost_calls_within_are_paid_and_the_rest_answers() -> None:
    """Whatever is lost within, the usage is what was paid, never more than was reserved."""
    faulty = MODEL.model_copy(update={"faults": Faults(unavailable=0.4)})
    spec = inner(SelfConsistency(n=6, max_tokens=48), model=faulty)
    bound = spec.open().meter.generation(await spec.open().count(PROMPT), 48)
    counts = set()
    for seed in range(12):
        try:
            usage = (await draw(spec, seed, max_tokens=48)).usage
        except EngineUnavailable as error:
            assert not error.is_free
            continue
        assert all(spent <= most for spent, most in zip(amounts(usage), amounts(bound), strict=True))
        counts.add(usage.completion_tokens)
    assert len(counts) > 1


@pytest.mark.parametrize(
    ("faults", "error"),
    [(Faults(unavailable=1.0, unavailable_is_free=True), EngineUnavailable), (Faults(refused=1.0), EngineRefused)],
)
async def test_a_run_without_an_answer_fails_as_its_engines_do(faults: Faults, error: type[PonderError]) -> None:
    with pytest.raises(error, match="'inner' has no answer") as caught:
        await draw(inner(model=MODEL.model_copy(update={"faults": faults})))
    assert getattr(caught.value, "is_free", False) is (error is EngineUnavailable)


async def test_a_cancelled_draw_stops_every_call_within() -> None:
    slow = inner(model=inner(Sample(max_tokens=48), model=MODEL.model_copy(update={"latency_s": 60.0})))
    engine = slow.open()
    await engine.start()
    drawing = asyncio.create_task(engine.complete(Request(PROMPT, Sampling(), 0)))
    while len(asyncio.all_tasks()) < 4:
        await asyncio.sleep(0)
    drawing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await drawing
    assert asyncio.all_tasks() == {asyncio.current_task()}
    await engine.close()


def test_a_pipeline_that_cannot_be_a_model_is_refused() -> None:
    with pytest.raises(UsageError, match="without a reference"):
        inner(BestOfN(n=2, verifier=ExactMatch()))
    with pytest.raises(UsageError, match="must be those of its own engines"):
        inner(prompt_price=1.0)
    with pytest.raises(ShapeError, match="must be one of the pipeline's engines"):
        PipelineEngineSpec(pipeline=Pipeline.series(Sample()))
    search = RandomNoiseSearch(n=2, steps=2, verifier=ClassLogprob())
    pictures = Pipeline.series(search, name="pictures", engines={"generator": denoising(), "reward": looking(0)})
    with pytest.raises(UsageError, match="'pictures' makes images"):
        PipelineEngineSpec(pipeline=pictures)
