"""The study of noise search: its metrics are exact, it runs strategies as they are, its report tells what it found."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from digits.data import every
from digits.frechet import frechet
from noise_search import RESULTS
from noise_search_study import hacking, pictures, report
from noise_search_study.cells import Cell, gathered, worked
from noise_search_study.duels import HEADLINE, SATURATED, SCALED, duels
from noise_search_study.engines import engines
from noise_search_study.jackknife import jackknifed
from noise_search_study.lineup import MAIN, cells, whole, wide
from noise_search_study.manifolds import precision, recall
from noise_search_study.measured import SCORES, point, real_likeness
from noise_search_study.methods import Method
from noise_search_study.pilot import PILOT

from ponder.orchestrator.engine import EngineSpec
from ponder.orchestrator.engines.denoisers import Mixture
from ponder.orchestrator.engines.diffusion import DiffusionSpec

PROMPTS = 20
RANDOM = Method("random", "random search", wide("random_noise_search"), (16, 32), family="whole")
SVDD = Method("svdd", "SVDD", wide("svdd"), (32,))


@pytest.fixture(scope="module")
def mixture() -> dict[str, EngineSpec]:
    """The study's engines, with the means of real digits in place of the model."""
    digits = every()
    means = tuple(tuple(map(float, digits.images[digits.labels == label].mean(axis=0))) for label in range(10))
    denoiser: Any = Mixture(means=means, variance=0.05, shape=(8, 8, 1))
    return {**engines(), "generator": DiffusionSpec(denoiser=denoiser)}


def test_the_frechet_distance_is_that_of_gaussians() -> None:
    cloud = np.random.default_rng(0).standard_normal((500, 4))
    assert frechet(cloud, cloud) == pytest.approx(0.0, abs=1e-9)
    assert frechet(cloud, cloud + np.array([3.0, 0, 4.0, 0])) == pytest.approx(25.0, abs=1e-9)
    spread = np.linalg.eigvalsh(np.cov(cloud.T))
    assert frechet(cloud, 3 * cloud) == pytest.approx(4 * spread.sum() + 4 * np.sum(cloud.mean(axis=0) ** 2))
    square = np.array([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]])
    variance = np.cov(square.T)[0, 0]
    assert frechet(square, square * np.array([2.0, 0.5])) == pytest.approx(variance * (1.0 + 0.25))


def test_precision_and_recall_tell_false_from_missing_and_see_collapse() -> None:
    real = np.random.default_rng(0).standard_normal((300, 3))
    assert precision(real, real) == recall(real, real) == 1.0
    assert precision(real + 100, real) == recall(real + 100, real) == 0.0
    half = real[real[:, 0] > 0]
    assert precision(half, real) == 1.0 and 0.4 < recall(half, real) < 0.7
    collapsed = np.repeat(real[:1], 300, axis=0)
    assert precision(collapsed, real) == 1.0 and recall(collapsed, real) < 0.05
    both = np.concatenate([real, real + 100])
    assert precision(both, real) == 0.5 and recall(both, real) == 1.0


def test_the_jackknife_gives_the_interval_of_a_mean() -> None:
    values = np.random.default_rng(1).standard_normal(400) + 5
    found = jackknifed(np.mean, [values])
    groups = values.reshape(20, 20).mean(axis=1)
    reach = 2.093 * groups.std(ddof=1) / np.sqrt(20)
    assert found.mean == pytest.approx(values.mean())
    assert (found.high - found.low) / 2 == pytest.approx(reach, rel=1e-9)
    twice = jackknifed(np.mean, [values, values + 2])
    assert twice.mean == pytest.approx(values.mean() + 1)
    assert (twice.high - twice.low) / 2 == pytest.approx(reach / np.sqrt(2), rel=1e-9)
    assert jackknifed(np.mean, [values], most=4.95).high == 4.95 < found.high


