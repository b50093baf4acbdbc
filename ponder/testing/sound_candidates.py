"""What holds of the candidates of every run, however it ends."""

from __future__ import annotations

from collections import Counter

from ..orchestrator.pipeline import Pipeline
from ..orchestrator.strategy import Strategy
from .require import require
from .scene import Played


def require_sound(played: Played, where: str) -> None:
    """Each draw is returned once, ends for good, and says nothing after a stop string of its strategy; no room is held.

    Where branches of a pipeline begin at the same place, a draw may come by both.

    Raises:
        AssertionError: one does not.
    """
    require(not played.ledger.outstanding, f"{where}, no reservation may be left", played.ledger.outstanding)
    candidates = played.result.candidates
    draws = [(candidate.origin, candidate.index) for candidate in candidates]
    is_once = len(set(draws)) == len(draws) or _forks(played.strategy)
    require(is_once, f"{where}, no draw may be returned twice", draws)
    ends = [str(candidate.finish) for candidate in candidates]
    is_over = all(candidate.finish.is_terminal for candidate in candidates)
    require(is_over, f"{where}, each candidate must tell why nothing follows it", ends)
    stops: tuple[str, ...] = getattr(played.strategy, "stop", ())
    for text in (candidate.text for candidate in candidates):
        end = min((at + len(stop) for stop in stops if (at := text.find(stop)) >= 0), default=len(text))
        require(end == len(text), f"{where}, nothing may follow a stop string {stops}", repr(text))


def _forks(strategy: Strategy) -> bool:
    """Whether a node of a pipeline, or what the pipeline is given, goes on in several branches."""
    if not isinstance(strategy, Pipeline):
        return False
    followed = Counter(before for node in strategy.nodes for before in node.after or ("",))
    return any(count > 1 for count in followed.values()) or any(_forks(node.strategy) for node in strategy.nodes)
