"""Plans of strategies on queries, each made once for prompts of the same length."""

from __future__ import annotations

from collections.abc import Mapping

from .context import plan_for
from .engine import Engine
from .plan import Plan
from .recent import Recent
from .shape import Shape
from .strategy import Strategy
from .types import Query

MOST_KEPT = 1024


class Plans:
    """What strategies may cost on queries.

    Args:
        engines: by name.
    """

    def __init__(self, engines: Mapping[str, Engine]) -> None:
        self._engines = engines
        self._kept = Recent[Plan](MOST_KEPT)

    async def counted(self, query: Query) -> Plan:
        """A plan that knows how long the query's prompt is, and nothing else."""
        return await plan_for(query, self._engines)

    def of(self, strategy: Strategy, counted: Plan) -> Plan:
        """The plan of a strategy on a query that was counted; only to be read, for others have it too.

        Raises:
            ShapeError: the strategy cannot work.
        """

        def made() -> Plan:
            strategy.infer(Shape(), counted)
            return counted

        return self._kept.get(strategy, tuple(counted.prompt_tokens.values()), made)