async def test_a_cell_is_run_once_spends_what_it_may_and_is_told(
    mixture: dict[str, EngineSpec], tmp_path: Path
) -> None:
    asked = cells((RANDOM, SVDD), (0, 1), PROMPTS)
    await worked(asked, mixture, tmp_path)
    files = {file: file.stat().st_mtime_ns for file in tmp_path.iterdir()}
    assert sorted(file.name for file in files) == sorted(f"{cell.name}.json" for cell in asked)
    await worked(asked, {}, tmp_path)
    assert {file: file.stat().st_mtime_ns for file in tmp_path.iterdir()} == files
    made = gathered(asked, tmp_path)
    assert [len(parts) for parts in made.values()] == [2, 2, 2]
    for (_, nfe), parts in made.items():
        assert {each for part in parts for each in part.nfe} == {nfe}
    assert (made["random", 32][0].images != made["random", 32][1].images).any()
    few, many = (SCORES["weak"](part.images, part.wanted) for nfe in (16, 32) for part in made["random", nfe][:1])
    assert (many >= few).all() and (many > few).any()
    points = [point((name, name), nfe, parts) for (name, nfe), parts in made.items()]
    by_name = {(each.method, each.nfe): each for each in points}
    assert by_name["svdd", 32].svc.mean > by_name["random", 32].svc.mean
    assert by_name["svdd", 32].prompts == 2 * PROMPTS and by_name["random", 16].calls == 2.0
    pairs = [(("svdd", 32), ("random", 32)), (("svdd", 64), ("random", 32))]
    (won,) = duels(made, pairs)
    assert won.is_won and not won.is_lost
    told = report.Found(points, [], [won], [], [], {"RBF": [1.0, 3.0]}, real_likeness(PROMPTS))
    text = report.written(told)
    assert "| svdd at 32 | random at 32 | **+" in text and "| RBF | 1.0 | 3.0 | 0.75 |" in text
    assert not report.is_met(told.duels)
    assert report.numbers(told)["points"][0]["spent"] == 16.0


async def test_what_is_chosen_by_each_verifier_comes_from_the_same_images(
    mixture: dict[str, EngineSpec], tmp_path: Path
) -> None:
    methods = [replace(method, sizes=(8, 32)) for method in hacking.HACKED]
    asked = [Cell(method, nfe, 0, PROMPTS) for method in methods for nfe in method.sizes]
    await worked(asked, mixture, tmp_path)
    made = gathered(asked, tmp_path)
    alone = {part.images.tobytes() for method in methods for part in made[method.name, 8]}
    assert len(alone) == 1
    found = {(each.verifier, each.n): each for each in hacking.hacked(made, methods)}
    for name in ("weak", "better", "spread", "judge"):
        assert found[name, 4].score.mean > found[name, 1].score.mean
        assert found[name, 4].score.mean >= max(
            float(SCORES[name](made[f"pool_{other}", 32][0].images, made["pool_weak", 8][0].wanted).mean())
            for other in hacking.VERIFIERS
        ) - 1e-6  # fmt: skip


async def test_a_trajectory_goes_from_noise_to_the_image(mixture: dict[str, EngineSpec]) -> None:
    told = await pictures.trajectories(SVDD, 32, mixture, (3,), 0)
    ((title, sheet),) = told.items()
    assert title == "a handwritten 3"
    assert sheet.shape == (8 * 6 + 2 * 2, 9 * (8 * 6 + 2) + 2)


def test_every_method_is_a_strategy_that_uses_its_evaluations() -> None:
    for method in (*MAIN, *PILOT, *hacking.HACKED, *hacking.FAITHFUL):
        for nfe in method.sizes:
            assert method.strategy(nfe).kind
    assert whole(64) == 8
    assert len({method.name for method in (*MAIN, *hacking.HACKED, *hacking.FAITHFUL)}) == len(MAIN) + 6


def test_the_committed_results_show_that_search_scales_where_steps_do_not() -> None:
    told = json.loads(RESULTS.with_suffix(".json").read_text())
    assert told["is_met"]
    points = {(each["method"], each["nfe"]): each for each in told["points"]}
    assert {(method.name, nfe) for method in MAIN for nfe in method.sizes} <= set(points)
    assert all(points[where]["prompts"] == 600 for duel in (HEADLINE, SATURATED, SCALED) for where in duel)
    assert all(each["spent"] <= each["nfe"] for each in points.values())
    text = RESULTS.with_suffix(".md").read_text()
    for name in ("scaling", "images", "hacking", "trajectory"):
        assert f"({RESULTS.name}_{name}.png)" in text
        assert RESULTS.with_name(f"{RESULTS.name}_{name}.png").stat().st_size < 150_000
