"""Text put into an attempt as far as its length allows."""

from __future__ import annotations

from ..orchestrator.context import Context
from ..orchestrator.types import Candidate

BYTES_A_TOKEN = 4
"""Bytes of text that count as a token where the engine shows no ids."""


async def limited_append(
    parent: Candidate | None, text: str, max_tokens: int, ctx: Context, engine: str
) -> tuple[Candidate, bool]:
    """The attempt that goes on with as much of `text` as it may hold, and whether it can hold no more.

    The whole attempt counts, whoever wrote it.
    """
    whole = await ctx.append(parent, text, engine)
    if length(whole) <= max_tokens:
        return whole, length(whole) == max_tokens
    kept, beyond = await ctx.append(parent, "", engine), len(text)
    while beyond - len(kept.piece) > 1:
        middle = (len(kept.piece) + beyond) // 2
        tried = await ctx.append(parent, text[:middle], engine)
        if length(tried) <= max_tokens:
            kept = tried
        else:
            beyond = middle
    return kept, True


def length(candidate: Candidate) -> int:
    """The tokens of an attempt, whoever wrote them."""
    return len(candidate.path_tokens) or -(-len(candidate.text.encode()) // BYTES_A_TOKEN)
