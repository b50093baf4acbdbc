"""Beam search guided by a process score."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .allocation import equal_split, laid_out
from .level_search import Level, S, best_first
from .stepwise import Stepwise


class BeamSearch(Stepwise):
    """Keep the best of each level, one in `beam_width`, and share the next level among them.

    Paths that have ended take their place out of the width, so that at most `n` end: the search does not fill up with
    short answers, and does not stop at the first `n` of many. With `beam_width` 1 and without `unique` everything goes
    on: `n` independent paths. With `beam_width` `n` one node goes on at each level.

    Family: stepwise search
    When it pays: answers have steps and a process reward tells a bad one early, above all on hard questions at small
        budgets. With many paths it narrows to variants of one answer and misleads the verifier; then Best-of-N or
        `dvts` is better.
    Cost: at most `n` steps and `n` judgements a level, and `lookahead` times as many steps; depth ``2 +
        lookahead`` a level.
    Source: Snell et al. 2024, arXiv 2408.03314, section 5.2.
    Departs: ended paths leave the width instead of being extended or copied.

    Args:
        beam_width: one node in so many goes on, and there is always one.
        unique: whether equal nodes of a level count as one.
    """

    kind: Literal["beam_search"] = "beam_search"
    beam_width: Annotated[int, Field(ge=1, le=4096)] = 4
    unique: bool = True

    def allocator(self) -> Beam:
        """The best go on alike."""
        return Beam(self.beam_width, self.unique)


class Beam:
    """Gives the room of the next level in equal parts to the best ``room / beam_width`` of this one, rounded up."""

    def __init__(self, beam_width: int, unique: bool) -> None:
        self._beam_width = beam_width
        self._unique = unique

    def allocate(self, level: Level[S]) -> list[int]:
        order = best_first(level.nodes, unique=self._unique)
        kept = order[: -(-level.room // self._beam_width)]
        return laid_out(equal_split(level.room, len(kept)), kept, len(level.nodes))
