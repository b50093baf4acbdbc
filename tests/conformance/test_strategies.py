"""Every registered strategy keeps what `ponder.testing` asks, alone and in a graph."""

import pytest
from image_cases import IMAGES

from ponder.orchestrator.pipeline import Node, Pipeline
from ponder.strategies import (
    ABMCTS,
    DVTS,
    MCTS,
    STRATEGIES,
    AdaptiveConsistency,
    AdaptiveSampling,
    BeamSearch,
    BestOfN,
    BudgetForcing,
    Cascade,
    CertaintyProbe,
    ConfidenceStopping,
    ConfidenceVote,
    Critic,
    EarlyPruning,
    EarlyStoppingSelfConsistency,
    Ensemble,
    FirstAccepted,
    Fuse,
    Hogwild,
    MixtureOfAgents,
    ParticleFilter,
    ParticleGibbs,
    Rank,
    Ranker,
    Rebase,
    RouteByDifficulty,
    Sample,
    SelectByExecution,
    SelfConsistency,
    SelfDebug,
    SelfRefine,
    SequentialParallel,
    SStar,
    Strategy,
    TreeOfThoughts,
    UnitTestEvaluator,
    UnitTestGenerator,
    VerifierFilter,
    Vote,
)
from ponder.strategies.posteriors import Beta
from ponder.testing import STRATEGY_CHECKS
from ponder.verifiers import (
    ExactMatch,
    ListwiseJudge,
    PairwiseJudge,
    ProcessReward,
    RankEnsemble,
    SelfEvaluation,
    SimulatedCode,
)
from ponder.verifiers.reliability import MixedResamplingLaw, ResamplingLaw, WorthTrying

