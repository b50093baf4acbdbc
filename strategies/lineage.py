"""The lineage of a node of a tree: itself and those it goes on from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, Self, TypeVar


class Child(Protocol):
    """A node that knows the one it goes on from; None at a root."""

    @property
    def parent(self) -> Self | None: ...


C = TypeVar("C", bound=Child)


def lineage(node: C) -> Iterator[C]:
    """The node and those above it, up to its root."""
    at: C | None = node
    while at is not None:
        yield at
        at = at.parent
