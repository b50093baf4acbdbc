"""How a run stands, for whoever asked for it: ``/v1/ponder/runs/{id}``."""

from __future__ import annotations

from typing import Any

from .refusal import SHOWN, Refusal
from .runs import Runs, Work

PATH = "/v1/ponder/runs"


async def report(runs: Runs, id: str, owner: str) -> dict[str, Any]:
    """How a run stands and what it has done so far, wherever it runs.

    Args:
        runs: those in flight, and those that lately ended.
        id: the answer's ``id``, or the header ``x-request-id``.
        owner: the name of the key that asks; the runs of other keys do not show.

    Raises:
        Refusal: there is no such run, or not any more.
    """
    work = runs.find(id, owner)
    if work is None or work.is_elsewhere:
        told = await runs.directory.report(id, owner)
        if told is not None:
            return told
    if work is None:
        rule = f"it must be the id of a run of this key that is in flight or ended lately, got {id[:SHOWN]!r}"
        raise Refusal(404, f"run: {rule}; its answer names it as id and x-request-id", param="run", code="not_found")
    return report_of(work)


def report_of(work: Work) -> dict[str, Any]:
    """How a run of this process stands."""
    times = {"created": work.created, "ended": work.ended}
    head = {"id": work.id, "object": "ponder.run", "model": work.model, "status": work.state, **times}
    return {**head, **work.ending, **work.trace.told()}