KNOBS = {"max_tokens": 48}
STEPS = {"max_tokens": 40, "step_tokens": 12, "max_steps": 4, "leaf": "answer:"}
STOP = {"stop": ("\nanswer",)}
TOGETHER = {
    "max_tokens": 36,
    "instructions": "Share.",
    "opening": "{name}: ",
    "greetings": ("",),
    "step_ends": ("\n",),
    "cue": "Twice? ",
    "answer_opens": "answer: ",
    "answer_ends": "\n",
    "finisher": "\n",
    "finisher_tokens": 16,
}
UNTOLD = {**TOGETHER, "instructions": ""}
FOUR = Sample(n=4, **KNOBS)
TWO = Sample(n=2, **KNOBS)
THREE = Sample(n=3, **KNOBS)
REWARD = ProcessReward()
PAIRS = PairwiseJudge(max_tokens=16)
BRANCHES = Pipeline(
    nodes=(
        Node(name="plain", strategy=Sample(n=2, **KNOBS)),
        Node(name="hot", strategy=BestOfN(n=2, temperature=1.5, verifier=REWARD, **KNOBS)),
        Node(name="judge", strategy=Rank(verifier=REWARD), after=("plain", "hot")),
        Node(name="vote", strategy=Vote(weights="process_reward"), after=("judge",)),
    )
)
MIXED = MixedResamplingLaw((ResamplingLaw(0.87, 1.0, 0.25), ResamplingLaw(0.13, 1.0, 0.25)), (0.58, 0.42))
STOPPING = WorthTrying(law=MIXED, wrong_cost=0.7)
CASES: dict[str, Strategy] = {
    **IMAGES,
    "sample": FOUR,
    "best_of_n": BestOfN(n=4, verifier=REWARD, **KNOBS),
    "best_of_n-weighted": BestOfN(n=4, verifier=REWARD, weighted=True, **KNOBS),
    "best_of_n-exact": BestOfN(n=4, verifier=ExactMatch(), **KNOBS),
    "best_of_n-pairwise": BestOfN(n=3, verifier=PAIRS, **KNOBS),
    "best_of_n-listwise": BestOfN(n=3, verifier=ListwiseJudge(votes=2, max_tokens=16), **KNOBS),
    "self_consistency": SelfConsistency(n=4, **KNOBS),
    "rank": Pipeline.series(FOUR, Rank(verifier=REWARD, keep=2)),
    "rank-ensemble": Pipeline.series(FOUR, Rank(verifier=RankEnsemble(members=(REWARD, PAIRS)))),
    "vote": Pipeline.series(FOUR, Rank(verifier=REWARD), Vote(weights="process_reward")),
    "ensemble": Ensemble(members=(Sample(n=2, **KNOBS), Sample(n=1, temperature=0.5, **KNOBS))),
    "critic": Pipeline.series(THREE, Critic(**KNOBS)),
    "ranker": Pipeline.series(THREE, Critic(**KNOBS), Ranker(keep=2, **KNOBS)),
    "fuse": Pipeline.series(THREE, Fuse(n=2, **KNOBS), Fuse(**KNOBS)),
    "first_accepted": FirstAccepted(n=4, verifier=REWARD, threshold=0.9, temperature=2.0, **KNOBS),
    "first_accepted-rounds": FirstAccepted(n=5, round=2, verifier=ExactMatch(), **KNOBS),
    "first_accepted-abstain": FirstAccepted(
        n=5, abstain=True, stopping=STOPPING, verifier=REWARD, threshold=0.9, **KNOBS
    ),
    "adaptive_consistency": AdaptiveConsistency(n=6, round=2, threshold=0.8, **KNOBS),
    "adaptive_consistency-all": AdaptiveConsistency(n=6, launch="all", threshold=0.8, criterion="dirichlet", **KNOBS),
    "esc": EarlyStoppingSelfConsistency(n=6, window=2, **KNOBS),
    "confidence_vote": ConfidenceVote(n=4, keep=0.5, measure="min", window=10, **KNOBS),
    "confidence_stopping": ConfidenceStopping(n=4, warmup=2, keep=0.5, window=10, chunk=12, round=2, **KNOBS),
    "confidence_stopping-stop": ConfidenceStopping(
        n=4, warmup=2, keep=0.5, window=10, chunk=12, round=2, **STOP, **KNOBS
    ),
    "beam_search": BeamSearch(n=4, beam_width=2, verifier=REWARD, **STEPS),
    "beam_search-lookahead": BeamSearch(
        n=3, beam_width=3, lookahead=1, choose="weighted_vote", verifier=REWARD, **STEPS
    ),
    "beam_search-stop": BeamSearch(n=4, beam_width=2, verifier=REWARD, **STOP, **STEPS),
    "dvts": DVTS(n=4, beam_width=2, verifier=REWARD, **STEPS),
    "rebase": Rebase(n=4, verifier=REWARD, **STEPS),
    "rebase-tree_cost": Rebase(
        n=4, rounding="systematic", keep=0.9, tree_cost=0.5, choose="vote", verifier=REWARD, **STEPS
    ),
    "particle_filter": ParticleFilter(n=4, threshold=1.0, verifier=REWARD, **STEPS),
    "particle_filter-incremental": ParticleFilter(
        n=4, weight="incremental", resampling="multinomial", select="sample", verifier=REWARD, **STEPS
    ),
    "particle_gibbs": ParticleGibbs(n=3, sweeps=2, threshold=1.0, verifier=REWARD, **STEPS),
    "tree_of_thoughts": TreeOfThoughts(n=4, states=2, verifier=REWARD, **STEPS),
    "tree_of_thoughts-propose": TreeOfThoughts(n=4, states=2, generate="propose", verifier=REWARD, **STOP, **STEPS),
    "tree_of_thoughts-value": TreeOfThoughts(
        n=4, states=2, evaluate="value", evaluations=2, evaluation_tokens=40, select="sample", **STEPS
    ),
    "tree_of_thoughts-vote": TreeOfThoughts(
        n=4, states=2, generate="propose", evaluate="vote", evaluations=2, evaluation_tokens=40, **STEPS
    ),
    "mcts": MCTS(n=4, expand=2, verifier=REWARD, **STEPS),
    "mcts-parallel": MCTS(n=3, expand=2, parallel=2, rule="puct", exploration=0.5, verifier=REWARD, **STEPS),
    "mcts-stop": MCTS(n=4, expand=2, verifier=REWARD, **STOP, **STEPS),
    "ab_mcts": ABMCTS(n=4, verifier=REWARD, **KNOBS),
    "ab_mcts-engines": ABMCTS(n=4, parallel=2, verifier=REWARD, engines=("generator", "second"), prior=Beta(), **KNOBS),
    "best_of_n-self_evaluation": BestOfN(n=3, verifier=SelfEvaluation(), **KNOBS),
    "best_of_n-question": BestOfN(n=3, verifier=SelfEvaluation(form="question"), **KNOBS),
    "adaptive_sampling": AdaptiveSampling(n=6, temperature=2.0, cooling=0.5, **KNOBS),
    "adaptive_sampling-reward": AdaptiveSampling(
        n=5, temperature=2.0, cooling=0.25, rounds="single", verifier=REWARD, **KNOBS
    ),
    "hogwild": Hogwild(chunk=8, cue_tokens=20, **TOGETHER),
    "hogwild-contiguous": Hogwild(layout="contiguous", workers=3, quorum=2, cue_tokens=6, chunk=6, **UNTOLD),
    "hogwild-interleaved": Hogwild(layout="interleaved", workers=2, quorum=0, max_steps=3, chunk=30, **TOGETHER),
    "hogwild-steps": Hogwild(layout="steps", workers=3, quorum=0, step_tokens=14, cue_tokens=20, **TOGETHER),
    "hogwild-steps-last": Hogwild(layout="steps", max_steps=2, private=("First.",), **TOGETHER),
    "hogwild-fork_join": Hogwild(layout="fork_join", workers=3, quorum=2, step_tokens=12, **TOGETHER),
    "early_pruning": EarlyPruning(n=4, checkpoints=(10, 20), **KNOBS),
    "early_pruning-speculate": EarlyPruning(n=4, checkpoints=(12, 22), mode="speculate", verifier=REWARD, **KNOBS),
    "early_pruning-stop": EarlyPruning(n=4, checkpoints=(10, 22), verifier=REWARD, **STOP, **KNOBS),
    "certainty_probe": CertaintyProbe(n=2, chunk=12, agreeing=2, probe="answer: ", ends="\n", probe_tokens=10, **KNOBS),
    "certainty_probe-stop": CertaintyProbe(
        n=2, chunk=12, agreeing=9, probe="answer: ", ends="\n", probe_tokens=10, **STOP, **KNOBS
    ),
    "self_refine": SelfRefine(n=2, rounds=1, critique_tokens=20, **KNOBS),
    "self_refine-verifier": SelfRefine(rounds=2, critique_tokens=20, verifier=REWARD, **KNOBS),
    "budget_forcing": BudgetForcing(n=2, thinking_tokens=30, end_of_thinking="", max_tokens=60),
    "budget_forcing-closed": BudgetForcing(thinking_tokens=80, num_ignore=2, end_of_thinking="step 2", max_tokens=120),
    "budget_forcing-stop": BudgetForcing(n=2, thinking_tokens=30, end_of_thinking="", max_tokens=60, **STOP),
    "sequential_parallel": SequentialParallel(n=5, chains=2, **KNOBS),
    "sequential_parallel-weighted": SequentialParallel(n=4, chains=2, verifier=REWARD, weighted=True, **KNOBS),
    "verifier_filter": Pipeline.series(THREE, VerifierFilter(**KNOBS)),
    "unit_test_generator": Pipeline.series(THREE, UnitTestGenerator(**KNOBS)),
    "unit_test_evaluator": Pipeline.series(THREE, UnitTestGenerator(**KNOBS), UnitTestEvaluator(keep=2, **KNOBS)),
    "unit_test_evaluator-executed": Pipeline.series(THREE, UnitTestEvaluator(verifier=REWARD)),
    "mixture_of_agents": MixtureOfAgents(members=(Sample(n=2, **KNOBS),), layers=2, aggregator=Sample(**KNOBS)),
    "cascade": Cascade(stages=(TWO, FOUR), verifier=REWARD, thresholds=(0.9,)),
    "cascade-branches": Cascade(stages=(FOUR, BRANCHES), verifier=REWARD, thresholds=(0.9,)),
    "cascade-accepted": Cascade(stages=(TWO, FOUR), verifier=ExactMatch(), thresholds=(0.0,)),
    "route_by_difficulty": RouteByDifficulty(
        routes=(TWO, Pipeline.series(FOUR, Fuse(**KNOBS))), thresholds=(0.1,), verifier=REWARD, probe=TWO
    ),
    "route_by_difficulty-unknown": RouteByDifficulty(routes=(TWO, FOUR), thresholds=(0.5,), metadata="level"),
    "self_debug": Pipeline.series(TWO, SelfDebug(verifier=SimulatedCode(), rounds=2, **KNOBS)),
    "select_by_execution": Pipeline.series(THREE, SelectByExecution(executor=SimulatedCode(), **KNOBS)),
    "select_by_execution-level": Pipeline.series(FOUR, SelectByExecution(executor=SimulatedCode(tests=(1,)), **KNOBS)),
    "s_star": SStar(n=3, rounds=2, executor=SimulatedCode(), **KNOBS),
    "branches": BRANCHES,
    "launched": Pipeline.series(AdaptiveConsistency(n=6, launch="all", threshold=0.8, **KNOBS), Vote()),
    "nested": Pipeline.series(Pipeline.series(FOUR, name="inner"), Pipeline.series(Rank(verifier=REWARD))),
}


def test_every_registered_strategy_has_a_case() -> None:
    assert {name.partition("-")[0] for name in CASES} >= set(STRATEGIES.names())


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("check", STRATEGY_CHECKS, ids=lambda check: check.__name__)
async def test_strategy(check, case: str) -> None:
    await check(CASES[case])
