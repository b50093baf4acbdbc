"""The spaces to begin with: how many compositions, what they cost and share, and plain forms that do the same."""

from collections import Counter
from functools import cache

import numpy as np
import pytest
from readable_judge import ReadableJudge

from ponder.orchestrator.archon import archon
from ponder.orchestrator.budget import Budget
from ponder.orchestrator.engines.simulated import SimulatedSpec
from ponder.orchestrator.engines.simulated_world import World
from ponder.orchestrator.journal_file import JournalFile
from ponder.orchestrator.plan import Plan
from ponder.orchestrator.runtime import Runtime, Task
from ponder.orchestrator.shape import Shape
from ponder.orchestrator.types import Query
from ponder.search.spaces.presets import adaptive_space, archon_space, best_of_n_space, stepwise_space
from ponder.search.spaces.space import Point, Space

GENERATORS = [f"m{i}" for i in range(10)]
JUDGE = "judge"
LEVELS = {10: (123, 975), 20: (786, 11_640), 30: (1_780, 37_043), 50: (3_217, 93_110)}
WORLD = World(seed=1, steps=2, branching=3)
SIMULATED = {
    name: SimulatedSpec(world=WORLD.model_copy(update={"hardest": 0.9 - 0.1 * i}), context_length=1_000_000)
    for i, name in enumerate(("a", "b", "c"))
} | {"reward": SimulatedSpec(world=WORLD, reward_noise=1.0)}
SPACES = {
    "archon": archon_space(("a", "b", "c"), layers=2, max_tokens=60),
    "best of n": best_of_n_space(("a", "b"), max_tokens=60, most=16),
    "stepwise": stepwise_space(("a", "b"), max_tokens=60, max_steps=4, step_tokens=(16, 32), most=8),
    "adaptive": adaptive_space(("a", "b"), max_tokens=60, most=16),
}


@cache
def everything() -> tuple[Space, list[Point]]:
    space = archon_space(GENERATORS, judge=JUDGE)
    return space, space.enumerate()


def nominal(point: Point) -> int:
    """The calls of an Archon composition by its components' costs (Saad-Falcon et al. 2024, table 3)."""
    choices = point.choices
    drawn, layers, fusers = choices["generators"] * choices["samples"], choices["layers"], choices.get("fusers", 0)
    criticised, left = choices["criticised"], fusers if layers else drawn
    check = (0, 2 * left, 1 + left)[choices["check"]]
    return drawn + layers * (2 * criticised + fusers) + check + 2 * criticised + 1


def is_ranked_alone(point: Point) -> bool:
    return point.choices["generators"] * point.choices["samples"] * point.choices["criticised"] == 1


def engines() -> dict[str, ReadableJudge]:
    return {name: ReadableJudge(name) for name in (*GENERATORS, JUDGE)}


def test_archon_has_its_compositions_at_every_level() -> None:
    space, points = everything()
    assert (space.combinations, space.size, len(space.refused())) == (4_800, 3_648, 1_152)
    calls = np.array([nominal(point) for point in points])
    assert {level: ((calls <= level).sum(), calls[calls <= level].sum()) for level in LEVELS} == LEVELS


def test_archon_refuses_what_is_too_much_to_fuse() -> None:
    space, _ = everything()
    refused = Counter((each.choices["generators"], each.choices["samples"]) for each in space.refused())
    crowded = {(g, s) for g in range(1, 11) for s in range(1, 6) if g * s > 24}
    assert refused == {each: 2 * 3 * (1 + 3 * 5) for each in crowded}
    assert all("at most 24 candidates may be handed on" in each.rule for each in space.refused())


def test_archon_plans_the_calls_of_its_components() -> None:
    """But one fewer where a ranker is given a single candidate, which costs no call."""
    prompts = dict.fromkeys((*GENERATORS, JUDGE), 20)
    opened = engines()
    for point in everything()[1][::5]:
        plan = Plan(opened, prompts)
        point.strategy.infer(Shape(), plan)
        assert plan.estimate.most.calls == nominal(point) - is_ranked_alone(point)


