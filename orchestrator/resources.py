"""What engines take of a cluster."""

from __future__ import annotations

from collections.abc import Iterable

from .engine import EngineSpec


def taken_together(specs: Iterable[EngineSpec]) -> dict[str, float]:
    """What one replica of each takes, all of them in one process, in Ray's words."""
    taken: dict[str, float] = {"num_cpus": 0}
    for spec in specs:
        for name, amount in spec.resources().items():
            taken[name] = taken.get(name, 0) + amount
    return taken
