"""A train of thought that is prolonged or cut: what was drawn of it so far, and what comes next."""

from __future__ import annotations

from dataclasses import dataclass

from ..orchestrator.types import Candidate


@dataclass(frozen=True, slots=True)
class TrainOfThought:
    """An attempt that thinks and then answers, between two draws.

    Args:
        node: what the next draw goes on from; None at the start.
        drawn: the attempt as last drawn, nothing put into it.
        whole: the attempt as it stood when the model last ended it.
        thinking: tokens thought so far.
        ignored: how many ends were ignored.
        is_answering: whether the next draw is the answer.
        is_over: whether nothing more is drawn.
    """

    node: Candidate | None = None
    drawn: Candidate | None = None
    whole: Candidate | None = None
    thinking: int = 0
    ignored: int = 0
    is_answering: bool = False
    is_over: bool = False

    def best(self) -> Candidate | None:
        """What it comes to where its next draw is lost."""
        return self.whole or self.drawn
