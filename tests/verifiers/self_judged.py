"""Attempts with the log-probabilities that their model gave, for verifiers that judge by these."""

import asyncio
from collections.abc import Sequence

from judging import context

from ponder.orchestrator.engine import Capabilities
from ponder.orchestrator.engines.simulated import SimulatedEngine, SimulatedSpec
from ponder.orchestrator.engines.simulated_world import World
from ponder.orchestrator.types import Candidate, Finish, Query, Result, Score, Usage
from ponder.orchestrator.verifier import Verifier

SPEC = SimulatedSpec(world=World(seed=1, steps=3, branching=4))
QUERY = Query.ask("Problem 3?")


def attempt(
    *values: float, after: Candidate | None = None, index: int = 0, finish: Finish = Finish.EOS, text: str = "a"
) -> Candidate:
    """An attempt with a token for each confidence, and half of it, negated, as its log-probability."""
    logprobs = tuple(-value / 2 for value in values)
    tokens, usage = tuple(range(len(values))), Usage(completion_tokens=len(values))
    return Candidate(tokens, text, finish, after, index, logprobs, values, usage=usage)


def scores(verifier: Verifier, candidates: Sequence[Candidate]) -> list[Score]:
    judged = asyncio.run(context().score(QUERY, candidates, verifier))
    return [each.scores[verifier.name] for each in judged]


class Mute(SimulatedEngine):
    """Gives no log-probabilities."""

    def __init__(self) -> None:
        super().__init__(SPEC)

    @property
    def capabilities(self) -> Capabilities:
        return super().capabilities.model_copy(update={"logprobs": False})


async def best_of(verifier: Verifier, n: int = 6) -> Result:
    """The best of `n` draws of the simulated engine."""
    from ponder.orchestrator.runtime import Runtime
    from ponder.strategies import BestOfN

    async with Runtime({"generator": SPEC}) as runtime:
        return await runtime.run(BestOfN(n=n, verifier=verifier, max_tokens=60), QUERY)
