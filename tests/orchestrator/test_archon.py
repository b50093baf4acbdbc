"""Archon's order as a pipeline: what stands where, what it costs, and that it runs."""

import pytest

import ponder
from ponder.orchestrator.archon import archon
from ponder.orchestrator.engines.simulated import SimulatedSpec
from ponder.orchestrator.engines.simulated_world import World
from ponder.orchestrator.errors import UsageError
from ponder.orchestrator.pipeline_file import load, save
from ponder.orchestrator.runtime import Runtime
from ponder.orchestrator.types import Query

ENGINES = {"generator": SimulatedSpec(world=World(seed=1, steps=2, branching=3), context_length=1_000_000)}
QUERY = Query.ask("Problem 3?")


def kinds(pipeline):
    return [node.strategy.kind for node in pipeline.nodes]


@pytest.mark.parametrize(
    ("knobs", "expected"),
    [
        ({}, ["ensemble", "critic", "ranker", "fuse"]),
        ({"criticised": False}, ["ensemble", "fuse"]),
        ({"fusers": (4, 2), "criticised": False}, ["ensemble", "fuse", "fuse", "fuse"]),
        ({"check": "verifier"}, ["ensemble", "verifier_filter", "critic", "ranker", "fuse"]),
        (
            {"fusers": (2,), "check": "verifier"},
            ["ensemble", "critic", "ranker", "fuse", "verifier_filter", "critic", "ranker", "fuse"],
        ),
        (
            {"check": "unit_tests", "criticised": False},
            ["ensemble", "unit_test_generator", "unit_test_evaluator", "fuse"],
        ),
    ],
)
def test_layers_stand_in_the_order_of_the_paper(knobs, expected):
    assert kinds(archon(**knobs, engines=ENGINES).check()) == expected


@pytest.mark.parametrize(
    ("knobs", "calls"),
    [
        ({"criticised": False}, 5 + 1),
        ({}, 5 + 2 + 1),
        ({"samples": 3, "fusers": (2,)}, 3 + 2 + 2 + 2 + 1),
        ({"samples": 3, "check": "verifier", "criticised": False}, 3 + 2 * 3 + 1),
        ({"samples": 3, "check": "unit_tests", "criticised": False}, 3 + 1 + 3 + 1),
        ({"samples": 8, "check": "verifier"}, 8 + 2 * 8 + 2 + 1),
        ({"samples": 8, "check": "unit_tests", "fusers": (2,)}, 8 + 2 + 2 + 1 + 2 + 2 + 1),
        ({"samples": 8, "check": "verifier", "fusers": (2,), "criticised": False}, 8 + 2 + 2 * 2 + 1),
    ],
)
async def test_it_may_cost_what_its_layers_do(knobs, calls):
    async with Runtime(ENGINES) as runtime:
        assert (await runtime.estimate(archon(**knobs), QUERY)).most.calls == calls


async def test_it_gives_one_answer():
    pipeline = archon(samples=2, fusers=(2,), check="verifier", max_tokens=60)
    async with Runtime(ENGINES) as runtime:
        result = await runtime.run(pipeline, QUERY)
    assert len(result.candidates) == 1
    assert result.candidates[0].text.startswith("step 1: ")


def test_the_judge_is_the_first_generator_unless_another_is_named():
    assert archon(("a", "b")).engine_names() == ("a", "b")
    assert archon(("a",), judge="c").engine_names() == ("a", "c")
    with pytest.raises(UsageError, match="must name an engine at least"):
        archon(())


def test_it_is_a_pipeline_like_any_other(tmp_path):
    pipeline = ponder.archon(samples=2, fusers=(2,), check="unit_tests", engines=ENGINES)
    save(pipeline, tmp_path / "archon.toml")
    assert load(tmp_path / "archon.toml") == pipeline


def test_an_unknown_check_is_refused() -> None:
    with pytest.raises(UsageError, match=r"check must be one of none, verifier, unit_tests, got 'tests'; choose one"):
        archon(check="tests")  # type: ignore[arg-type]
