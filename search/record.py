"""The record: what a sweep wrote down in its journal, from which its report is made and it goes on after a stop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, TypeAdapter, field_serializer

from ..orchestrator.budget import Budget
from ..orchestrator.canonical import stable_id
from ..orchestrator.errors import UsageError
from ..orchestrator.journal_file import ReadOnlyJournal
from ..orchestrator.pipeline import AnyStrategy
from ..orchestrator.types import Usage
from .pools.pool import Pool
from .pools.wanted import Wanted
from .split import Split, split
from .sweep import Sweep

POOL = TypeAdapter(Pool)
LATEST = "@latest"
"""Where the results of a run hold what it was last run with; no task has such a name."""
Phase = Literal["calibration", "search", "confirmation"]


class Latest(BaseModel):
    """What a sweep was last run with: its budget, and what names its queries.

    What is decided hangs on both, so each row of a record stands under their common name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    budget: Budget
    queries: str

    @classmethod
    def of(cls, sweep: Sweep, parts: Split) -> Latest:
        """What a sweep is run with now."""
        return cls(budget=sweep.budget, queries=stable_id((parts.development, parts.confirmation)))

    def row(self, what: str) -> str:
        """Where a row of the record stands among the results of the run."""
        return f"{self._part}/{what}"

    def own(self, results: Mapping[str, bytes]) -> dict[str, bytes]:
        """The rows of the record among the results of a run, by what they tell."""
        part = f"{self._part}/"
        return {name.removeprefix(part): value for name, value in results.items() if name.startswith(part)}

    @cached_property
    def _part(self) -> str:
        return f"@{stable_id(self)}"


class Batch(BaseModel):
    """What was measured together, and what all effects had cost at its end, each once.

    Args:
        phase: which part of the sweep it belongs to.
        asks: the id of a composition, the numbers of the queries in their part of the split, and the replicate.
        missing: tasks that did not end, for the budget was gone or an answer was lost for good.
        spent: what the sweep's effects had cost when it ended, by count of `Usage`.
        seconds: how long the sweep had taken, where its seconds are limited.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    phase: Phase
    asks: tuple[tuple[str, tuple[int, ...], int], ...]
    missing: frozenset[str] = frozenset()
    spent: dict[str, int] = {}
    seconds: float = 0.0

    @field_serializer("missing")
    def _sorted(self, missing: frozenset[str]) -> list[str]:
        return sorted(missing)

    def came(self, wanted: Sequence[Wanted]) -> list[Wanted]:
        """Those of the pools wanted for it that came."""
        return [one for one in wanted if one.id not in self.missing]


class Chosen(BaseModel):
    """What the search chose at one level, by the ids of compositions; see `problem.Choice`."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    level: float
    composition: str
    estimate: float
    tied: tuple[str, ...] = ()


class Routing(BaseModel):
    """What became of a policy by difficulty at one level: whether it was chosen, and why or why not."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    level: float
    is_chosen: bool
    reason: str


class Verdict(BaseModel):
    """How a search ended.

    Args:
        chosen: at each level.
        reason: why it measured no more, in words.
        outlook: what more would buy, in words.
        compositions: how many it chose among, those included that joined while it searched.
        routings: what became of policies by difficulty.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    chosen: tuple[Chosen, ...] = ()
    reason: str = ""
    outlook: tuple[str, ...] = ()
    compositions: int = 0
    routings: tuple[Routing, ...] = ()


class Member(BaseModel):
    """A composition that was measured.

    Args:
        strategy: itself.
        choices: the value of each axis of the space.
        critical_path: calls in sequence, at most.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    strategy: AnyStrategy
    choices: dict[str, Any] = {}
    critical_path: int = 0


class Facts(BaseModel):
    """What a search started from.

    Args:
        compositions: how many it chose among.
        is_sampled: whether the space holds more than that.
        levels: what a query may cost, rising.
        refused: how many were refused, by reason.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    compositions: int
    is_sampled: bool = False
    levels: tuple[float, ...] = ()
    refused: dict[str, int] = {}


@dataclass(frozen=True, slots=True)
class Record:
    """Everything that a sweep under one budget has found so far; `start` is what was spent before, under others."""

    sweep: Sweep
    parts: Split
    facts: Facts | None
    members: Mapping[str, Member]
    start: Usage
    batches: Sequence[Batch]
    verdict: Verdict | None
    pools: Mapping[str, Pool]
    paid: Usage
    is_complete: bool

    @classmethod
    def read(cls, path: str | Path, name: str | None = None) -> Record:
        """The record in a journal, even while a sweep writes it.

        Raises:
            UsageError: it holds no sweep, or several and `name` is none of them, or the queries are others now.
        """
        with closing(ReadOnlyJournal(path)) as journal:
            headers = {run: header for run, header in journal.runs().items() if "space" in header}
            if name is None and len(headers) == 1:
                name = next(iter(headers))
            if name not in headers:
                known = ", ".join(headers) or "none"
                remedy = "name one of them" if headers else "run a sweep with it first"
                raise UsageError(
                    f"the journal {path} must hold the sweep asked for, got {name}; it holds: {known}; {remedy}"
                )
            results = journal.results(name)
            latest = Latest.model_validate_json(results.get(LATEST, b'{"budget":{"calls":0},"queries":""}'))
            sweep = Sweep.model_validate({**headers[name], "budget": latest.budget})
            parts = split(sweep.data.load(), sweep.confirmation)
            if latest.queries and latest != Latest.of(sweep, parts):
                raise UsageError(
                    f"the queries must be those that sweep {name!r} last ran on, but the data changed since; put them "
                    "back, or run the sweep again: what is asked as before is not paid twice"
                )
            return cls.of(sweep, parts, latest.own(results), results, journal.spent(name).effects)

    @classmethod
    def of(
        cls, sweep: Sweep, parts: Split, own: Mapping[str, bytes], results: Mapping[str, bytes], paid: Usage
    ) -> Record:
        """The record of a sweep, from its own rows and all results of its run."""
        members = {
            name.removeprefix("member/"): Member.model_validate_json(value)
            for name, value in own.items()
            if name.startswith("member/")
        }
        numbered = sorted(int(name.removeprefix("batch/")) for name in own if name.startswith("batch/"))
        return cls(
            sweep,
            parts,
            Facts.model_validate_json(own["facts"]) if "facts" in own else None,
            members,
            Usage(**orjson.loads(own.get("start", b"{}"))),
            [Batch.model_validate_json(own[f"batch/{number}"]) for number in numbered],
            Verdict.model_validate_json(own["verdict"]) if "verdict" in own else None,
            pools_of(results),
            paid,
            "complete" in own,
        )


def pools_of(results: Mapping[str, bytes]) -> dict[str, Pool]:
    """The pools among the results of a run, by the names of their tasks."""
    return {name: POOL.validate_json(value) for name, value in results.items() if not name.startswith("@")}
