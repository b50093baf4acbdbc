"""A frontier behind one name: how much effort a request asks for, or what it may cost, picks the point."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

from ..budget import Budget
from ..errors import UsageError
from ..frontier import Frontier, FrontierPoint

Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
EFFORTS: tuple[Effort, ...] = get_args(Effort)
DEFAULT: Effort = "medium"


class Dial:
    """Picks points of a frontier.

    High effort is the most accurate point, low the cheapest, and medium the most accurate within the cost of the one
    half-way between. `none` and `minimal` are as low, `xhigh` and `max` as high.

    Args:
        frontier: with a point at least.

    Raises:
        UsageError: it has no point.
    """

    def __init__(self, frontier: Frontier) -> None:
        top = frontier.points.index(frontier.best())
        middle = frontier.points[(top + 1) // 2]
        low, medium, high = frontier.points[0], frontier.best(middle.cost[frontier.by]), frontier.points[top]
        self._points: Mapping[Effort, FrontierPoint] = {
            **dict.fromkeys(("none", "minimal", "low"), low),
            "medium": medium,
            **dict.fromkeys(("high", "xhigh", "max"), high),
        }
        self.frontier = frontier

    def point(self, effort: Effort | None, budget: Budget) -> FrontierPoint:
        """The point for a request.

        Where it names no effort but limits what the frontier's costs are counted in, that is the most accurate point
        whose queries cost no more on average, or the cheapest where none does. Else it is that of medium effort.
        """
        limit = getattr(budget, self.frontier.by, None)
        if effort is not None or limit is None:
            return self._points[effort or DEFAULT]
        try:
            return self.frontier.best(limit)
        except UsageError:
            return self.frontier.points[0]

    def model(self, point: FrontierPoint) -> str:
        """What the point is called as a model."""
        return f"{self.frontier.name}-{self.frontier.points.index(point) + 1}"
