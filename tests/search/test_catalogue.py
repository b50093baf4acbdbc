"""The catalogue: what may be measured, and why other compositions may not."""

import numpy as np
import pytest

from ponder.orchestrator.budget import COUNTED, Budget
from ponder.orchestrator.data.sources import SimulatedData
from ponder.orchestrator.engine import Prompt
from ponder.orchestrator.engines.simulated import SimulatedSpec
from ponder.orchestrator.errors import UsageError
from ponder.orchestrator.types import Query
from ponder.search.catalogue import SAMPLED, Planner, catalogue
from ponder.search.spaces.domains import Floats, Integers
from ponder.search.spaces.space import Space
from ponder.strategies import Sample

ENGINES = {name: SimulatedSpec().open() for name in ("generator", "reward")}
QUERIES = SimulatedData(size=4).load()
VOTES = {"kind": "self_consistency", "max_tokens": 10, "n": Integers(low=1, high=8)}


async def planner(queries=QUERIES) -> Planner:
    return await Planner.of(ENGINES, queries)


async def test_no_composition_that_may_exceed_the_limit_of_a_query_is_in_it() -> None:
    space = Space(options=(VOTES,))
    found = catalogue(space, await planner(), Budget(completion_tokens=35))
    assert [point.strategy.model_dump().get("n") for point in found.points] == [1, 2, 3]
    assert found.most[:, COUNTED.index("completion_tokens")].tolist() == [10, 20, 30]
    assert [usage.calls for usage in found.least] == [1, 2, 3]
    assert found.critical_paths == [1, 1, 1]
    assert found.refused == {"it may cost more than a query's limit (35 completion_tokens)": 5}
    assert not found.is_sampled


async def test_the_longest_prompt_counts() -> None:
    long = Query.ask("x" * 500, reference="1")
    space = Space(options=(VOTES,))
    assert len(catalogue(space, await planner(), Budget(prompt_tokens=1000)).points) == 8
    assert len(catalogue(space, await planner([*QUERIES, long]), Budget(prompt_tokens=1100)).points) == 2


async def test_a_space_of_which_nothing_may_be_measured_is_refused() -> None:
    with pytest.raises(
        UsageError, match=r"must hold a composition that can be measured, got none: it may cost .* \(8\)"
    ):
        catalogue(Space(options=(VOTES,)), await planner(), Budget(calls=0))


async def test_an_engine_that_is_not_there_is_named() -> None:
    with pytest.raises(UsageError, match="'big'"):
        catalogue(Space(options=({**VOTES, "engine": "big"},)), await planner(), Budget())


async def test_a_space_too_large_to_enumerate_is_sampled_by_the_seed() -> None:
    temperature = Floats(low=0.1, high=1.0, grid=101)
    space = Space(options=({**VOTES, "n": Integers(low=1, high=100), "temperature": temperature},))
    found = catalogue(space, await planner(), Budget(), 7)
    assert found.is_sampled
    assert len(found.points) == SAMPLED == len({point.id for point in found.points})
    assert found.points[:20] == space.sample(np.random.default_rng(7), 20)


async def test_the_planner_counts_on_every_engine() -> None:
    estimate = (await planner()).estimate(Sample(n=3, max_tokens=7))
    assert (estimate.most.calls, estimate.most.completion_tokens) == (3, 21)
    assert estimate.most.prompt_tokens == 3 * max(
        [await ENGINES["generator"].count(Prompt(q.messages)) for q in QUERIES]
    )
