"""What is to be measured: one pool of one arm on one query."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...orchestrator.canonical import stable_id
from ...orchestrator.types import Query
from .arms import Arm
from .needs import Need


@dataclass(frozen=True, slots=True)
class Wanted:
    """One pool to be had.

    Args:
        arm: what is run.
        draws: how many, where the arm is a pool.
        query: on what.
        replicate: in which set of draws.
        replayed_from: the pools, held by then, over whose orders it is replayed instead; none where it is run.
        id: the name of its task; it changes with the query, so that no old result stands for a new one.
    """

    arm: Arm
    draws: int
    query: Query
    replicate: int
    replayed_from: tuple[Need, ...] = ()
    id: str = field(init=False)

    def __post_init__(self) -> None:
        how = str(self.draws)
        if self.replayed_from:
            how = "replayed-" + "+".join(str(need.draws) for need in self.replayed_from)
        named = f"{self.arm.id}/{how}/{self.query.id}/{self.replicate}/{stable_id(self.query)}"
        object.__setattr__(self, "id", named)
