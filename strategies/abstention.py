"""Abstention: no answer, said as a candidate."""

from __future__ import annotations

from ..orchestrator.context import Context
from ..orchestrator.types import Candidate, Finish, Score


def abstention(verifier: str, why: str, ctx: Context) -> Candidate:
    """A candidate that nobody drew: without a text, without an answer, at no cost.

    Put first it makes no answer the answer, wherever that is looked for, while what was paid for can follow it. It
    never votes, and is scored as what cannot be told.

    Args:
        verifier: under whose name it says why.
        why: there is no answer.
        ctx: of the strategy that abstains.
    """
    return Candidate((), "", Finish.EOS, index=-1, scores={verifier: Score(None, detail=why)}, origin=ctx.path)
