"""What a strategy can be replayed from: the pools of draws that it takes its own from, found without running it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...orchestrator.engine import Sampling
from ...orchestrator.plan import Plan
from ...orchestrator.shape import Shape
from ...orchestrator.strategy import Strategy
from ...orchestrator.verifier import Verifier


@dataclass(frozen=True, slots=True)
class Need:
    """A pool: a number of draws of a query's own prompt, fixed before any was made, and who judged them.

    Args:
        engine: the engine's name.
        sampling: how they are drawn.
        draws: how many; all of them are made, whatever the first ones are.
        verifiers: who judged each draw.
    """

    engine: str
    sampling: Sampling
    draws: int
    verifiers: tuple[Verifier, ...] = ()

    def joined(self, other: Need) -> Need:
        """The pool, drawn in the same way, that serves both."""
        more = tuple(verifier for verifier in other.verifiers if verifier not in self.verifiers)
        return replace(self, draws=max(self.draws, other.draws), verifiers=self.verifiers + more)


def needs(strategy: Strategy) -> tuple[Need, ...] | None:
    """The smallest pools from which `strategy` can be replayed to its end, whatever they hold; None where none can.

    That is so where it draws from the query's own prompt alone, and only its verifiers ask engines anything else: then
    what it draws does not depend on what it drew, and the order of draws is by chance. Parts that draw alike draw from
    one pool, one after the other.

    >>> from ponder.strategies import EarlyStoppingSelfConsistency
    >>> [(need.engine, need.draws) for need in needs(EarlyStoppingSelfConsistency(n=12)) or ()]
    [('generator', 12)]

    Raises:
        ShapeError: the strategy cannot work.
    """
    plan = _Noting(node=strategy.kind)
    strategy.infer(Shape(), plan)
    return tuple(plan.needs.values()) if plan.is_plain else None


class _Noting(Plan):
    """A plan that notes what is drawn."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.needs: dict[tuple[str, Sampling], Need] = {}
        self.is_plain = True

    def sample(
        self, n: int, sampling: Sampling, engine: str = "generator", then: Verifier | None = None, **named: Any
    ) -> Shape:
        """Note `n` draws, unless they follow a text or read one."""
        if named.get("after") or named.get("reads"):
            self.is_plain = False
        elif n:
            drawn = then.sampling(sampling) if then else sampling
            old = self.needs.get((engine, drawn))
            self.needs[engine, drawn] = Need(engine, drawn, n + (old.draws if old else 0), old.verifiers if old else ())
        return super().sample(n, sampling, engine, then, **named)

    def denoise(self, n: int, *given: Any, **named: Any) -> Shape:
        """Note that images are made, of which there are no pools."""
        self.is_plain = False
        return super().denoise(n, *given, **named)

    def classify(self, *given: Any, **named: Any) -> None:
        """Note that something is asked that is no draw."""
        self.is_plain = False
        super().classify(*given, **named)

    def score(self, shape: Shape, verifier: Verifier, **named: Any) -> Shape:
        """Note who judges what the engines of `shape` drew."""
        for key, need in self.needs.items():
            if need.engine in shape.drawn_by:
                self.needs[key] = need.joined(replace(need, verifiers=(verifier,)))
        return super().score(shape, verifier, **named)

    def fork(self) -> Plan:
        """A plan that notes what one of several ways draws."""
        way = _Noting(self.engines, self.prompt_tokens, self.node)
        way._judges |= self._judges
        return way

    def join(self, ways: Sequence[Plan]) -> None:
        """Note the most of what any of `ways` draws."""
        most: dict[tuple[str, Sampling], Need] = {}
        for way in ways:
            assert isinstance(way, _Noting)
            self.is_plain = self.is_plain and way.is_plain
            for key, need in way.needs.items():
                most[key] = most[key].joined(need) if key in most else need
        for key, need in most.items():
            old = self.needs.get(key)
            self.needs[key] = replace(old.joined(need), draws=old.draws + need.draws) if old else need
        super().join(ways)
