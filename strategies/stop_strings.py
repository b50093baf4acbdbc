"""Stop strings that are parted between the pieces of an attempt, where no engine can see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..orchestrator.context import Context
from ..orchestrator.types import Candidate, Finish


async def stopped(candidate: Candidate, stop: Sequence[str], ctx: Context, engine: str) -> Candidate | None:
    """The attempt up to the end of a stop string that begins before its last piece; None where there is none.

    It is what one draw would have been that ends at the string. Its usage stays: what was written past the string was
    paid for. Tokens are cut where those of the shorter piece begin the longer one, else written anew in ids.
    """
    end = parted_end(candidate, stop)
    if end is None:
        return None
    if end == len(candidate.piece):
        return candidate.with_finish(Finish.STOP)
    piece = candidate.piece[:end]
    ids = (await ctx.append(None, piece, engine)).tokens
    is_beginning = bool(ids) and candidate.tokens[: len(ids)] == ids
    # a confidence is of a place, whichever token came there: the last id may differ
    is_known = bool(ids) and candidate.tokens[: len(ids) - 1] == ids[:-1]
    return replace(
        candidate,
        tokens=ids,
        piece=piece,
        finish=Finish.STOP,
        logprobs=candidate.logprobs[: len(ids)] if is_beginning and candidate.logprobs else None,
        confidences=candidate.confidences[: len(ids)] if is_known and candidate.confidences else None,
    )


def parted_end(candidate: Candidate, stop: Sequence[str]) -> int | None:
    """Where in the last piece the first stop string ends that begins before it; None where none does.

    >>> before = Candidate((), "one, E", Finish.STEP_LENGTH)
    >>> parted_end(Candidate((), "ND, two", Finish.TOTAL_LENGTH, before), ("END", "two"))
    2
    """
    if candidate.parent is None or not stop:
        return None
    before = candidate.parent.text[-max(map(len, stop)) :]
    text = before + candidate.piece
    starts = [(at, each) for each in stop for at in range(max(0, len(before) - len(each) + 1), len(before))]
    ends = [at + len(each) for at, each in starts if text.startswith(each, at)]
    return min(ends) - len(before) if ends else None
