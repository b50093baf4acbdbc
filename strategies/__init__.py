"""How compute is spent: one published method a file."""

from ..orchestrator.registry import Registry
from ..orchestrator.strategy import Strategy
from .ab_mcts import ABMCTS
from .adaptive_consistency import AdaptiveConsistency
from .adaptive_sampling import AdaptiveSampling
from .beam_search import BeamSearch
from .best_of_n import BestOfN
from .budget_forcing import BudgetForcing
from .cascade import Cascade
from .certainty_probe import CertaintyProbe
from .confidence_stopping import ConfidenceStopping
from .confidence_vote import ConfidenceVote
from .critic import Critic
from .denoising_beam import DenoisingBeam
from .denoising_rebase import DenoisingRebase
from .dvts import DVTS
from .early_pruning import EarlyPruning
from .ensemble import Ensemble
from .esc import EarlyStoppingSelfConsistency
from .feynman_kac import FeynmanKac
from .first_accepted import FirstAccepted
from .fuse import Fuse
from .hogwild import Hogwild
from .mcts import MCTS
from .mixture_of_agents import MixtureOfAgents
from .particle_filter import ParticleFilter
from .particle_gibbs import ParticleGibbs
from .path_search import PathSearch
from .random_noise_search import RandomNoiseSearch
from .rank import Rank
from .ranker import Ranker
from .rebase import Rebase
from .rollover_budget_forcing import RolloverBudgetForcing
from .route_by_difficulty import RouteByDifficulty
from .s_star import SStar
from .sample import Sample
from .select_by_execution import SelectByExecution
from .self_consistency import SelfConsistency
from .self_debug import SelfDebug
from .self_refine import SelfRefine
from .sequential_parallel import SequentialParallel
from .svdd import SVDD
from .tree_of_thoughts import TreeOfThoughts
from .unit_test_evaluator import UnitTestEvaluator
from .unit_test_generator import UnitTestGenerator
from .verifier_filter import VerifierFilter
from .vote import Vote
from .zero_order_search import ZeroOrderSearch

STRATEGIES: Registry[Strategy] = Registry(
    "strategy",
    "ponder.strategies",
    {
        "ab_mcts": ABMCTS,
        "adaptive_consistency": AdaptiveConsistency,
        "adaptive_sampling": AdaptiveSampling,
        "beam_search": BeamSearch,
        "best_of_n": BestOfN,
        "budget_forcing": BudgetForcing,
        "cascade": Cascade,
        "certainty_probe": CertaintyProbe,
        "confidence_stopping": ConfidenceStopping,
        "confidence_vote": ConfidenceVote,
        "critic": Critic,
        "denoising_beam": DenoisingBeam,
        "denoising_rebase": DenoisingRebase,
        "dvts": DVTS,
        "early_pruning": EarlyPruning,
        "ensemble": Ensemble,
        "esc": EarlyStoppingSelfConsistency,
        "feynman_kac": FeynmanKac,
        "first_accepted": FirstAccepted,
        "fuse": Fuse,
        "hogwild": Hogwild,
        "mcts": MCTS,
        "mixture_of_agents": MixtureOfAgents,
        "particle_filter": ParticleFilter,
        "particle_gibbs": ParticleGibbs,
        "path_search": PathSearch,
        "random_noise_search": RandomNoiseSearch,
        "rank": Rank,
        "ranker": Ranker,
        "rebase": Rebase,
        "rollover_budget_forcing": RolloverBudgetForcing,
        "route_by_difficulty": RouteByDifficulty,
        "s_star": SStar,
        "sample": Sample,
        "select_by_execution": SelectByExecution,
        "self_consistency": SelfConsistency,
        "self_debug": SelfDebug,
        "self_refine": SelfRefine,
        "sequential_parallel": SequentialParallel,
        "unit_test_evaluator": UnitTestEvaluator,
        "svdd": SVDD,
        "unit_test_generator": UnitTestGenerator,
        "verifier_filter": VerifierFilter,
        "tree_of_thoughts": TreeOfThoughts,
        "vote": Vote,
        "zero_order_search": ZeroOrderSearch,
    },
)

__all__ = [
    "ABMCTS",
    "DVTS",
    "MCTS",
    "STRATEGIES",
    "SVDD",
    "AdaptiveConsistency",
    "AdaptiveSampling",
    "BeamSearch",
    "BestOfN",
    "BudgetForcing",
    "Cascade",
    "CertaintyProbe",
    "ConfidenceStopping",
    "ConfidenceVote",
    "Critic",
    "DenoisingBeam",
    "DenoisingRebase",
    "EarlyPruning",
    "EarlyStoppingSelfConsistency",
    "Ensemble",
    "FeynmanKac",
    "FirstAccepted",
    "Fuse",
    "Hogwild",
    "MixtureOfAgents",
    "ParticleFilter",
    "ParticleGibbs",
    "PathSearch",
    "RandomNoiseSearch",
    "Rank",
    "Ranker",
    "Rebase",
    "RolloverBudgetForcing",
    "RouteByDifficulty",
    "SStar",
    "Sample",
    "SelectByExecution",
    "SelfConsistency",
    "SelfDebug",
    "SelfRefine",
    "SequentialParallel",
    "Strategy",
    "TreeOfThoughts",
    "UnitTestEvaluator",
    "UnitTestGenerator",
    "VerifierFilter",
    "Vote",
    "ZeroOrderSearch",
]
