"""The report of a sweep: what was chosen at each level, how good it is, what it cost, and what is not known."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, model_validator

from ...orchestrator.budget import NANO
from ...orchestrator.errors import UsageError
from .axis_effects import Effect
from .frontier import Amount, Point, frontier
from .report_curve import Curve
from .report_level import Level
from .report_pictures import Pictures
from .report_spending import Spending

if TYPE_CHECKING:
    from rich.console import Console


class Report(BaseModel):
    """Everything a report shows, as data; the same report gives the same bytes.

    It refuses to be made where it would say too much: a choice that is neither confirmed nor said to be unconfirmed, a
    comparison without confirmation, an oracle among the choices. An accuracy cannot be without its interval, because
    an `Estimate` cannot.

    Args:
        title: of the report.
        data: what the queries are, in words.
        items: development queries: those on which compositions are chosen.
        confirmation_items: queries that no search sees, on which what was chosen is confirmed.
        seed: of the sweep.
        budget: the limits, by dimension; none where they are not known, as in a journal.
        split: how the queries were divided, and what else was held out, in words.
        points: every composition measured, baselines among them.
        levels: the choices, by rising limits; none while the search has not chosen.
        baselines: names of the points that the choices are to be held against.
        effects: what each knob does by itself.
        curves: what more draws of each pool would give.
        pictures: what the recommended made of a few queries, where they make pictures.
        ledger: what was paid, and what reuse saved.
        ended: why the search measured no more, in words; empty where it is not known.
        outlook: what more budget or more queries would buy, a line each.
        notes: whatever else the reader must know.
        by: the dimension of the levels.
        confidence: of every interval.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    title: str
    data: str = ""
    items: NonNegativeInt
    confirmation_items: NonNegativeInt = 0
    seed: int = 0
    budget: dict[str, Amount] = {}
    split: str = ""
    points: tuple[Point, ...] = ()
    levels: tuple[Level, ...] = ()
    baselines: tuple[str, ...] = ()
    effects: tuple[Effect, ...] = ()
    curves: tuple[Curve, ...] = ()
    pictures: Pictures | None = None
    ledger: Spending = Spending()
    ended: str = ""
    outlook: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    by: str = "total_tokens"
    confidence: Annotated[float, Field(gt=0, lt=1)] = 0.95

    @model_validator(mode="after")
    def _is_sound(self) -> Self:
        frontier(self.points, self.by)  # refuses a name twice and a point without a cost
        limits = [level.limit for level in self.levels]
        if any(low >= high for low, high in pairwise(limits)):
            raise UsageError(f"levels must rise, got {', '.join(f'{limit:g}' for limit in limits)}; sort them")
        self._check_runs(self.baselines, "a baseline")
        for level in self.levels:
            self._check_level(level)
        return self

    def _check_level(self, level: Level) -> None:
        self._check_runs((level.chosen, *level.tied_with), f"a choice at {level.limit:g}")
        for point in self.points:
            if point.name in level.tied_with and (cost := point.cost_in(self.by)) > level.limit * (1 + 1e-9):
                raise UsageError(
                    f"what is tied with a choice at {level.limit:g} must cost no more, got {cost:g} for "
                    f"{point.name!r}; leave it out"
                )
        if self.point(level.chosen).confirmed is None and not level.not_confirmed:
            raise UsageError(
                f"a choice must be confirmed or say why not, got {level.chosen!r} at {level.limit:g} with development "
                "figures alone; measure it on the confirmation queries, or give not_confirmed"
            )
        if self.point(level.chosen).confirmed is not None and level.not_confirmed:
            raise UsageError(
                f"a choice must not be called unconfirmed where it is confirmed, got {level.not_confirmed!r} for "
                f"{level.chosen!r}; leave it out"
            )
        if level.contest is not None and level.contest.baseline not in self.baselines:
            raise UsageError(f"a contest must be with a baseline, got {level.contest.baseline!r}; name it in baselines")

    def _check_runs(self, names: tuple[str, ...], role: str) -> None:
        """Refuse what is no point, and what nobody can run."""
        known = {point.name: point for point in self.points}
        for name in names:
            if name not in known:
                raise UsageError(f"{role} must be a point of the report, got {name!r}; add it")
            if known[name].is_oracle:
                raise UsageError(f"{role} must not need the answers, but {name!r} is an oracle; leave it out")

    def point(self, name: str) -> Point:
        """The point of that name.

        Raises:
            UsageError: there is none.
        """
        for point in self.points:
            if point.name == name:
                return point
        raise UsageError(f"a point must be in the report, got {name!r}; it holds {len(self.points)} others")

    def cheapest_tied(self, level: Level) -> Point | None:
        """The cheapest of those tied with the choice, confirmed where it is; None where none is cheaper than it."""
        cost = self.point(level.chosen).cost_in(self.by)
        tied = [self.point(name) for name in level.tied_with]
        cheaper = [
            point for point in tied if point.cost_in(self.by) < cost and (level.not_confirmed or point.confirmed)
        ]
        return min(cheaper, key=lambda point: (point.cost_in(self.by), point.name), default=None)

    @property
    def is_confirmed(self) -> bool:
        """Whether every choice is confirmed, and there is one."""
        return bool(self.levels) and not any(level.not_confirmed for level in self.levels)

    @property
    def best(self) -> tuple[Point, ...]:
        """What is recommended: the choice of each level, each once, cheapest first.

        Before anything was chosen: the frontier of the points measured on the most development queries.
        """
        if self.levels:
            found = {level.chosen: self.point(level.chosen) for level in self.levels}
            return tuple(sorted(found.values(), key=lambda point: point.cost_in(self.by)))
        most = max((point.items for point in self.points), default=0)
        return frontier([point for point in self.points if point.items == most], self.by)

    @property
    def held_against(self) -> tuple[Point, ...]:
        """The baselines that are not recommended themselves, in the order given."""
        best = {point.name for point in self.best}
        return tuple(self.point(name) for name in self.baselines if name not in best)

    @property
    def dimensions(self) -> tuple[str, ...]:
        """The dimensions of cost to show: that of the levels, then others in which anything was spent."""
        shown = ("total_tokens", "completion_tokens", "calls", "verifier_calls", "nfe", "flops", *NANO)
        used = [name for name in shown if any(point.cost.get(name) for point in self.points)]
        return (self.by, *(name for name in used if name != self.by))

    @property
    def budget_dimensions(self) -> tuple[str, ...]:
        """Every dimension that has a limit or was spent in."""
        return tuple(dict.fromkeys((*self.budget, *(name for name, paid in self.ledger.spent.items() if paid))))

    @property
    def difficulties(self) -> tuple[str, ...]:
        """Every difficulty, in the order of the points."""
        return tuple(dict.fromkeys(level for point in self.points for level in point.by_difficulty))


def terminal(report: Report, console: Console, *, is_full: bool = False) -> None:
    """Print the levels and what to make of them; with `is_full`, every composition, effect and curve too."""
    from .report_terminal import show

    show(report, console, is_full)


def html(report: Report) -> str:
    """The report as one self-contained page: no script, no request to anywhere, the same bytes every time."""
    from .report_html import page

    return page(report)


def csv(report: Report) -> str:
    """The levels and points as one table of comma-separated values, safe to open in a spreadsheet."""
    from .report_csv import table

    return table(report)
