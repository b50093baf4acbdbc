"""How compute is spent: one published method a file."""

from ..orchestrator.registry import Registry
from ..orchestrator.strategy import Strategy
from .ab_mcts import ABMCTS
from .adaptive_consistency import AdaptiveConsistency
from .best_of_n import BestOfN
from .confidence_stopping import ConfidenceStopping
from .confidence_vote import ConfidenceVote
from .critic import Critic
from .ensemble import Ensemble
from .esc import EarlyStoppingSelfConsistency
from .first_accepted import FirstAccepted
from .fuser import Fuse
from .mcts import MCTS
from .rank import Rank
from .ranker import Ranker
from .sample import Sample
from .self_consistency import SelfConsistency
from .vote import Vote

STRATEGIES: Registry[Strategy] = Registry(
    "strategy",
    "ponder.strategies",
    {
        "ab_mcts": ABMCTS,
        "adaptive_consistency": AdaptiveConsistency,
        "best_of_n": BestOfN,
        "confidence_stopping": ConfidenceStopping,
        "confidence_vote": ConfidenceVote,
        "critic": Critic,
        "ensemble": Ensemble,
        "esc": EarlyStoppingSelfConsistency,
        "first_accepted": FirstAccepted,
        "fuse": Fuse,
        "mcts": MCTS,
        "rank": Rank,
        "ranker": Ranker,
        "sample": Sample,
        "self_consistency": SelfConsistency,
        "vote": Vote,
    },
)

__all__ = [
    "ABMCTS",
    "MCTS",
    "STRATEGIES",
    "AdaptiveConsistency",
    "BestOfN",
    "ConfidenceStopping",
    "ConfidenceVote",
    "Critic",
    "EarlyStoppingSelfConsistency",
    "Ensemble",
    "FirstAccepted",
    "Fuse",
    "Rank",
    "Ranker",
    "Sample",
    "SelfConsistency",
    "Strategy",
    "Vote",
]
