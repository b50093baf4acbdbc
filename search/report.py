"""The report of a sweep: what was measured, what it cost, and what the figures do not say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, model_validator

from ..orchestrator.errors import UsageError
from .estimators import METHODS
from .figures import full, percent, span, unit
from .frontier import Amount, Estimate, Point, frontier

if TYPE_CHECKING:
    from rich.console import Console

ORACLE = "oracle (needs the answers)"


class Report(BaseModel):
    """Everything a report shows, as data; the same report gives the same bytes.

    Args:
        title: of the report.
        data: what the queries are, in words.
        items: queries in the sweep.
        seed: of the sweep.
        budget: the limits, by dimension; none where they are not known, as in a journal.
        spent: what the draws that stand cost, each once, by dimension; calls that failed come on top.
        split: what was held out, in words.
        points: every composition measured.
        frontier: names of the points of the frontier, cheapest first; none of them an oracle.
        baselines: names of the points the frontier is to be held against.
        incomplete: what the budget did not reach, a line each.
        notes: whatever else the reader must know.
        by: the dimension of cost that the frontier is in.
        confidence: of every interval.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    title: str
    data: str = ""
    items: NonNegativeInt
    seed: int = 0
    budget: dict[str, Amount] = {}
    spent: dict[str, Amount] = {}
    split: str = ""
    points: tuple[Point, ...] = ()
    frontier: tuple[str, ...] = ()
    baselines: tuple[str, ...] = ()
    incomplete: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    by: str = "total_tokens"
    confidence: Annotated[float, Field(gt=0, lt=1)] = 0.95

    @model_validator(mode="after")
    def _is_sound(self) -> Self:
        best = {point.name for point in frontier(self.points, self.by)}
        known = {point.name for point in self.points}
        for name in (*self.frontier, *self.baselines):
            if name not in known:
                raise UsageError(f"a frontier and its baselines must be points of the report, got {name!r}; add it")
        if dominated := [name for name in self.frontier if name not in best]:
            raise UsageError(
                f"a frontier must hold no oracle and nothing dominated, got {', '.join(map(repr, dominated))}; "
                "take it from search.frontier.frontier"
            )
        return self

    @property
    def best(self) -> tuple[Point, ...]:
        """The points of the frontier, cheapest first."""
        names = set(self.frontier)
        chosen = [point for point in self.points if point.name in names]
        return tuple(sorted(chosen, key=lambda point: point.cost_in(self.by)))

    @property
    def held_against(self) -> tuple[Point, ...]:
        """The baselines that are not on the frontier themselves, in the order given."""
        named = {point.name: point for point in self.points}
        return tuple(named[name] for name in self.baselines if name not in self.frontier)

    @property
    def winner(self) -> Point | None:
        """The most accurate point of the frontier; None where nothing was measured."""
        return self.best[-1] if self.best else None

    @property
    def recommended(self) -> Point | None:
        """The cheapest point of the frontier that the data cannot tell from the winner."""
        winner = self.winner
        if winner is None:
            return None
        return next(point for point in self.best if point.name in (winner.name, *winner.tied_with))

    @property
    def dimensions(self) -> tuple[str, ...]:
        """The dimensions of cost to show: that of the frontier, then others in which anything was spent."""
        shown = ("total_tokens", "completion_tokens", "calls", "verifier_calls", "nfe", "flops", "cost_usd")
        used = [name for name in shown if any(point.cost.get(name) for point in self.points)]
        return (self.by, *(name for name in used if name != self.by))

    @property
    def budget_dimensions(self) -> tuple[str, ...]:
        """Every dimension that has a limit or was spent in."""
        return tuple(dict.fromkeys((*self.budget, *(name for name, amount in self.spent.items() if amount))))

    @property
    def difficulties(self) -> tuple[str, ...]:
        """Every difficulty, in the order of the points."""
        return tuple(dict.fromkeys(level for point in self.points for level in point.by_difficulty))

    def how_chosen(self, point: Point) -> str:
        """What must be said beside the accuracy of a point that was chosen for it."""
        if point.confirmed is not None:
            return f"confirmed on {point.confirmed.items} queries that had no part in the choice"
        return "chosen on the queries it is measured on: expect less on others"


def terminal(report: Report, console: Console, *, is_full: bool = False) -> None:
    """Print the frontier and what to make of it; with `is_full`, every composition and difficulty too."""
    from .report_terminal import show

    show(report, console, is_full)


def html(report: Report) -> str:
    """The report as one self-contained page: no script, no request to anywhere, the same bytes every time."""
    from .report_html import page

    return page(report)


def verdict(report: Report) -> tuple[str, ...]:
    """What to run, in sentences; each accuracy with its interval and how its point was chosen."""
    winner, recommended = report.winner, report.recommended
    if winner is None or recommended is None:
        return ("Nothing was measured: there is no frontier and nothing to recommend.",)
    lines = [f"Most accurate: {_claim(report, winner)}."]
    if recommended is not winner:
        lines.append(f"Cheapest that the data cannot tell from it: {_claim(report, recommended)}.")
    return tuple(lines)


def remarks(report: Report, point: Point) -> tuple[str, ...]:
    """What must stand beside a point wherever it is shown."""
    found = [ORACLE] if point.is_oracle else []
    if point.name in report.baselines:
        found.append("baseline")
    if point.items < report.items:
        found.append(f"{point.items} of {report.items} queries")
    if point.failed:
        found.append(f"{point.failed} draws failed")
    if point.unjudged:
        found.append(f"{point.unjudged} draws could not be judged")
    if point.unscored:
        found.append(f"{point.unscored} draws could not be scored by the verifier")
    return tuple(found)


def method_title(method: str) -> str:
    """The method's name for people."""
    return METHODS[method].title if method in METHODS else method.replace("_", " ").capitalize()


def shown(estimate: Estimate) -> str:
    """An accuracy and its interval, in percent."""
    return f"{percent(estimate.accuracy)} % [{span(estimate)}]"


def _claim(report: Report, point: Point) -> str:
    cost = f"{full(point.cost_in(report.by), report.by)} {unit(report.by)} a query"
    return f"{point.name}: {shown(point.confirmed or point)} at {cost} ({report.how_chosen(point)})"
