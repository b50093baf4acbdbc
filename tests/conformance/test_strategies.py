"""Every registered strategy keeps what `ponder.testing` asks, alone and in a graph."""

import pytest

from ponder.orchestrator.pipeline import Node, Pipeline
from ponder.strategies import (
    ABMCTS,
    MCTS,
    STRATEGIES,
    AdaptiveConsistency,
    BestOfN,
    ConfidenceStopping,
    ConfidenceVote,
    Critic,
    EarlyStoppingSelfConsistency,
    Ensemble,
    FirstAccepted,
    Fuse,
    Rank,
    Ranker,
    Sample,
    SelfConsistency,
    Strategy,
    Vote,
)
from ponder.strategies.posteriors import Beta
from ponder.testing import STRATEGY_CHECKS
from ponder.verifiers import ExactMatch, ProcessReward

KNOBS = {"max_tokens": 40}
STEPS = {"max_tokens": 40, "step_tokens": 12, "max_steps": 4, "leaf": "answer:"}
FOUR = Sample(n=4, **KNOBS)
THREE = Sample(n=3, **KNOBS)
REWARD = ProcessReward()
BRANCHES = Pipeline(
    nodes=(
        Node(name="plain", strategy=Sample(n=2, **KNOBS)),
        Node(name="hot", strategy=BestOfN(n=2, temperature=1.5, verifier=REWARD, **KNOBS)),
        Node(name="judge", strategy=Rank(verifier=REWARD), after=("plain", "hot")),
        Node(name="vote", strategy=Vote(weights="process_reward"), after=("judge",)),
    )
)
CASES: dict[str, Strategy] = {
    "sample": FOUR,
    "best_of_n": BestOfN(n=4, verifier=REWARD, **KNOBS),
    "best_of_n-weighted": BestOfN(n=4, verifier=REWARD, weighted=True, **KNOBS),
    "best_of_n-exact": BestOfN(n=4, verifier=ExactMatch(), **KNOBS),
    "self_consistency": SelfConsistency(n=4, **KNOBS),
    "rank": Pipeline.series(FOUR, Rank(verifier=REWARD, keep=2)),
    "vote": Pipeline.series(FOUR, Rank(verifier=REWARD), Vote(weights="process_reward")),
    "ensemble": Ensemble(members=(Sample(n=2, **KNOBS), Sample(n=1, temperature=0.5, **KNOBS))),
    "critic": Pipeline.series(THREE, Critic(**KNOBS)),
    "ranker": Pipeline.series(THREE, Critic(**KNOBS), Ranker(keep=2, **KNOBS)),
    "fuse": Pipeline.series(THREE, Fuse(n=2, **KNOBS), Fuse(**KNOBS)),
    "first_accepted": FirstAccepted(n=4, verifier=REWARD, threshold=0.9, temperature=2.0, **KNOBS),
    "first_accepted-rounds": FirstAccepted(n=5, round=2, verifier=ExactMatch(), **KNOBS),
    "adaptive_consistency": AdaptiveConsistency(n=6, round=2, threshold=0.8, **KNOBS),
    "adaptive_consistency-all": AdaptiveConsistency(n=6, launch="all", threshold=0.8, criterion="dirichlet", **KNOBS),
    "esc": EarlyStoppingSelfConsistency(n=6, window=2, **KNOBS),
    "confidence_vote": ConfidenceVote(n=4, keep=0.5, measure="min", window=10, **KNOBS),
    "confidence_stopping": ConfidenceStopping(n=4, warmup=2, keep=0.5, window=10, chunk=12, round=2, **KNOBS),
    "mcts": MCTS(n=4, expand=2, verifier=REWARD, **STEPS),
    "mcts-parallel": MCTS(n=3, expand=2, parallel=2, rule="puct", exploration=0.5, verifier=REWARD, **STEPS),
    "ab_mcts": ABMCTS(n=4, verifier=REWARD, **KNOBS),
    "ab_mcts-engines": ABMCTS(n=4, parallel=2, verifier=REWARD, engines=("generator", "second"), prior=Beta(), **KNOBS),
    "branches": BRANCHES,
    "nested": Pipeline.series(Pipeline.series(FOUR, name="inner"), Pipeline.series(Rank(verifier=REWARD))),
}


def test_every_registered_strategy_has_a_case() -> None:
    assert {name.partition("-")[0] for name in CASES} >= set(STRATEGIES.names())


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("check", STRATEGY_CHECKS, ids=lambda check: check.__name__)
async def test_strategy(check, case: str) -> None:
    await check(CASES[case])
