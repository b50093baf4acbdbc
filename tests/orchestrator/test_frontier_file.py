"""The frontier: a file that comes back as it was, the point to use within a cost, and models to serve."""

import json
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from pydantic import ValidationError

import ponder
from ponder.orchestrator.engines.simulated import SimulatedSpec
from ponder.orchestrator.errors import ShapeError, UsageError
from ponder.orchestrator.frontier import Frontier, FrontierPoint, load_all
from ponder.orchestrator.pipeline_file import load, save
from ponder.strategies import BestOfN, Rank, Sample, SelfConsistency
from ponder.verifiers import ProcessReward

GENERATOR, REWARD = SimulatedSpec(), SimulatedSpec(reward_noise=1.0)
ENGINES = {"generator": GENERATOR, "reward": REWARD}


def point(strategy, calls, accuracy, **more):
    given = {"name": f"{strategy.kind} {calls}", "level": calls, "cost": {"calls": calls, "total_tokens": 60.0 * calls}}
    figures = {"accuracy": accuracy, "low": accuracy - 0.0625, "high": accuracy + 0.0625, "items": 80}
    return FrontierPoint(**{**given, **figures, **more}, strategy=strategy)


POINTS = (
    point(Sample(max_tokens=48), 1, 0.375, critical_path=1),
    point(SelfConsistency(n=4, max_tokens=48), 4, 0.5, tied_with=("best_of_n 3",)),
    point(BestOfN(n=8, max_tokens=48, verifier=ProcessReward()), 16, 0.75),
)


def frontier(**more):
    return Frontier(**{"name": "small", "by": "calls", "engines": ENGINES, "points": POINTS, **more})


def test_comes_back_from_its_file(tmp_path) -> None:
    frontier().save(path := tmp_path / "small.frontier.toml")
    assert Frontier.load(path) == frontier()
    text = path.read_text()
    Frontier.load(path).save(path)
    assert path.read_text() == text
    flat = frontier(points=())
    flat.save(path)
    assert Frontier.load(path) == flat


def test_is_a_public_name() -> None:
    assert ponder.Frontier is Frontier


def test_a_file_names_its_frontier(tmp_path) -> None:
    for name in ("math.frontier.toml", "math.toml"):
        frontier().save(path := tmp_path / name)
        path.write_text(path.read_text().replace('name = "small"\n', "", 1))
        assert Frontier.load(path).name == "math"


def test_gives_the_most_accurate_point_within_a_cost() -> None:
    assert frontier().best() == POINTS[2]
    assert [frontier().best(cost).name for cost in (1, 3.9, 4, 15, 16, 1e9)] == [
        "sample 1", "sample 1", "self_consistency 4", "self_consistency 4", "best_of_n 16", "best_of_n 16",
    ]  # fmt: skip
    dearer = point(Sample(n=32, max_tokens=48), 32, 0.75)
    assert frontier(points=(*POINTS, dearer)).best() == POINTS[2]
    flattered = POINTS[2].model_copy(update={"not_confirmed": "the budget ended"})
    assert frontier(points=(*POINTS[:2], flattered)).best() == POINTS[1]
    assert frontier(points=(flattered,)).best() == flattered
    with pytest.raises(UsageError, match=r"calls must be at least 1 for the cheapest point, got 0\.5"):
        frontier().best(0.5)
    with pytest.raises(UsageError, match="small has none; sweep with a larger budget"):
        frontier(points=()).best()


def test_each_point_is_a_pipeline_with_the_engines_it_uses() -> None:
    made = frontier().pipelines()
    assert [pipeline.name for pipeline in made] == ["small-1", "small-2", "small-3"]
    assert [pipeline.nodes[0].strategy for pipeline in made] == [point.strategy for point in POINTS]
    assert [list(pipeline.engines) for pipeline in made] == [["generator"], ["generator"], ["generator", "reward"]]
    assert ponder.run(made[1], "Problem 3?").text


