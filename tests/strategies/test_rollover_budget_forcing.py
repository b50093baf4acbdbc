"""Rollover budget forcing: who pays for what, when a step ends, what speculation changes, and whole images."""

import re
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise

import numpy as np
import pytest
from blobs import BLOBS, ENGINES, QUERY, shown_as, values, world
from image_rewards import BRIGHT, COUNTED, FLAT, RISING, SILENT, rows_of
from pydantic import ValidationError

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.engines.denoisers import Condition
from ponder.orchestrator.errors import BudgetExceeded, ShapeError
from ponder.orchestrator.images import Latent
from ponder.orchestrator.interpolants import LINEAR
from ponder.orchestrator.passing import digest_of
from ponder.orchestrator.plan import Plan
from ponder.orchestrator.run import arun
from ponder.orchestrator.run_state import Watcher
from ponder.orchestrator.shape import Shape
from ponder.orchestrator.types import Candidate
from ponder.strategies import RolloverBudgetForcing
from ponder.strategies.denoising import times
from ponder.strategies.denoising_steps import DenoisingSteps
from ponder.strategies.rollover import Acceptance, Chain, merit
from ponder.strategies.sde_step import sde_steps
from ponder.verifiers import RankEnsemble

PUBLISHED = {"min_tries": 1, "margin": 0.0, "leftover": "last"}
KNOBS = {"verifier": BRIGHT, "conditional": False, "steps": 6, "evaluations": 3 + 5 * 4, "initial": 3}
WAYS = {
    "ours": {},
    "published": PUBLISHED,
    "eager": {"min_tries": 1, "margin": 0.0},
    "no early end": {"min_tries": 4},
    "a remainder": {"evaluations": 27},
    "least": {"evaluations": 8},
    "published at least": {**PUBLISHED, "evaluations": 8},
    "two steps": {"steps": 2},
    "published, two steps": {**PUBLISHED, "steps": 2},
    "margin of a score": {"margin": 0.01, "margin_unit": "score"},
    "more at the end": {"final_steps": 3},
    "exponential": {**PUBLISHED, "grid": "exponential", "interpolant": "variance_preserving"},
    "guided": {"conditional": True, "guidance": 2.0},
}
EACH = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


@dataclass(frozen=True)
class Run:
    """What a run made: its image, the place, tries and quota of each step, the rows of its denoiser, and its rounds."""

    image: Candidate
    steps: list[tuple[int, int, int]]
    rows: int
    rounds: int


async def played(way: dict, seed: int = 0) -> Run:
    strategy, written = RolloverBudgetForcing(**KNOBS | way), []
    async with world(COUNTED, seed) as ctx:
        ctx._run.watcher = Watcher(wrote=written.append)
        [image] = await strategy.run(QUERY, [], ctx)
        assert ctx._run.ledger.spent.nfe == rows_of(ctx)
        told = [re.fullmatch(r"step (\d+): (\d+) of (\d+) tries\n", each.text).groups() for each in written]
        return Run(image, [tuple(map(int, each)) for each in told], rows_of(ctx), ctx._steps - 2)


@EACH
@pytest.mark.parametrize("verifier", [BRIGHT, RISING, SILENT], ids=lambda each: each.function[14:])
async def test_the_noises_the_tries_and_the_end_are_all_evaluations(way, verifier) -> None:
    strategy = RolloverBudgetForcing(**KNOBS | way | {"verifier": verifier})
    run = await played(way | {"verifier": verifier})
    spent = sum(spent for _, spent, _ in run.steps)
    assert strategy.initial + spent + strategy.final_evaluations == strategy.evaluations
    assert run.rows == strategy.evaluations * (1 if strategy.guidance == 1.0 else 2)
    assert run.rounds <= strategy.most_rounds
    assert all(0 < spent <= quota for _, spent, quota in run.steps)
    plan = Plan({name: spec.open() for name, spec in ENGINES.items()})
    strategy.infer(Shape(), plan)
    assert plan.estimate.most.nfe == run.rows
    assert plan.estimate.critical_path == strategy.most_rounds + 2


