"""Route by difficulty: how hard a query is decides how it is answered."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from functools import reduce
from itertools import pairwise
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from ..orchestrator.context import Context
from ..orchestrator.errors import UsageError
from ..orchestrator.plan import Plan
from ..orchestrator.shape import Shape
from ..orchestrator.strategy import Strategy
from ..orchestrator.types import Candidate, Query
from ..verifiers import AnyVerifier
from .cascade import Threshold
from .nesting import AnyStrategy, engines_of, infer_part
from .ranking import ranked
from .sample import Sample


class RouteByDifficulty(Strategy):
    """Estimate how hard a query is and answer it by the strategy meant for that.

    The difficulty is one minus the mean score of some cheap probes, or a number that the query's metadata holds. The
    first route takes what is below the first threshold, and so on; what lies on a threshold goes to the harder side,
    and what cannot be told to the last route. Probes come back, best first, only where the route gave nothing.

    Family: composition
    When it pays: the best strategy differs with difficulty, as revisions for easy questions and search for hard ones,
        and a few probes tell which it is. Where one strategy wins everywhere the probes are wasted.
    Cost: the probes, their judgements, and the route taken; depth 2 more than the route's, or as much
        where `metadata` tells.
    Source: Snell et al. 2024, arXiv 2408.03314, section 3.2, model-predicted difficulty.
    Departs: the paper bins questions by quantiles of many samples' scores; here thresholds part the mean score of a
        few.

    Args:
        routes: strategies from the easiest queries to the hardest; each is given what this one is given.
        thresholds: rising difficulties that part the routes, one fewer than those.
        verifier: judges the probes, with scores from 0 to 1; None where `metadata` is named.
        probe: how the probes are drawn.
        metadata: the key of the query's metadata that holds its difficulty; None probes.
    """

    writes: ClassVar[bool] = False
    kind: Literal["route_by_difficulty"] = "route_by_difficulty"
    routes: Annotated[tuple[AnyStrategy, ...], Field(min_length=2, max_length=64)]
    thresholds: tuple[Threshold, ...]
    verifier: AnyVerifier | None = None
    probe: Sample = Sample(n=4)
    metadata: str | None = None

    @model_validator(mode="after")
    def _can_route(self) -> Self:
        wanted, got = len(self.routes) - 1, self.thresholds
        if len(got) != wanted or any(one >= other for one, other in pairwise(got)):
            raise ValueError(f"thresholds must be {wanted} rising numbers, one fewer than routes, got {got}; mend them")
        if (self.verifier is None) == (self.metadata is None):
            raise ValueError("either verifier or metadata must say how hard a query is; give one of them")
        return self

    @property
    def is_speculative(self) -> bool:
        return any(route.is_speculative for route in self.routes)

    def engine_names(self) -> tuple[str, ...]:
        """The engines of the probes, of the verifier and of every route."""
        probing = (self.probe.engine, *self.verifier.engine_names()) if self.verifier else ()
        return tuple(dict.fromkeys((*probing, *engines_of(self.routes))))

    def infer(self, shape: Shape, plan: Plan) -> Shape:
        """The candidates of one of the routes, or the probes."""
        probes = []
        if self.verifier:
            probes = [plan.sample(self.probe.n, self.probe.sampling, self.probe.engine, self.verifier)]
        ways = [plan.fork() for _ in self.routes]
        shapes = [infer_part(r, str(i), shape, w) for i, (r, w) in enumerate(zip(self.routes, ways, strict=True))]
        plan.join(ways)
        return reduce(Shape.either, [*shapes, *probes])

    async def run(self, query: Query, candidates: Sequence[Candidate], ctx: Context) -> list[Candidate]:
        """What the route for the query's difficulty gives."""
        probes: list[Candidate] = []
        difficulty = self._stated(query, ctx)
        if self.verifier:
            how, engine = self.probe.sampling, self.probe.engine
            drawn = await ctx.sample(query, self.probe.n, how, engine=engine, then=self.verifier)
            probes = ranked(await ctx.score(query, drawn, self.verifier), self.verifier.name)
            difficulty = predicted_difficulty(probe.scores[self.verifier.name].value for probe in probes)
        if ctx.is_stopped:
            return probes
        taken = len(self.thresholds) if difficulty is None else bisect_right(self.thresholds, difficulty)
        route = self.routes[taken]
        return await route.run(query, candidates, ctx.child(str(taken), route.kind)) or probes

    def _stated(self, query: Query, ctx: Context) -> float | None:
        """The difficulty that the metadata holds."""
        if self.metadata is None:
            return None
        value = query.metadata.get(self.metadata)
        if isinstance(value, int | float) and math.isfinite(value):
            return value
        rule = f"the metadata of a query must hold its difficulty under {self.metadata!r} as a number, got {value!r}"
        ctx.note(UsageError(f"{rule}, so the last route is taken; add it, or give a verifier to probe with"))
        return None


def predicted_difficulty(scores: Iterable[float | None]) -> float | None:
    """One minus the mean of the probes' scores that there are; None where there are none.

    >>> predicted_difficulty([0.5, None, 1.0])
    0.25
    """
    values = [score for score in scores if score is not None]
    return 1 - math.fsum(values) / len(values) if values else None
