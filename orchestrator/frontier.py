"""The frontier: what a sweep recommends within each cost of a query, as one file that can be served."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Self

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError, model_validator

from .engines import AnyEngine
from .errors import UsageError
from .pipeline import AnyStrategy, Pipeline
from .pipeline_file import load as load_pipeline
from .pipeline_file import read_toml, without_none

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
SUFFIX = ".frontier.toml"


class FrontierPoint(BaseModel):
    """A composition to use within a cost, and how often it is right.

    Args:
        name: what the sweep's report calls it.
        strategy: the composition.
        level: the limit on the cost of a query that it was chosen within, in the dimension of the frontier.
        cost: the mean cost of a query, by dimension.
        accuracy: the share of queries it answers right, on `items` that had no part in its choice.
        low: lower end of the 95 % interval.
        high: upper end.
        items: queries the accuracy is of.
        critical_path: calls that follow one on another, where known.
        tied_with: names of the others between which the queries that choose could not decide: the choice and its ties.
        not_confirmed: why the accuracy is of the queries it was chosen on after all, and so flatters it; empty where it
            is confirmed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: Annotated[str, Field(min_length=1)]
    strategy: AnyStrategy
    level: Amount
    cost: Mapping[str, Amount]
    accuracy: Share
    low: Share
    high: Share
    items: PositiveInt
    critical_path: Amount | None = None
    tied_with: tuple[str, ...] = ()
    not_confirmed: str = ""

    @model_validator(mode="after")
    def _is_ordered(self) -> Self:
        if not self.low <= self.accuracy <= self.high:
            raise UsageError(
                f"an interval must hold its accuracy, got {self.accuracy!r} in [{self.low!r}, {self.high!r}] for "
                f"{self.name!r}; take both from the report"
            )
        return self


class Frontier(BaseModel):
    """What a sweep recommends, cheapest first: ``ponder serve`` offers each point as a model, NAME-1 and on.

    Args:
        name: of the sweep; begins the names of the models.
        by: the dimension of cost that points are chosen within and ordered by.
        engines: by the names the compositions use.
        points: rising in cost; none where the sweep measured nothing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
    by: str = "total_tokens"
    engines: Mapping[str, AnyEngine] = {}
    points: tuple[FrontierPoint, ...]

    @model_validator(mode="after")
    def _is_sound(self) -> Self:
        if without := [point.name for point in self.points if self.by not in point.cost]:
            raise UsageError(f"each point must have a cost in {self.by!r}, but {without[0]!r} has none; add it")
        costs = [point.cost[self.by] for point in self.points]
        if costs != sorted(costs):
            raise UsageError(f"points must rise in cost, got {', '.join(f'{cost:g}' for cost in costs)}; sort them")
        names = [point.name for point in self.points]
        if len(set(names)) < len(names):
            raise UsageError(f"points must have names of their own, got {', '.join(map(repr, names))}; rename one")
        for point in self.points:
            if missing := [engine for engine in point.strategy.engine_names() if engine not in self.engines]:
                raise UsageError(f"{point.name!r} uses engine {missing[0]!r}, which is not there; add it to engines")
        return self

    def best(self, cost: float | None = None) -> FrontierPoint:
        """The most accurate point whose mean cost of a query is at most `cost`; of equals the cheapest.

        Where any of them is confirmed, one that is not does not compete: its accuracy flatters it.

        Args:
            cost: in the dimension `by`; None for any.

        Raises:
            UsageError: there is no point, or none so cheap.
        """
        if not self.points:
            raise UsageError(f"a frontier must have a point, but {self.name} has none; sweep with a larger budget")
        fitting = [point for point in self.points if cost is None or point.cost[self.by] <= cost]
        if not fitting:
            least = self.points[0].cost[self.by]
            raise UsageError(f"{self.by} must be at least {least:g} for the cheapest point, got {cost:g}; allow more")
        return max(fitting, key=lambda point: (not point.not_confirmed, point.accuracy))

    def pipelines(self) -> list[Pipeline]:
        """Each point as a pipeline of its own with the engines it uses: NAME-1 is the cheapest."""
        return [
            Pipeline.series(
                point.strategy,
                name=f"{self.name}-{rank}",
                engines={engine: self.engines[engine] for engine in point.strategy.engine_names()},
            )
            for rank, point in enumerate(self.points, 1)
        ]

    def save(self, path: str | Path) -> None:
        """Write it as TOML; `load` gives an equal one back."""
        Path(path).write_text(tomli_w.dumps(without_none(self.model_dump(mode="json"))), encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> Frontier:
        """The frontier in a TOML file; its name is the file's where it has none.

        Raises:
            UsageError: no such file, no TOML, or no sound frontier.
        """
        data = read_toml(path)
        if "points" not in data:
            raise UsageError(f"{path} must be a frontier, but it has no points; name what a sweep wrote")
        try:
            found = cls.model_validate({"name": _stem(Path(path)), **data})
        except ValidationError as error:
            raise UsageError.from_validation(f"the frontier in {path}", error) from None
        for pipeline in found.pipelines():
            pipeline.check()
        return found

    def __str__(self) -> str:
        """A table of the points: model, what a query costs, how often it is right, and its name in the report."""
        rows = [("model", _printable(self.by), "accuracy, %", "composition")]
        for rank, point in enumerate(self.points, 1):
            accuracy = f"{100 * point.accuracy:.1f} [{100 * point.low:.1f}, {100 * point.high:.1f}]"
            flaw = " (not confirmed)" if point.not_confirmed else ""
            cost = f"{point.cost[self.by]:,.4g}" if point.cost[self.by] < 1000 else f"{point.cost[self.by]:,.0f}"
            rows.append((f"{self.name}-{rank}", cost, accuracy + flaw, _printable(point.name)))
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        lines = [f"{a:<{widths[0]}}  {b:>{widths[1]}}  {c:<{widths[2]}}  {d}" for a, b, c, d in rows]
        reasons = dict.fromkeys(point.not_confirmed for point in self.points if point.not_confirmed)
        return "\n".join([*lines, *(f"not confirmed: {_printable(reason)}" for reason in reasons)])


def load_all(paths: Iterable[str | Path]) -> list[Pipeline | Frontier]:
    """The pipelines and frontiers in files and in folders of TOML files.

    Raises:
        UsageError: a folder without any, or a file that is neither a sound pipeline nor a sound frontier.
    """
    files = [file for path in map(Path, paths) for file in (_toml_files(path) if path.is_dir() else [path])]
    return [Frontier.load(file) if "points" in read_toml(file) else load_pipeline(file) for file in files]


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)


def _toml_files(folder: Path) -> list[Path]:
    found = sorted(folder.glob("*.toml"))
    if not found:
        raise UsageError(
            f"{folder} must hold pipelines or frontiers as TOML files, but holds none; name another folder"
        )
    return found


def _stem(path: Path) -> str:
    return path.name.removesuffix(SUFFIX) if path.name.endswith(SUFFIX) else path.stem