@EACH
async def test_what_a_step_does_not_need_rolls_over_to_the_next(way) -> None:
    """A quota is that of any step and what the step before had left; where a line begins anew, that of any step."""
    strategy = RolloverBudgetForcing(**KNOBS | way)
    last, granted, left = strategy.steps - 1, strategy.quota, strategy.tries
    run = await played(way)
    for (before, spent, quota), (place, _, following) in pairwise([(0, granted, granted), *run.steps]):
        left -= spent if before else 0
        rolled = quota - spent
        if before == last:
            assert place == last + 1 - min(last, max(1, left // granted))
            rolled = 0
        else:
            assert place == before + 1
        all_left = strategy.leftover == "last" and place == last
        assert following == (left if all_left else min(granted + rolled, left))


@pytest.mark.parametrize("evaluations", [23, 26])
async def test_where_nothing_improves_each_step_spends_its_quota(evaluations) -> None:
    run = await played({**PUBLISHED, "verifier": FLAT, "evaluations": evaluations})
    assert run.steps == [(1, 4, 4), (2, 4, 4), (3, 4, 4), (4, 4, 4), (5, evaluations - 19, evaluations - 19)]
    assert run.rounds == 4 * 4 + 1
    ours = await played({"verifier": FLAT, "evaluations": evaluations})
    assert ours.steps == [(n, 4, 4) for n in (1, 2, 3, 4, 5)] + [(5, 3, 3)] * (evaluations > 23)


async def test_where_all_improves_each_step_takes_one_and_the_last_the_rest() -> None:
    run = await played({**PUBLISHED, "verifier": RISING})
    assert run.steps == [(1, 1, 4), (2, 1, 7), (3, 1, 10), (4, 1, 13), (5, 16, 16)]
    assert run.rounds == 5


async def test_what_is_left_goes_back_by_as_many_steps_as_full_quotas_are_left() -> None:
    """20 tries, a quota of 4: of steps that need 3 each there are 5 left, then 2, then none."""
    run = await played({"verifier": RISING, "margin": 0.0})
    assert run.steps == [(1, 3, 4), (2, 3, 5), (3, 3, 6), (4, 3, 7), (5, 3, 8), (5, 3, 4), (5, 2, 2)]
    eager = await played({"verifier": RISING, "margin": 0.0, "min_tries": 1})
    places = [place for place, _, _ in eager.steps]
    assert places[:8] == [1, 2, 3, 4, 5, 3, 4, 5]  # 15 left are 3 full quotas
    assert len(places) == 20


async def test_the_published_search_by_hand() -> None:
    """Noises by address and number, one try at a time, on to the first that is brighter than all before."""
    strategy = RolloverBudgetForcing(**KNOBS | PUBLISHED | {"evaluations": 43})
    model, grid = BLOBS.load(), (1.0, *times(6))

    def judged(x: np.ndarray, t: float) -> tuple[np.ndarray, list[float]]:
        u = model.velocity(x, np.full(len(x), t), [Condition()] * len(x))
        pixels = model.decode(LINEAR.data(x, u, t).astype(np.float32))
        return u, [float(each.mean(dtype=np.float64)) / 255 for each in pixels]

    async with world() as ctx:
        x = ctx.noise(QUERY, 3)
        u, scores = judged(x, 1.0)
        at = int(np.argmax(scores))
        x, u, best = x[[at]], u[[at]], scores[at]
        spends, line, quota, left = [], [x[0]], 0, 40
        for place in range(1, 6):
            t, to = grid[place - 1], grid[place]
            quota = left if place == 5 else quota + 8
            address, tried = digest_of(Latent.of(x[0], t)).hex(), []
            while len(tried) < quota:
                z = ctx.noise(QUERY, 1, address, len(tried))
                there = sde_steps(LINEAR, x, u, (t, to), g=3 * t * t, z=z).astype(np.float32)
                velocity, [score] = judged(there, to)
                tried.append((score, there, velocity))
                if score > best and place < 5:
                    break
            score, x, u = max(tried, key=lambda each: each[0])
            best = max(best, score)
            spends.append((place, len(tried), quota))
            quota, left = quota - len(tried), left - len(tried)
            line.append(x[0])
    run = await played({**PUBLISHED, "evaluations": 43})
    assert strategy.quota == 8
    assert run.steps == spends
    assert any(spent < quota for _, spent, quota in spends[:-1])
    states = list(run.image.path())
    assert [values(each).tobytes() for each in states[:-1]] == [each.tobytes() for each in line]
    told = [each.scores[BRIGHT.name].value for each in states[:-1]]
    assert max(told) == pytest.approx(best, abs=1e-12)


async def test_the_bar_is_the_best_score_of_the_whole_chain_after_each_step() -> None:
    """With one try a step, all but one end with less than the best before, and only that one raises the bar."""
    strategy, bars = RolloverBudgetForcing(**KNOBS | PUBLISHED | {"evaluations": 8}), []
    async with world() as ctx:
        states = DenoisingSteps(QUERY, ctx, strategy.way(ctx), "generator", BRIGHT)
        [noises] = await states.extend([(None, 3)])
        first = max(await states.score(noises), key=merit)
        chain, line = Chain(states, strategy.acceptance, strategy.quota, 1, first[1]), [first]
        for place in range(1, 6):
            line = await chain.onward(line, place, strategy.quota, spends_all=False)
            bars.append(chain.best)
    told = [score for _, score in line]
    assert bars == list(accumulate(told, max))[1:]
    assert [score == bar for score, bar in zip(told[1:], bars, strict=True)] == [False, False, True, False, False]


@EACH
@pytest.mark.parametrize("speculation", [3, 50])
async def test_speculation_changes_what_is_charged_and_nothing_else(speculation, way) -> None:
    one, many = await played(way, seed=3), await played(way | {"speculation": speculation}, seed=3)
    assert many.steps == one.steps
    assert many.image.image == one.image.image
    assert [values(each).tobytes() for each in many.image.path()] == [values(e).tobytes() for e in one.image.path()]
    assert many.rows >= one.rows
    assert many.rounds <= one.rounds
    strategy = RolloverBudgetForcing(**KNOBS | way | {"speculation": speculation})
    plan = Plan({name: spec.open() for name, spec in ENGINES.items()})
    strategy.infer(Shape(), plan)
    assert many.rows <= plan.estimate.most.nfe
    assert many.rounds <= strategy.most_rounds
    assert strategy.is_speculative


@EACH
async def test_the_score_is_that_of_the_image_itself(way) -> None:
    image = (await played(way)).image
    assert image.latent.t == 0.0
    assert image.image.pixels == shown_as(image)
    assert image.finish.is_complete
    assert image.scores[BRIGHT.name].value == image.image.array.mean(dtype=np.float64) / 255


@EACH
async def test_any_budget_gives_a_whole_image_or_is_refused(way) -> None:
    strategy = RolloverBudgetForcing(**KNOBS | way)
    rows = 1 if strategy.guidance == 1.0 else 2
    one, enough = rows * (strategy.steps + strategy.final_evaluations), rows * strategy.evaluations
    for nfe in (0, 1, one - 1):
        with pytest.raises(BudgetExceeded, match="nfe"):
            await arun(strategy, QUERY, engines=ENGINES, budget=Budget(nfe=nfe))
    for nfe in {one, one + 1, max(one, enough // 2), enough - 1, enough}:
        result = await arun(strategy, QUERY, engines=ENGINES, budget=Budget(nfe=nfe))
        assert result.usage.nfe <= nfe
        assert (result.usage.nfe == enough, result.stopped) in ((True, "done"), (False, "budget"))
        assert result.best.finish.is_complete
        assert result.best.latent.t == 0.0
        assert result.best.image.pixels == shown_as(result.best)
        assert result.best.scores[BRIGHT.name].value == result.best.image.array.mean(dtype=np.float64) / 255


@pytest.mark.parametrize(
    ("knobs", "why"),
    [
        ({"evaluations": 7}, "so 8 evaluations for 3 noises and 6 steps, got 7; raise evaluations"),
        ({"evaluations": 8, "final_steps": 3}, "so 10 evaluations for 3 noises and 6 steps, got 8"),
        ({"steps": 1}, "there must be 2 steps or more"),
        ({"min_tries": 0}, "greater than or equal to 1"),
        ({"margin": -1.0}, "greater than or equal to 0"),
    ],
)
def test_fewer_evaluations_than_steps_are_refused(knobs, why) -> None:
    with pytest.raises(ValidationError, match=why):
        RolloverBudgetForcing(**KNOBS | knobs)


def test_scores_that_compare_within_a_step_are_refused() -> None:
    strategy = RolloverBudgetForcing(**KNOBS | {"verifier": RankEnsemble(members=(BRIGHT, FLAT))})
    with pytest.raises(ShapeError, match="here a score must stand alone"):
        strategy.infer(Shape(), Plan())


def test_when_a_step_is_decided() -> None:
    plain, patient, sure = Acceptance(), Acceptance(3), Acceptance(1, 2.0, in_deviations=True)
    assert [plain.decided(scores, 0.5) for scores in ([], [0.5], [0.4, 0.6], [None, 0.6])] == [None, None, 2, 2]
    assert [patient.decided(scores, 0.5) for scores in ([0.9, 0.9], [0.9, 0.1, 0.1], [0.1] * 3 + [0.6])] == [None, 3, 4]
    assert sure.decided([9.0], 0.5) is None  # one score has no deviation
    assert [sure.decided(scores, 0.5) for scores in ([0.4, 0.9], [0.4, 1.0, 1.5], [0.5, 0.6, 1.2])] == [None, 3, 3]
    assert plain.decided([-5.0], None) == 1
    assert Acceptance(1, 0.25).decided([0.75, 0.76], 0.5) == 2
    assert replace(sure, margin=0.0).decided([0.6], 0.5) == 1
