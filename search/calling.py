"""One call: search a space on some data within a budget, in a few lines of Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from rich.console import Console

from ..orchestrator.budget import Budget
from ..orchestrator.data.sources import AbacusData, AnyData, ListData
from ..orchestrator.engine import EngineSpec
from ..orchestrator.errors import UsageError
from ..orchestrator.frontier import Frontier
from ..orchestrator.run import outside_a_loop
from ..orchestrator.types import Query
from ..orchestrator.verifier import Verifier
from ..verifiers import ExactMatch
from ..verifiers.abacus import AbacusChecker
from .progress import show_progress
from .reports.outputs import write_outputs
from .run_sweep import run_sweep
from .searching import Observer
from .spaces.space import Space
from .sweep import Sweep

Questions = Sequence[Query | tuple[str, str]]


async def asweep(
    space: Space,
    data: AnyData | Questions,
    *,
    engines: Mapping[str, EngineSpec],
    budget: Budget,
    checker: Verifier | None = None,
    name: str = "sweep",
    journal: str | Path | None = None,
    observe: Observer | None = None,
    **knobs: Any,
) -> Frontier:
    """Search `space` for the compositions that are worth their cost on `data`, starting and stopping the engines.

    Everything is recorded: the same call again goes on where it stopped, and pays for nothing twice. Beside the journal
    stand the report (``NAME.html``, ``NAME.csv``) and the frontier (``NAME.frontier.toml``, for ``ponder serve``).

    Args:
        space: the compositions.
        data: a source of queries, or the queries, each with a reference answer; a pair is a question and its answer.
        engines: by the names the compositions use.
        budget: hard limits for the whole sweep.
        checker: judges by rules whether an answer is right; by default whether it equals the reference.
        name: names the run in the journal.
        journal: the file that records every effect; ``runs/NAME.db`` if not given.
        observe: told of the progress; a live line on stderr if not given.
        knobs: any other of `Sweep`, such as ``by``, ``levels``, ``per_query``, ``seed``, ``where`` (here ``"local"``
            where not given).

    Raises:
        UsageError: the sweep cannot work as written.
        JournalError: the journal holds another sweep of this name, or cannot be written.
    """
    try:
        source = _listed(data) if isinstance(data, Sequence) else data
        judge = checker or (AbacusChecker() if isinstance(source, AbacusData) else ExactMatch())
        table = {"name": name, "data": source, "engines": engines, "checker": judge, "space": space, "budget": budget}
        sweep = Sweep.model_validate({**table, "where": "local", **knobs})
    except ValidationError as error:
        raise UsageError.from_validation("the sweep", error) from None
    place = Path(journal) if journal is not None else Path("runs") / f"{name}.db"
    if observe is not None:
        record, _ = await run_sweep(sweep, place, observe)
    else:
        with show_progress(Console(stderr=True)) as shown:
            record, _ = await run_sweep(sweep, place, shown)
    return write_outputs(record, place).frontier


def sweep(
    space: Space,
    data: AnyData | Questions,
    *,
    engines: Mapping[str, EngineSpec],
    budget: Budget,
    checker: Verifier | None = None,
    name: str = "sweep",
    journal: str | Path | None = None,
    observe: Observer | None = None,
    **knobs: Any,
) -> Frontier:
    """`asweep` for code that is not asynchronous.

    Raises:
        UsageError: an event loop is running already, as in a notebook; there, use ``await ponder.asweep(...)``.
    """
    asked = {"checker": checker, "name": name, "journal": journal, "observe": observe, **knobs}
    return outside_a_loop("sweep", lambda: asweep(space, data, engines=engines, budget=budget, **asked))


def _listed(data: Questions) -> ListData:
    """The queries as a source; pairs are numbered by their place."""
    return ListData(queries=tuple(_query(place, each) for place, each in enumerate(data)))


def _query(place: int, given: object) -> Query:
    match given:
        case Query():
            return given
        case (str() as question, str() as answer):
            return Query.ask(question, reference=answer, id=str(place))
    raise UsageError(
        f"data must be a source of queries, or queries and pairs of a question and its answer, got {given!r} at place "
        f"{place}; pair it, or make it a ponder.Query"
    )
