"""Text is put in as far as the attempt may be long."""

from typing import Any

import pytest
from making import context

from ponder.orchestrator.engines.simulated import SimulatedEngine, SimulatedSpec
from ponder.orchestrator.types import Candidate, Finish
from ponder.strategies.limited_append import limited_append


class Hidden(SimulatedEngine):
    """An engine that shows no ids."""

    async def encode(self, text: str) -> tuple[int, ...]:
        return ()


async def put(text: str, most: int, engine: Any = SimulatedEngine, before: str = "") -> tuple[str, bool]:
    ctx = context(engine(SimulatedSpec()))
    parent = await ctx.append(None, before) if before else None
    found, is_full = await limited_append(parent, text, most, ctx, "generator")
    assert isinstance(found, Candidate) and found.finish is Finish.STEP
    return found.text, is_full


@pytest.mark.parametrize(
    ("text", "most", "kept", "is_full"),
    [
        ("abcdef", 7, "abcdef", False),
        ("abcdef", 6, "abcdef", True),
        ("abcdef", 5, "abcde", True),
        ("abcdef", 1, "a", True),
        ("é", 1, "", True),
        ("aé", 2, "a", True),
        ("", 1, "", False),
    ],
)
async def test_what_fits_is_kept(text: str, most: int, kept: str, is_full: bool) -> None:
    assert await put(text, most) == (kept, is_full)


async def test_what_stands_before_counts() -> None:
    assert await put("abcdef", 8, before="12345") == ("12345abc", True)


async def test_without_ids_four_bytes_are_a_token() -> None:
    assert await put("abcdefghij", 2, Hidden) == ("abcdefgh", True)
    assert await put("abcdefghij", 3, Hidden, before="xy") == ("xyabcdefghij", True)