def test_archon_is_what_its_pipeline_says() -> None:
    space, _ = everything()
    choices = {"generators": 3, "samples": 2, "layers": 2, "fusers": 4, "criticised": 1, "check": 1}
    pipeline = archon(GENERATORS[:3], samples=2, fusers=(4, 4), check="verifier", judge=JUDGE)
    assert space.written(choices).nodes == pipeline.nodes
    assert space.written({**choices, "criticised": 0, "check": 0}).nodes == (
        archon(GENERATORS[:3], samples=2, fusers=(4, 4), criticised=False, judge=JUDGE).nodes
    )


def test_archon_rows_tell_its_compositions_apart() -> None:
    space, points = everything()
    rows = space.encode(points)
    assert rows.shape == (3_648, 10)
    assert len({row.tobytes() for row in rows}) == 3_648
    assert len(set(space.families(points).tolist())) == 2 * 3


def test_one_model_at_several_temperatures_is_several_generators() -> None:
    heats = [{"engine": "a", "temperature": 0.1 * i} for i in range(10)]
    space = archon_space(heats, layers=0)
    widest = space.point({"generators": 10, "samples": 2})
    assert widest.strategy.engine_names() == ("a",)
    assert len({member.temperature for member in widest.strategy.nodes[0].strategy.members}) == 10


async def test_what_archons_compositions_have_in_common_is_paid_once(tmp_path) -> None:
    """A store named by content needs 334 calls where the components' own keys need 369; equal sets need fewer."""
    query, used, paid = Query.ask("Which number?"), 0, 0
    few = [point for point in everything()[1] if nominal(point) <= 10]
    store = JournalFile(tmp_path / "journal.db")
    async with Runtime(engines(), store=store, run=1) as runtime:
        for point in few:
            done = await runtime.execute(Task(id=point.id, strategy=point.strategy, query=query), Budget())
            assert done.result.stopped == "done"
            used, paid = used + done.result.usage.calls, paid + done.paid.calls
    spent = store.spent(1).total
    store.close()
    assert len(few) == 123
    assert 950 <= used <= sum(map(nominal, few)) == 975
    assert spent.calls == paid <= 334


@pytest.mark.parametrize("name", SPACES)
async def test_the_plain_form_gives_the_same_answers_at_the_same_cost(name) -> None:
    space, queries = SPACES[name], [Query.ask(f"Problem {i}?") for i in range(2)]
    points = space.sample(np.random.default_rng(7), 12)
    async with Runtime(SIMULATED) as runtime:
        for point in points:
            written = space.written(point.choices)
            assert await runtime.estimate(written, queries[0]) == await runtime.estimate(point.strategy, queries[0])
            if name == "archon" and is_ranked_alone(point):
                continue  # its later rankers are counted anew, and draw anew
            for query in queries:
                plain, whole = await runtime.run(point.strategy, query), await runtime.run(written, query)
                assert (plain.text, plain.usage, plain.stopped) == (whole.text, whole.usage, whole.stopped)


def test_every_preset_is_sound_and_has_what_it_names() -> None:
    sizes = {name: (space.size, len(space.refused())) for name, space in SPACES.items()}
    assert sizes == {"archon": (990, 0), "best of n": (78, 0), "stepwise": (256, 0), "adaptive": (118, 0)}
    kinds = {name: {point.strategy.kind for point in space.enumerate()} for name, space in SPACES.items()}
    assert kinds["best of n"] == {"sample", "self_consistency", "best_of_n"}
    assert kinds["stepwise"] == {"beam_search", "dvts", "rebase", "particle_filter"}
    assert kinds["adaptive"] >= {"adaptive_consistency", "esc", "first_accepted", "certainty_probe", "cascade"}
