"""The catalogue: the compositions that a sweep may measure, and the most that each may cost."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..orchestrator.budget import COUNTED, Budget, amounts
from ..orchestrator.engine import Engine, Prompt
from ..orchestrator.errors import ShapeError, UsageError
from ..orchestrator.plan import Plan
from ..orchestrator.shape import Estimate, Medium, Shape
from ..orchestrator.strategy import Strategy
from ..orchestrator.types import Query, Usage
from ..orchestrator.verifier import Verifier
from .problem import Floats
from .spaces.space import Point, Space
from .spaces.walking import OPTION

MOST_ENUMERATED = 10_000
SAMPLED = 4_000
COUNTED_AT_ONCE = 64


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
        return self.inferred(strategy)[1]

    def inferred(self, strategy: Strategy) -> tuple[Shape, Estimate]:
        """What a run makes, and the least and the most that it may cost.

        Raises:
            ShapeError: it cannot work.
        """
        plan = Plan(self._engines, self._prompt_tokens, strategy.kind)
        return strategy.infer(Shape(), plan), plan.estimate


@dataclass(slots=True)
class Catalogue:
    """The compositions that can work and never cost more than a query's limit, each once; it may grow.

    Args:
        planner: says what a composition may cost.
        per_query: the limit of a query.
        is_sampled: whether the space holds more.
        points: the compositions, by number.
        strategies: the same as what runs.
        least: the least that a query costs.
        critical_paths: calls in sequence, at most.
        makes: what they make.
        refused: how many were refused, by reason.
    """

    planner: Planner
    per_query: Budget
    is_sampled: bool = False
    points: list[Point] = field(default_factory=list)
    strategies: list[Strategy] = field(default_factory=list)
    least: list[Usage] = field(default_factory=list)
    critical_paths: list[int] = field(default_factory=list)
    makes: set[Medium] = field(default_factory=set)
    refused: Counter[str] = field(default_factory=Counter)
    _most: list[tuple[int, ...]] = field(default_factory=list)
    _numbers: dict[str, int | None] = field(default_factory=dict)

    @property
    def most(self) -> Floats:
        """(compositions, dimensions) the most that a query may cost, in the order of `COUNTED`."""
        return np.array(self._most, dtype=np.float64).reshape(-1, len(COUNTED))

    def add(self, point: Point) -> int | None:
        """The number of a composition, which joins where it is new; None where it is refused.

        Raises:
            UsageError: it asks an engine that is not there.
        """
        if point.id not in self._numbers:
            self._numbers[point.id] = self._joined(point)
        return self._numbers[point.id]

    def _joined(self, point: Point) -> int | None:
        self.planner.check_engines(point.strategy)
        try:
            made, estimate = self.planner.inferred(point.strategy)
        except (ShapeError, UsageError) as error:
            self.refused[str(error)] += 1
            return None
        if not self.per_query.fits(estimate.most):
            self.refused[f"it may cost more than a query's limit ({self.per_query})"] += 1
            return None
        self.points.append(point)
        self.strategies.append(point.strategy)
        self.makes.add(made.medium)
        self.least.append(estimate.least)
        self.critical_paths.append(estimate.critical_path)
        self._most.append(amounts(estimate.most))
        return len(self.points) - 1


def catalogue(space: Space, planner: Planner, per_query: Budget, seed: int = 0) -> Catalogue:
    """The compositions of `space` that can work and never cost more than `per_query`.

    A space too large to enumerate is sampled.

    Raises:
        UsageError: there are none, an option has none, or one asks an engine that is not there.
    """
    is_sampled = space.combinations > MOST_ENUMERATED
    points = space.sample(np.random.default_rng(seed), SAMPLED) if is_sampled else space.enumerate(MOST_ENUMERATED)
    _check_options(space, points)
    found = Catalogue(planner, per_query, is_sampled)
    if not is_sampled:
        found.refused.update(f"{each.slot}: {each.rule}; {each.remedy}" for each in space.refused(MOST_ENUMERATED))
    for point in points:
        found.add(point)
    if not found.points:
        commonest = found.refused.most_common(3)
        reasons = "; ".join(f"{reason} ({count})" for reason, count in commonest) or "the space is empty"
        raise UsageError(f"a space must hold a composition that can be measured, got none: {reasons}")
    return found


def check_judged(found: Catalogue, checker: Verifier) -> None:
    """Refuse compositions whose answers the checker cannot judge.

    Raises:
        UsageError: some make images and it judges texts, say.
    """
    if others := sorted(found.makes - checker.judges):
        raise UsageError(
            f"checker {checker.name!r} must judge what the compositions make, but some make {others[0]}s and it judges "
            f"{' and '.join(sorted(checker.judges))}s; choose one of {others[0]}s"
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
