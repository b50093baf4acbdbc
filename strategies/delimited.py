"""An attempt without the delimiter that ends it."""

from __future__ import annotations

from dataclasses import replace

from ..orchestrator.context import Context
from ..orchestrator.types import Candidate


async def undelimited(candidate: Candidate, delimiter: str, ctx: Context, engine: str) -> Candidate:
    """The attempt without `delimiter` at its end; its usage stays, for the delimiter was paid for.

    Its last tokens are cut where they spell the delimiter; where the vocabulary joins it with what stands before, the
    text is written anew in ids.
    """
    piece = candidate.piece.removesuffix(delimiter)
    end = (await ctx.append(None, delimiter, engine)).tokens
    is_spelt = bool(end) and candidate.tokens[-len(end) :] == end
    tokens = candidate.tokens[: -len(end)] if is_spelt else (await ctx.append(None, piece, engine)).tokens
    return replace(candidate, tokens=tokens, piece=piece, logprobs=None, confidences=None)
