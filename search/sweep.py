"""The sweep as data: which compositions, on which queries, within which budget."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ..orchestrator.budget import Budget, Dimension
from ..orchestrator.data.sources import AnyData
from ..orchestrator.engines import AnyEngine
from ..orchestrator.errors import UsageError
from ..orchestrator.pipeline_file import read_toml
from ..verifiers import AnyVerifier
from .decisions.racing_search import RacingSearch
from .spaces.space import Space

Level = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NAME = r"^[A-Za-z0-9_.-]{1,64}$"


class Sweep(BaseModel):
    """A sweep as data: a search for the compositions that are worth their cost, at several costs.

    Args:
        name: names its run in the journal.
        data: where the queries come from; each must have a reference.
        engines: by the names the compositions use.
        checker: judges whether an answer is right; by rules, at no cost.
        space: the compositions.
        budget: for the whole sweep, confirmation included; raising it and running again goes on where it stopped.
        by: the dimension of cost that levels and frontier are in.
        levels: what a query may cost on average, rising; the best composition is sought for each. Where none is named,
            five are laid evenly on a logarithmic scale over what the space costs.
        per_query: hard limits of one answer, whatever the sweep has left; a composition that could exceed them is never
            measured.
        confirmation: the share of the queries that no search sees and the chosen are confirmed on; half as large a
            share of the budget is kept for that.
        search: how it is searched.
        proposer: what suggests compositions beside the search: ``optuna`` has its tree-structured Parzen estimator do
            so; in a space too large to enumerate, the neighbours of the best so far are suggested in either case.
        seed: chooses the draws.
        where: ``ray`` (engines and runners as actors) or ``local`` (this process); the results are the same.
        replicas: replicas of each engine on a cluster; one where not named.
        runners: actors that run strategies on a cluster.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: Annotated[str, Field(pattern=NAME)]
    data: AnyData
    engines: Mapping[str, AnyEngine]
    checker: AnyVerifier
    space: Space
    budget: Budget
    by: Dimension = "total_tokens"
    levels: tuple[Level, ...] = ()
    per_query: Budget = Budget()
    confirmation: Annotated[float, Field(ge=0.1, le=0.8)] = 0.4
    search: RacingSearch = RacingSearch()
    proposer: Literal["neighbours", "optuna"] = "neighbours"
    seed: int = 0
    where: Literal["ray", "local"] = "ray"
    replicas: Mapping[str, int] = {}
    runners: Annotated[int, Field(ge=1, le=1024)] = 1

    @model_validator(mode="after")
    def _can_search(self) -> Self:
        if list(self.levels) != sorted(set(self.levels)):
            raise ValueError(f"levels must rise, got {self.levels}; sort them, each once")
        if all(limit is None for limit in self.budget.limits()):
            raise ValueError(
                f"budget must limit what a search may spend, not its seconds alone, got {self.budget}; add such as "
                "total_tokens = 1_000_000"
            )
        if self.checker.engine_names():
            raise ValueError(
                f"checker must judge by rules, but {self.checker.kind!r} asks an engine; choose another, for images "
                "'image_class', which holds its classifier itself"
            )
        return self

    @classmethod
    def load(cls, path: str | Path) -> Sweep:
        """The sweep in a TOML file; its name is the file's where it has none.

        Raises:
            UsageError: no such file, or no sound sweep.
        """
        table = {"name": Path(path).stem, **read_toml(path)}
        if not re.fullmatch(NAME, str(table["name"])):
            raise UsageError(
                f"a sweep's name must be 1 to 64 letters of a to z, digits, '.', '_' and '-', got {table['name']!r}; "
                f'write name = "..." at the top of {path}'
            )
        try:
            return cls.model_validate(table)
        except ValidationError as error:
            raise UsageError.from_validation(f"the sweep in {path}", error) from None

    def header(self) -> dict[str, Any]:
        """What must stay the same for a run to be resumed: all but the budget and where it runs."""
        return self.model_dump(mode="json", exclude={"budget", "where", "replicas", "runners"})
