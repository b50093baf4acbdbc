"""What is compared: each strategy with the eight sizes it is measured at, from cheap to dear.

Knobs that are no size were chosen on other held-out problems than those reported. Everything draws at temperature 1
unless it says otherwise, at most `LIMIT` tokens a solution.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from ponder.orchestrator.pipeline import Pipeline
from ponder.orchestrator.strategy import Strategy
from ponder.strategies import (
    DVTS,
    MCTS,
    STRATEGIES,
    AdaptiveConsistency,
    AdaptiveSampling,
    BeamSearch,
    BestOfN,
    Cascade,
    CertaintyProbe,
    ConfidenceStopping,
    ConfidenceVote,
    EarlyPruning,
    EarlyStoppingSelfConsistency,
    Ensemble,
    FirstAccepted,
    ParticleFilter,
    ParticleGibbs,
    Rebase,
    RouteByDifficulty,
    Sample,
    TreeOfThoughts,
    Vote,
)
from ponder.strategies.denoising import DenoisingStrategy
from ponder.verifiers import ProcessReward, SelfEvaluation
from ponder.verifiers.answers import AbacusAnswer, NumberAnswer

LIMIT = 110  # tokens; the longest right solution has 102
LINE = 12  # tokens of the longest right step
Size = float
Family = Literal["parallel", "adaptive", "stepwise", "composed"]
DRAWS = (1, 2, 4, 8, 16, 24, 32, 64)
DOUBLING = (1, 2, 4, 8, 16, 32, 64, 128)
WIDTHS = (2, 4, 8, 12, 16, 24, 32, 64)
FOURS = (4, 8, 12, 16, 24, 40, 64, 128)
DRAW: dict[str, Any] = {"max_tokens": LIMIT}
READ: dict[str, Any] = {"max_tokens": LIMIT, "answer": AbacusAnswer()}
STEP: dict[str, Any] = {
    **READ,
    "verifier": ProcessReward(),
    "leaf": "#",
    "step_tokens": 2 * LINE,
    "max_steps": 10,
    "choose": "weighted_vote",
}


@dataclass(frozen=True, slots=True)
class Ladder:
    """A strategy at eight sizes.

    Args:
        title: its name in tables and figures.
        family: the figure it is drawn in.
        knob: what the size is.
        sizes: from cheap to dear.
        build: the strategy at a size.
        draws: draws a problem at once, where the size does not tell.
    """

    title: str
    family: Family
    knob: str
    sizes: tuple[Size, ...]
    build: Callable[[Any], Strategy]
    draws: int | None = None

    def width(self, rung: int) -> int:
        """Draws a problem at once, about."""
        return self.draws or max(1, round(self.sizes[rung]))


def _ensemble(n: int) -> Strategy:
    warmth = (1.0, 0.8, 0.6, 1.2)[:n]
    members = tuple(Sample(n=n // len(warmth), temperature=each, **DRAW) for each in warmth)
    return Pipeline.series(Ensemble(members=members), Vote(answer=AbacusAnswer()))


def _weighted(n: int) -> Strategy:
    return BestOfN(n=n, verifier=ProcessReward(), weighted=True, **READ)


def _cascade(n: int) -> Strategy:
    stages = (Sample(**DRAW), _weighted(n // 4), _weighted(n))
    return Cascade(stages=stages, verifier=ProcessReward(), thresholds=(0.7, 0.7))


def _route(n: int) -> Strategy:
    routes = (_weighted(n // 4), _weighted(n), Rebase(n=n, **STEP))
    return RouteByDifficulty(routes=routes, thresholds=(0.3, 0.7), verifier=ProcessReward(), probe=Sample(n=4, **DRAW))


LADDERS: dict[str, Ladder] = {
    "confidence_vote": Ladder(
        "DeepConf offline",
        "parallel",
        "draws",
        DRAWS,
        lambda n: ConfidenceVote(n=n, measure="min", window=LINE, keep=0.5, **READ),
    ),
    "first_accepted": Ladder(
        "First accepted by the reward model",
        "adaptive",
        "draws at most",
        DOUBLING,
        lambda n: FirstAccepted(n=n, round=min(4, n), verifier=ProcessReward(), threshold=0.5, **DRAW),
    ),
    "adaptive_consistency": Ladder(
        "Adaptive consistency",
        "adaptive",
        "draws at most",
        FOURS,
        lambda n: AdaptiveConsistency(n=n, **READ),
    ),
    "esc": Ladder(
        "Early-stopping self-consistency",
        "adaptive",
        "draws at most",
        FOURS,
        lambda n: EarlyStoppingSelfConsistency(n=n, window=4, **READ),
    ),
    "confidence_stopping": Ladder(
        "DeepConf online",
        "adaptive",
        "draws at most",
        (2, 4, 8, 16, 24, 32, 48, 64),
        lambda n: ConfidenceStopping(n=n, warmup=min(8, n), keep=0.5, window=LINE, chunk=LINE, round=8, **READ),
    ),
    "adaptive_sampling": Ladder(
        "Adaptive sampling, self-evaluation",
        "adaptive",
        "threshold",
        (0.5, 0.7, 0.8, 0.85, 0.88, 0.9, 0.92, 0.95),
        lambda threshold: AdaptiveSampling(n=16, threshold=threshold, rounds="single", cooling=0.0, **DRAW),
        draws=2,
    ),
    "adaptive_sampling_reward": Ladder(
        "Adaptive sampling, reward model",
        "adaptive",
        "threshold",
        (0.01, 0.05, 0.1, 0.3, 0.5, 0.7, 0.8, 0.9),
        lambda threshold: AdaptiveSampling(
            n=16, threshold=threshold, rounds="single", cooling=0.0, verifier=ProcessReward(), **DRAW
        ),
        draws=2,
    ),
    "early_pruning": Ladder(
        "Early pruning, self-evaluation",
        "adaptive",
        "streams",
        DRAWS,
        lambda n: EarlyPruning(n=n, checkpoints=(LINE, 2 * LINE), keep=0.5, **DRAW),
    ),
    "early_pruning_reward": Ladder(
        "Early pruning, reward model",
        "adaptive",
        "streams",
        DRAWS,
        lambda n: EarlyPruning(n=n, checkpoints=(LINE, 2 * LINE), keep=0.5, verifier=ProcessReward(), **DRAW),
    ),
    "certainty_probe": Ladder(
        "Certainty probe",
        "adaptive",
        "probes that must agree",
        (1, 2, 3, 4, 5, 6, 7, 8),
        lambda agreeing: CertaintyProbe(
            n=1,
            agreeing=agreeing,
            chunk=LINE,
            probe="#",
            ends="\n",
            exit_text="",
            probe_temperature=0,
            max_tokens=LIMIT,
            answer=NumberAnswer(),  # a probe is answered by the bare number
        ),
        draws=1,
    ),
    "beam_search": Ladder(
        "Beam search", "stepwise", "width", WIDTHS, lambda n: BeamSearch(n=n, beam_width=min(4, n), **STEP)
    ),
    "dvts": Ladder(
        "DVTS", "stepwise", "width", (4, 8, 12, 16, 24, 32, 48, 64), lambda n: DVTS(n=n, beam_width=4, **STEP)
    ),
    "rebase": Ladder("REBASE", "stepwise", "width", WIDTHS, lambda n: Rebase(n=n, balance=0.2, **STEP)),
    "particle_filter": Ladder(
        "Particle filter", "stepwise", "particles", WIDTHS, lambda n: ParticleFilter(n=n, **STEP)
    ),
    "particle_gibbs": Ladder(
        "Particle Gibbs",
        "stepwise",
        "particles of each of two sweeps",
        (2, 4, 6, 8, 12, 16, 24, 32),
        lambda n: ParticleGibbs(n=n, sweeps=2, **STEP),
    ),
    "mcts": Ladder(
        "MCTS",
        "stepwise",
        "simulations",
        (2, 4, 8, 12, 16, 24, 32, 48),
        lambda n: MCTS(n=n, expand=4, parallel=4, **STEP),
    ),
    "tree_of_thoughts": Ladder(
        "Tree of thoughts, reward model",
        "stepwise",
        "thoughts a level",
        (5, 10, 15, 20, 25, 30, 40, 60),
        lambda n: TreeOfThoughts(n=n, states=5, **STEP),
    ),
    "ensemble": Ladder("Ensemble of temperatures, voting", "composed", "draws", DRAWS, _ensemble),
    "cascade": Ladder("Cascade of weighted Best-of-N", "composed", "draws of the last stage", FOURS, _cascade),
    "route_by_difficulty": Ladder(
        "Route by difficulty", "composed", "draws of the dearest route", (4, 8, 12, 16, 24, 32, 48, 64), _route
    ),
}

POOLS: dict[str, Callable[[int], Strategy]] = {
    "reward_pool": lambda n: BestOfN(n=n, verifier=ProcessReward(), **DRAW),
    "self_pool": lambda n: BestOfN(n=n, verifier=SelfEvaluation(), **DRAW),
}
"""One run of many draws for each judge; what a fresh run of fewer would do is estimated from it without bias."""

_IMAGES = [kind for kind in STRATEGIES.names() if issubclass(STRATEGIES[kind], DenoisingStrategy)]
_GENERAL = "needs a general model, which can be asked in words: the abacus models know nothing but arithmetic"
LEFT_OUT: dict[str, str] = {
    ", ".join(_IMAGES): "makes images, which have a study of their own, noise_search.py",
    "rank, vote": "parts: a sample with a rank is Best-of-N, a sample with a vote the majority vote",
    **dict.fromkeys(
        (
            "ab_mcts",
            "critic",
            "fuse",
            "mixture_of_agents",
            "ranker",
            "self_refine",
            "sequential_parallel",
            "unit_test_generator, unit_test_evaluator",
            "verifier_filter",
        ),
        _GENERAL,
    ),
    "tree_of_thoughts by values or votes": _GENERAL,
    "hogwild": "needs a model that works with others, which a study of its own has",
    "s_star, self_debug, select_by_execution": "needs a model that writes programs",
    "budget_forcing": "needs a model that thinks and goes on after `Wait`: an abacus solution has one length",
}
