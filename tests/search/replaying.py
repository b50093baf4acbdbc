"""Pools drawn live on the simulated engine, and replays from them."""

from collections.abc import Sequence
from typing import Any

from ponder.orchestrator.engines.simulated import SimulatedSpec
from ponder.orchestrator.engines.simulated_world import World
from ponder.orchestrator.journal import Memory, Store
from ponder.orchestrator.runtime import Runtime
from ponder.orchestrator.strategy import Strategy
from ponder.orchestrator.types import Candidate, Query, Result
from ponder.search.pools.needs import Need
from ponder.search.pools.recorded import Recorded
from ponder.strategies import BestOfN, Sample
from ponder.verifiers import ExactMatch, ProcessReward

QUERY = Query.ask("Problem 3?")
WORLD = World(seed=1, steps=1, wrong_answers=2)
RIGHT = WORLD.problem(QUERY.messages).answer
SPECS = {
    "generator": SimulatedSpec(world=WORLD),
    "big": SimulatedSpec(world=World(seed=1, steps=1, wrong_answers=2, easiest=0.02, hardest=0.3)),
    "reward": SimulatedSpec(world=WORLD, reward_noise=1.0),
}
REWARD = ProcessReward()
EXACT = ExactMatch()
LENGTH: dict[str, Any] = {"max_tokens": 32}


async def label(candidate: Candidate) -> float:
    """Whether an answer is right."""
    return float(candidate.text.endswith(f"answer: {RIGHT}\n"))


class Lab:
    """Engines and a journal: what is drawn live, and what can be replayed from it."""

    def __init__(self, runtime: Runtime, store: Store, query: Query = QUERY) -> None:
        self.runtime, self.store, self.query = runtime, store, query

    async def live(self, strategy: Strategy, replicate: int = 0) -> Result:
        """A run that draws what the journal lacks."""
        return await self.runtime.run(strategy, self.query, replicate=replicate)

    async def drawn(self, draws: int, *, engine: str = "generator", judged: bool = True, replicate: int = 0) -> Need:
        """A pool, drawn live."""
        plain = Sample(n=draws, engine=engine, **LENGTH)
        await self.live(BestOfN(**plain.model_dump(exclude={"kind"}), verifier=REWARD) if judged else plain, replicate)
        return Need(engine, plain.sampling, draws)

    def recorded(self, pools: Sequence[Need], replicate: int = 0) -> Recorded:
        """What is known of the query, from these pools."""
        return Recorded(self.store, self.query, self.runtime._engines, pools, label, replicate=replicate)


def lab(store: Store | None = None) -> Lab:
    """A lab; its simulated engines need no start."""
    store = store or Memory()
    return Lab(Runtime(SPECS, store=store), store)
