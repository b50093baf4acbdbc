"""Drawing one attempt in chunks: what a chunk ends goes on, until the attempt ends or reaches its length."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ..orchestrator.context import Context
from ..orchestrator.engine import Sampling
from ..orchestrator.types import Candidate, Finish
from .stop_strings import stopped

Tokens = Annotated[int, Field(ge=1, le=1_000_000)]


def at_most(sampling: Sampling, tokens: int) -> Sampling:
    """The same sampling, for at most `tokens` more."""
    return sampling.model_copy(update={"max_tokens": tokens})


def opened(candidate: Candidate, max_tokens: int) -> Candidate:
    """The attempt as a partial one where only its chunk ended it: fewer than `max_tokens` are generated.

    >>> from ponder.orchestrator.types import Usage
    >>> cut = Candidate((7, 8), "ab", Finish.TOTAL_LENGTH, usage=Usage(completion_tokens=2))
    >>> opened(cut, 3).finish, opened(cut, 2).finish
    (<Finish.STEP_LENGTH: 'step_length'>, <Finish.TOTAL_LENGTH: 'total_length'>)
    """
    is_cut = candidate.finish is Finish.TOTAL_LENGTH and candidate.generated_tokens < max_tokens
    return candidate.with_finish(Finish.STEP_LENGTH) if is_cut else candidate


async def grown(candidate: Candidate, sampling: Sampling, ctx: Context, engine: str) -> Candidate:
    """The attempt after a chunk: cut at a stop string that chunks part, or `opened`; `sampling` is of the whole."""
    return await stopped(candidate, sampling.stop, ctx, engine) or opened(candidate, sampling.max_tokens)


def is_open(candidate: Candidate) -> bool:
    """Whether the attempt can go on."""
    return not candidate.finish.is_terminal
