"""The critical path: how many calls wait for one another at most, told before any is made."""

import pytest

from ponder.orchestrator.engine import Sampling
from ponder.orchestrator.pipeline import Node, Pipeline
from ponder.orchestrator.plan import Plan
from ponder.orchestrator.shape import Estimate, Shape
from ponder.orchestrator.types import Usage
from ponder.strategies import (
    ABMCTS,
    DVTS,
    MCTS,
    STRATEGIES,
    SVDD,
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
    DenoisingBeam,
    DenoisingRebase,
    EarlyPruning,
    EarlyStoppingSelfConsistency,
    Ensemble,
    FeynmanKac,
    FirstAccepted,
    Fuse,
    Hogwild,
    MixtureOfAgents,
    ParticleFilter,
    ParticleGibbs,
    PathSearch,
    RandomNoiseSearch,
    Rank,
    Ranker,
    Rebase,
    RolloverBudgetForcing,
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
    ZeroOrderSearch,
)
from ponder.testing.path_checks import sequence
from ponder.verifiers import (
    Calibrated,
    ClassLogprob,
    ExactMatch,
    GenerativeReward,
    ListwiseJudge,
    PairwiseJudge,
    ProcessReward,
    RankEnsemble,
    SimulatedCode,
)
from ponder.verifiers.reliability import PlattMap