def test_is_a_table_of_points_with_intervals() -> None:
    assert str(frontier(points=POINTS[:2])).splitlines() == [
        "model    calls  accuracy, %        composition",
        "small-1      1  37.5 [31.2, 43.8]  sample 1",
        "small-2      4  50.0 [43.8, 56.2]  self_consistency 4",
    ]
    shaky = POINTS[0].model_copy(update={"not_confirmed": "the budget ended"})
    assert "37.5 [31.2, 43.8] (not confirmed)" in str(frontier(points=(shaky,)))
    assert str(frontier(points=(shaky,))).endswith("\nnot confirmed: the budget ended")
    hostile = {"name": "a\x1b[2J\nb", "not_confirmed": "c\x1b]8;;x\x07\r", "cost": {"calls\x9b": 1.0}}
    text = str(frontier(by="calls\x9b", points=(POINTS[0].model_copy(update=hostile),)))
    assert all(line.isprintable() for line in text.split("\n")) and len(text.split("\n")) == 3


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"points": POINTS[::-1]}, "points must rise in cost, got 16, 4, 1"),
        ({"points": (POINTS[0], POINTS[0])}, "points must have names of their own"),
        ({"by": "flops"}, "must have a cost in 'flops', but 'sample 1' has none"),
        ({"engines": {"generator": GENERATOR}}, "'best_of_n 16' uses engine 'reward', which is not there"),
    ],
)
def test_a_frontier_that_cannot_be(changes, problem) -> None:
    with pytest.raises(UsageError, match=problem):
        frontier(**changes)


def test_no_accuracy_without_its_interval() -> None:
    with pytest.raises(UsageError, match=r"must hold its accuracy, got 0\.5"):
        point(Sample(), 1, 0.5, low=0.75)
    with pytest.raises(ValidationError, match="high"):
        FrontierPoint.model_validate(POINTS[0].model_dump(exclude={"high"}))


def test_a_file_that_is_no_frontier_is_refused(tmp_path) -> None:
    path = tmp_path / "f.toml"
    save(frontier().pipelines()[0], path)
    with pytest.raises(UsageError, match="must be a frontier, but it has no points"):
        Frontier.load(path)
    path.write_text("points = [{ name = 'a' }]\n")
    with pytest.raises(UsageError, match=r"the frontier in .*f.toml is not valid: points.0.strategy: Field required"):
        Frontier.load(path)
    frontier(points=(point(Rank(verifier=ProcessReward()), 1, 0.5),)).save(path)
    with pytest.raises(ShapeError):
        Frontier.load(path)
    frontier().save(path)
    with pytest.raises(UsageError, match=r"must be a pipeline, but it is a frontier; run: ponder serve .*f.toml"):
        load(path)
    with pytest.raises(UsageError, match="must be readable"):
        Frontier.load(tmp_path / "none.toml")


def test_files_and_folders_may_hold_pipelines_and_frontiers(tmp_path) -> None:
    frontier().save(tmp_path / "small.frontier.toml")
    save(frontier(name="other").pipelines()[0], one := tmp_path / "other.toml")
    assert [each.name for each in load_all([tmp_path])] == ["other-1", "small"]
    assert [each.name for each in load_all([one, tmp_path / "small.frontier.toml"])] == ["other-1", "small"]
    (empty := tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="must hold pipelines or frontiers as TOML files, but holds none"):
        load_all([empty])


def test_is_served_as_a_model_and_each_point_as_one(tmp_path) -> None:
    frontier().save(path := Path(tmp_path) / "small.frontier.toml")
    command = [sys.executable, "-m", "ponder", "serve", str(path), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            said = server.stdout.readline()
            assert said.startswith("serving small at http://127.0.0.1:")
            with urllib.request.urlopen(f"{said.split(' at ')[1].split()[0]}/models", timeout=30) as answer:
                names = [model["id"] for model in json.load(answer)["data"]]
            assert names == ["small", "small-1", "small-2", "small-3"]
        finally:
            server.send_signal(signal.SIGTERM)
