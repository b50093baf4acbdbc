"""The record: what a sweep wrote down in its journal, from which its report is made and it goes on after a stop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter

from ..orchestrator.budget import Budget
from ..orchestrator.canonical import stable_id
from ..orchestrator.errors import UsageError
from ..orchestrator.journal_file import ReadOnlyJournal
from ..orchestrator.pipeline import AnyStrategy
from ..orchestrator.types import Usage
from .pool import Pool
from .split import Split, split
from .sweep import Sweep

POOL = TypeAdapter(Pool)
BUDGET = "@budget"
"""Where the results of a run hold the budget it last ran under; no task has such a name."""
Phase = Literal["calibration", "search", "confirmation"]


class Batch(BaseModel):
    """What was measured together, and what all effects had cost at its end, each once.

    Args:
        phase: which part of the sweep it belongs to.
        asks: the id of a composition, the numbers of the queries in their part of the split, and the replicate.
        spent: what the sweep's effects had cost when it ended, by count of `Usage`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    phase: Phase
    asks: tuple[tuple[str, tuple[int, ...], int], ...]
    spent: dict[str, int] = {}


class Chosen(BaseModel):
    """What the search chose at one level, by the ids of compositions; see `problem.Choice`."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    level: float
    composition: str
    estimate: float
    tied: tuple[str, ...] = ()


class Verdict(BaseModel):
    """How a search ended: what it chose at each level, and why it measured no more."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    chosen: tuple[Chosen, ...] = ()
    reason: str = ""


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
    """Everything that a sweep under one budget has found so far."""

    sweep: Sweep
    parts: Split
    facts: Facts | None
    members: Mapping[str, Member]
    batches: Sequence[Batch]
    verdict: Verdict | None
    pools: Mapping[str, Pool]
    paid: Usage
    is_complete: bool

    @classmethod
    def read(cls, path: str | Path, name: str | None = None) -> Record:
        """The record in a journal, even while a sweep writes it.

        Raises:
            UsageError: it holds no sweep, or several and `name` is none of them.
        """
        with closing(ReadOnlyJournal(path)) as journal:
            headers = {run: header for run, header in journal.runs().items() if "space" in header}
            if name is None and len(headers) == 1:
                name = next(iter(headers))
            if name not in headers:
                known = ", ".join(headers) or "none"
                raise UsageError(f"the journal {path} must hold the sweep asked for, got {name}; it holds: {known}")
            results = journal.results(name)
            budget = Budget.model_validate_json(results.get(BUDGET, b'{"calls":0}'))
            sweep = Sweep.model_validate({**headers[name], "budget": budget})
            return cls.of(sweep, results, journal.spent(name).effects)

    @classmethod
    def of(cls, sweep: Sweep, results: Mapping[str, bytes], paid: Usage) -> Record:
        """The record of a sweep in the results of its run."""
        part = f"@{stable_id(sweep.budget)}/"
        own = {name.removeprefix(part): value for name, value in results.items() if name.startswith(part)}
        members = {
            name.removeprefix("member/"): Member.model_validate_json(value)
            for name, value in own.items()
            if name.startswith("member/")
        }
        numbered = sorted(int(name.removeprefix("batch/")) for name in own if name.startswith("batch/"))
        return cls(
            sweep,
            split(sweep.data.load(), sweep.confirmation),
            Facts.model_validate_json(own["facts"]) if "facts" in own else None,
            members,
            [Batch.model_validate_json(own[f"batch/{number}"]) for number in numbered],
            Verdict.model_validate_json(own["verdict"]) if "verdict" in own else None,
            {name: POOL.validate_json(value) for name, value in results.items() if not name.startswith("@")},
            paid,
            "complete" in own,
        )


def row_name(sweep: Sweep, what: str) -> str:
    """Where a row of the record stands among the results of a run: under the budget it was decided with."""
    return f"@{stable_id(sweep.budget)}/{what}"