MODEL, RULE = ProcessReward(), ExactMatch()
STEPS = {"n": 4, "max_steps": 5, "verifier": MODEL}
SIX = Sample(n=6)
KNOCKOUT, SWISS = (PairwiseJudge(schedule=schedule) for schedule in ("knockout", "swiss"))
PATHS = [
    (SIX, 1),
    (BestOfN(n=9, verifier=MODEL), 2),
    (BestOfN(n=9, verifier=RULE), 1),
    (BestOfN(n=1, verifier=MODEL), 1),
    (SelfConsistency(), 1),
    (ConfidenceVote(), 1),
    (AdaptiveConsistency(n=10, round=4), 3),
    (AdaptiveConsistency(n=10, launch="all"), 1),
    (EarlyStoppingSelfConsistency(n=11, window=5), 3),
    (FirstAccepted(n=8, verifier=MODEL), 2 * 8),
    (FirstAccepted(n=8, round=3, verifier=RULE), 3),
    (ConfidenceStopping(n=32, warmup=16, round=8, max_tokens=1000, chunk=256), 1 + 2 * 4),
    (ConfidenceStopping(n=8, warmup=16), 1),
    (CertaintyProbe(max_tokens=100, chunk=30), 2 * 4),
    (CertaintyProbe(max_tokens=100_000, chunk=10), 2 * 10_000),
    (BeamSearch(**STEPS), 2 * 5),
    (BeamSearch(**STEPS, lookahead=3), (2 + 3) * 5),
    (DVTS(**STEPS), 2 * 5),
    (Rebase(**STEPS), 2 * 5),
    (ParticleFilter(**STEPS), 2 * 5),
    (ParticleGibbs(**STEPS, sweeps=3), 2 * 5 * 3),
    (TreeOfThoughts(**STEPS, states=2), 2 * 5),
    (TreeOfThoughts(**STEPS, states=2, generate="propose", leaf="answer", evaluate="value"), 2 * 5),
    (TreeOfThoughts(**STEPS, states=2, evaluate="vote"), 2 * 5 + 1),
    (MCTS(**STEPS), 2 * (5 + 3)),
    (MCTS(**STEPS, parallel=2, lookahead=1), (2 + 1) * (5 + 2)),
    (MCTS(n=9, max_steps=1, verifier=MODEL), 2),
    (ABMCTS(n=9, verifier=MODEL), 2 * 9),
    (ABMCTS(n=9, parallel=4, engines=("a", "b"), verifier=MODEL), 2 * 3),
    (AdaptiveSampling(n=10), 2 * 5),
    (EarlyPruning(checkpoints=(64, 128), max_tokens=512), 2 * 3),
    (EarlyPruning(checkpoints=(64, 128), max_tokens=512, mode="speculate"), 3 + 1),
    (BudgetForcing(num_ignore=4), 4 + 2),
    (BudgetForcing(num_ignore=0), 2),
    (SelfRefine(n=3, rounds=2), 2 * 2 + 1),
    (SelfRefine(n=3, rounds=2, verifier=MODEL), 2 * 2 + 1 + 3),
    (Hogwild(max_tokens=1000, chunk=300, workers=3, layout="contiguous", cue_tokens=0), 4 + 3 + 1),
    (Hogwild(max_tokens=1000, chunk=300, workers=3, layout="contiguous", cue_tokens=400), 4 + 3 * 2 + 3 + 1),
    (Hogwild(max_tokens=1000, chunk=300, workers=3, max_steps=9), 4 + 3 * 8 + 3 + 1),
    (Hogwild(max_tokens=10, workers=3), 10 + 3 + 1),
    (SequentialParallel(n=10, chains=4), 3),
    (SequentialParallel(n=10, chains=4, verifier=MODEL), 2 * 3),
    (Ensemble(members=(SIX, Sample(n=1), Sample(n=9))), 1),
    (MixtureOfAgents(members=(SIX, SIX), layers=3), 3 + 1),
    (Cascade(stages=(SIX, BestOfN(verifier=MODEL)), verifier=MODEL, thresholds=(0.5,)), 2 + 2),
    (RouteByDifficulty(routes=(SIX, BestOfN(verifier=MODEL)), thresholds=(0.5,), verifier=MODEL), 2 + 2),
    (RouteByDifficulty(routes=(SIX, BestOfN(verifier=MODEL)), thresholds=(0.5,), metadata="level"), 2),
    (SStar(executor=SimulatedCode(), rounds=3), 3 + 3),
    (Pipeline.series(SIX, Rank(verifier=MODEL), Vote()), 1 + 1),
    (Pipeline.series(SIX, Critic(), Ranker(), Fuse()), 1 + 1 + 1 + 1),
    (Pipeline.series(SIX, VerifierFilter()), 1 + 2),
    (Pipeline.series(SIX, UnitTestGenerator(), UnitTestEvaluator()), 1 + 1 + 1),
    (Pipeline.series(SIX, SelfDebug(verifier=SimulatedCode(), rounds=4)), 1 + 4),
    (Pipeline.series(SIX, SelfDebug(verifier=MODEL, rounds=4)), 1 + 4 + 5),
    (Pipeline.series(SIX, SelectByExecution(executor=SimulatedCode())), 1 + 3),
    (Pipeline.series(Sample(n=1), Ranker(), SelectByExecution(executor=SimulatedCode())), 1),
]
LOOKS = ClassLogprob()
PATHS += [
    (RandomNoiseSearch(n=9, verifier=LOOKS), 2),
    (RandomNoiseSearch(n=1, verifier=LOOKS), 1),
    (RandomNoiseSearch(n=9, final_steps=50, verifier=LOOKS), 2 + 2),
    (ZeroOrderSearch(n=4, rounds=6, verifier=LOOKS), 2 * (1 + 6)),
    (ZeroOrderSearch(n=4, rounds=6, final_steps=50, verifier=LOOKS), 2 * (1 + 6) + 2),
    (PathSearch(start=0.8, forward=0.1, backward=0.4, verifier=LOOKS), 1 + 2 * 3),
    (PathSearch(n=1, children=1, start=0.8, forward=0.1, backward=0.4, verifier=LOOKS), 1 + 3),
    (SVDD(steps=8, verifier=LOOKS), 2 * 8 + 2),
    (SVDD(steps=8, block=3, final_steps=5, verifier=LOOKS), 8 + 4 + 2),
    (SVDD(n=1, steps=8, grid="exponential", verifier=LOOKS), 8 + 1),
    (FeynmanKac(steps=5, verifier=LOOKS), 2 * 5 + 2),
    (DenoisingBeam(steps=5, verifier=LOOKS), 2 * 5 + 2),
    (DenoisingRebase(steps=5, verifier=LOOKS), 2 * 5 + 2),
    (RolloverBudgetForcing(evaluations=20, initial=4, steps=5, verifier=LOOKS), 2 * (4 * 2) + 4),
    (
        RolloverBudgetForcing(evaluations=20, initial=4, steps=5, min_tries=1, leftover="last", verifier=LOOKS),
        2 * 13 + 4,
    ),
    (Pipeline.series(RandomNoiseSearch(n=9, verifier=LOOKS), Rank(verifier=LOOKS)), 2 + 1),
]
JUDGES = [
    (Calibrated(verifier=MODEL, map=PlattMap(slope=1, offset=0)), 9, 1),
    (Calibrated(verifier=RULE, map=PlattMap(slope=1, offset=0)), 9, 0),
    (RankEnsemble(members=(MODEL, RULE, KNOCKOUT, MODEL)), 9, 1 + 4),
    (GenerativeReward(), 9, 1),
    (GenerativeReward(meta_engine="meta"), 9, 2),
    (PairwiseJudge(), 9, 1),
    (PairwiseJudge(), 1, 0),
    (KNOCKOUT, 8, 3),
    (KNOCKOUT, 9, 4),
    (SWISS, 9, 4),
    (PairwiseJudge(schedule="swiss", rounds=6), 2, 1),
    (ListwiseJudge(window=4), 4, 1),
    (ListwiseJudge(window=4), 10, 4),
    (ListwiseJudge(), 1, 0),
]


