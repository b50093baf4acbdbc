"""What the replicas of one server know of each other's runs; a server by itself knows its own, and that is all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from ..runtime import Done

if TYPE_CHECKING:
    from .metrics import Metrics
    from .runs import Fingerprint, Runs


@dataclass(frozen=True, slots=True)
class Place:
    """A run as other replicas know it.

    Args:
        id: of the request that began it.
        seed: what it draws with.
    """

    id: str
    seed: int


class Directory(Protocol):
    """What replicas know of each other's runs."""

    async def open(self, runs: Runs, metrics: Metrics) -> None:
        """Begin to tell of `runs` and what `metrics` counts, and to answer for them."""

    async def claim(self, fingerprint: Fingerprint, place: Place) -> Place | None:
        """The run that the same request began on another replica; where there is none, others will find `place`."""

    def began(self, fingerprint: Fingerprint, place: Place) -> None:
        """A run begins, and others may find it."""

    def left(self, fingerprint: Fingerprint, id: str) -> None:
        """A run has failed, or its answer has arrived: nobody need find it any more."""

    async def outcome(self, id: str, owner: str) -> Done | None:
        """What a run on another replica returns, once it has; None where it is lost."""

    async def report(self, id: str, owner: str) -> dict[str, Any] | None:
        """How a run on another replica stands; None where there is none."""

    async def exposition(self, metrics: Metrics, accept: str) -> tuple[bytes, str]:
        """What all replicas count, `metrics` here, for Prometheus, with its content type."""

    async def close(self) -> None:
        """Tell no more."""


class Alone:
    """The directory of a server that has no other replica."""

    async def open(self, runs: Runs, metrics: Metrics) -> None:
        """Nobody to tell."""

    async def claim(self, fingerprint: Fingerprint, place: Place) -> None:
        """No run is elsewhere."""

    def began(self, fingerprint: Fingerprint, place: Place) -> None:
        """Nobody else looks for it."""

    def left(self, fingerprint: Fingerprint, id: str) -> None:
        """Nobody else looks for it."""

    async def outcome(self, id: str, owner: str) -> None:
        """No run is elsewhere."""

    async def report(self, id: str, owner: str) -> None:
        """No run is elsewhere."""

    async def exposition(self, metrics: Metrics, accept: str) -> tuple[bytes, str]:
        """What is counted here."""
        return metrics.exposition(accept)

    async def close(self) -> None:
        """Nothing was told."""
