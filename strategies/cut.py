"""Attempts that are given back though they could go on, and the reason that they carry."""

from __future__ import annotations

from collections.abc import Iterable

from ..orchestrator.context import Context
from ..orchestrator.types import Candidate, Finish


def cut(candidates: Iterable[Candidate], ctx: Context, otherwise: Finish = Finish.TOTAL_LENGTH) -> list[Candidate]:
    """The candidates, those that could have gone on marked with why they did not.

    Args:
        candidates: of which those that have ended stay as they are.
        ctx: where the run has ended, they are aborted.
        otherwise: why they did not go on where the run has not ended.
    """
    finish = Finish.ABORTED if ctx.is_stopped else otherwise
    return [each if each.finish.is_terminal else each.with_finish(finish) for each in candidates]
