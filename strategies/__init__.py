"""How compute is spent: one published method a file."""

from ..orchestrator.registry import Registry
from ..orchestrator.strategy import Strategy
from .best_of_n import BestOfN
from .rank import Rank
from .sample import Sample
from .self_consistency import SelfConsistency
from .vote import Vote

STRATEGIES: Registry[Strategy] = Registry(
    "strategy",
    "ponder.strategies",
    {
        "best_of_n": BestOfN,
        "rank": Rank,
        "sample": Sample,
        "self_consistency": SelfConsistency,
        "vote": Vote,
    },
)

__all__ = ["STRATEGIES", "BestOfN", "Rank", "Sample", "SelfConsistency", "Strategy", "Vote"]
