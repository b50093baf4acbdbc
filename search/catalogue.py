"""The catalogue: the compositions that a sweep may measure, and the most that each may cost."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..orchestrator.budget import COUNTED, Budget, amounts
from ..orchestrator.engine import Engine, Prompt
from ..orchestrator.errors import ShapeError, UsageError
from ..orchestrator.shape import Estimate, Plan, Shape
from ..orchestrator.strategy import Strategy
from ..orchestrator.types import Query, Usage
from .problem import Floats
from .spaces.space import Point, Space
from .spaces.walking import OPTION

MOST_ENUMERATED = 10_000
SAMPLED = 4_000
COUNTED_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The compositions of a space that no query's limit forbids, each once.

    Args:
        points: the compositions.
        most: (compositions, dimensions) the most that a query may cost, in the order of `COUNTED`.
        least: the least that a query costs.
        critical_paths: calls in sequence, at most.
        is_sampled: whether the space holds more.
        refused: how many were refused, by reason.
    """

    points: tuple[Point, ...]
    most: Floats
    least: tuple[Usage, ...]
    critical_paths: tuple[int, ...]
    is_sampled: bool
    refused: Mapping[str, int]


class Planner:
    """Says what a composition may cost on any of the queries, before anything runs."""

    def __init__(self, engines: Mapping[str, Engine], prompt_tokens: Mapping[str, int]) -> None:
        self._engines = engines
        self._prompt_tokens = prompt_tokens

    @classmethod
    async def of(cls, engines: Mapping[str, Engine], queries: Sequence[Query]) -> Planner:
        """The planner for the longest prompt of `queries` on each engine."""
        longest: dict[str, int] = {}
        for name, engine in engines.items():
            for start in range(0, len(queries), COUNTED_AT_ONCE):
                some = queries[start : start + COUNTED_AT_ONCE]
                counts = await asyncio.gather(*(engine.count(Prompt(query.messages)) for query in some))
                longest[name] = max(longest.get(name, 0), *counts)
        return cls(engines, longest)

    def check_engines(self, strategy: Strategy) -> None:
        """Refuse a strategy that asks an engine which is not there.

        Raises:
            UsageError: it does.
        """
        for name in strategy.engine_names():
            if name not in self._engines:
                known = ", ".join(sorted(self._engines)) or "none"
                raise UsageError(
                    f"a space must ask engines of the sweep ({known}), but its {strategy.kind} asks {name!r}; add "
                    f"[engines.{name}], or name another"
                )

    def estimate(self, strategy: Strategy) -> Estimate:
        """The least and the most that a run may cost.

        Raises:
            ShapeError: it cannot work.
        """
        plan = Plan(self._engines, self._prompt_tokens, strategy.kind)
        strategy.infer(Shape(), plan)
        return plan.estimate


def catalogue(space: Space, planner: Planner, per_query: Budget, seed: int = 0) -> Catalogue:
    """The compositions of `space` that can work and never cost more than `per_query`.

    A space too large to enumerate is sampled.

    Raises:
        UsageError: there are none, an option has none, or one asks an engine that is not there.
    """
    is_sampled = space.combinations > MOST_ENUMERATED
    found = space.sample(np.random.default_rng(seed), SAMPLED) if is_sampled else space.enumerate(MOST_ENUMERATED)
    _check_options(space, found)
    kept: list[tuple[Point, Estimate]] = []
    refused: Counter[str] = Counter()
    for point in found:
        planner.check_engines(point.strategy)
        try:
            estimate = planner.estimate(point.strategy)
        except (ShapeError, UsageError) as error:
            refused[str(error)] += 1
            continue
        if per_query.fits(estimate.most):
            kept.append((point, estimate))
        else:
            refused[f"it may cost more than a query's limit ({per_query})"] += 1
    if not kept:
        reasons = "; ".join(f"{reason} ({count})" for reason, count in refused.most_common(3)) or "the space is empty"
        raise UsageError(f"a space must hold a composition that can be measured, got none: {reasons}")
    return Catalogue(
        tuple(point for point, _ in kept),
        np.array([amounts(estimate.most) for _, estimate in kept], dtype=np.float64).reshape(-1, len(COUNTED)),
        tuple(estimate.least for _, estimate in kept),
        tuple(estimate.critical_path for _, estimate in kept),
        is_sampled,
        dict(refused),
    )


def _check_options(space: Space, found: Sequence[Point]) -> None:
    """Refuse a space that has an option without any sound composition: something in it is misspelt."""
    seen = {point.choices.get(OPTION, 0) for point in found}
    for number, option in enumerate(space.options):
        if number not in seen:
            try:
                space.point({OPTION: number})
            except ShapeError as error:
                kind = option.get("kind") if isinstance(option, Mapping) else option
                raise UsageError(
                    f"every option of a space must hold a composition, but option {number} ({kind}) has none: {error}"
                ) from None