def path(strategy: Strategy) -> int:
    plan = Plan()
    strategy.infer(Shape(), plan)
    return plan.path


@pytest.mark.parametrize(("strategy", "calls"), PATHS, ids=[f"{s.kind}-{i}" for i, (s, _) in enumerate(PATHS)])
def test_a_strategy_waits_as_its_page_says(strategy: Strategy, calls: int) -> None:
    assert path(strategy) == calls


def test_every_strategy_is_among_them() -> None:
    seen = {kind for s, _ in PATHS for kind in (s.kind, *(n.strategy.kind for n in getattr(s, "nodes", ())))}
    assert seen >= set(STRATEGIES.names())


@pytest.mark.parametrize(("judge", "candidates", "calls"), JUDGES)
def test_a_judge_waits_as_its_page_says(judge, candidates: int, calls: int) -> None:
    assert judge.depth(candidates) == calls
    assert path(BestOfN(n=candidates, verifier=judge)) == 1 + (calls if candidates > 1 else 0)


def test_of_branches_the_longest_of_each_level_counts() -> None:
    nodes = (
        Node(name="long", strategy=BestOfN(verifier=MODEL)),
        Node(name="short", strategy=SIX),
        Node(name="after", strategy=Rank(verifier=KNOCKOUT), after=("short",)),
        Node(name="last", strategy=Fuse(), after=("long", "after")),
    )
    assert path(Pipeline(nodes=nodes)) == 2 + 3 + 1
    assert path(Pipeline.series(Pipeline(nodes=nodes), Critic())) == 2 + 3 + 1 + 1


def test_parts_follow_one_another_unless_they_are_abreast_or_another_way() -> None:
    plan = Plan()
    plan.sample(9, Sampling())
    plan.classify(4, "generator")
    plan.sample(0, Sampling(), then=MODEL)
    assert plan.path == 2
    with plan.rounds(3):
        plan.sample(9, Sampling(), then=MODEL)
        assert plan.abreast(plan.sample(n, Sampling()).most for n in (1, 2)) == [1, 2]
    assert plan.path == 2 + 3 * (2 + 1)
    ways = [plan.fork(), plan.fork()]
    ways[0].score(Shape(1, 8), KNOCKOUT, together=True)
    plan.join(ways)
    assert plan.path == 11 + 3
    with plan.rounds(0):
        plan.sample(1, Sampling())
    assert plan.path == 14


def test_estimates_add_up_one_after_the_other_or_side_by_side() -> None:
    one, other = Estimate(Usage(calls=1), Usage(calls=2), 2), Estimate(Usage(calls=1), Usage(calls=5), 3)
    assert one + other == Estimate(Usage(calls=2), Usage(calls=7), 5)
    assert one.beside(other) == Estimate(Usage(calls=2), Usage(calls=7), 3)


@pytest.mark.parametrize(
    ("strategy", "calls"),
    [
        (Sample(n=7, max_tokens=20), 1),
        (BestOfN(n=5, verifier=MODEL, max_tokens=20), 2),
        (SequentialParallel(n=5, chains=1, max_tokens=20), 5),
        (Pipeline.series(*[Sample(n=2, max_tokens=20), *[Critic(max_tokens=20)] * 4]), 5),
    ],
)
async def test_a_run_is_as_long_as_the_longest_sequence_of_its_calls(strategy: Strategy, calls: int) -> None:
    assert await sequence(strategy) == path(strategy) == calls
