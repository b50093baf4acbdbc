"""Adaptive sampling: how many rounds a threshold takes, how each is drawn, and which attempt answers."""

import pytest
from continuing import Continuing, letters
from making import ByTable, Counting, Failing, context, indices

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.engine import Completion, Request
from ponder.orchestrator.engines.simulated import SimulatedEngine, SimulatedSpec
from ponder.orchestrator.engines.simulated_world import World
from ponder.orchestrator.types import Query
from ponder.strategies import AdaptiveSampling, Sample
from ponder.verifiers import SelfEvaluation

WORLD = World(seed=1, steps=2, branching=3)
SPEC = SimulatedSpec(world=WORLD, reward_noise=1.0)
QUERY = Query.ask("Problem 3?")


class Recording(SimulatedEngine):
    """Remembers the temperature of every draw."""

    def __init__(self) -> None:
        super().__init__(SPEC)
        self.temperatures: list[float] = []

    async def complete(self, request: Request) -> Completion:
        if not request.labels:
            self.temperatures.append(request.sampling.temperature)
        return await super().complete(request)


async def drawn(threshold: float, seed: int = 0, **knobs: object) -> list[str]:
    """The attempts in the order they were drawn."""
    strategy = AdaptiveSampling(threshold=threshold, max_tokens=40, **knobs)
    found = await strategy.run(QUERY, [], context(SPEC.open(), seed=seed))
    return [each.text for each in sorted(found, key=lambda each: each.index)]


@pytest.mark.parametrize("rounds", ["doubling", "single"])
async def test_a_threshold_of_nothing_takes_one_attempt_and_an_impossible_one_takes_all(rounds: str) -> None:
    for seed in range(5):
        assert len(await drawn(0.0, seed, rounds=rounds)) == 1
        assert len(await drawn(1.1, seed, rounds=rounds)) == 16
        assert len(await drawn(1.1, seed, rounds=rounds, n=11)) == 11


@pytest.mark.parametrize("rounds", ["doubling", "single"])
async def test_a_lower_threshold_draws_a_part_of_what_a_higher_one_does(rounds: str) -> None:
    sizes = set()
    for seed in range(12):
        longer = await drawn(1.1, seed, rounds=rounds)
        for threshold in (0.95, 0.8, 0.5, 0.2, 0.0):
            shorter = await drawn(threshold, seed, rounds=rounds)
            assert shorter == longer[: len(shorter)]
            longer = shorter
            sizes.add(len(shorter))
    assert len(sizes) > 3


async def test_rounds_double_and_cool() -> None:
    engine = Recording()
    await AdaptiveSampling(threshold=2.0, max_tokens=40).run(QUERY, [], context(engine))
    assert engine.temperatures == [1.0, 0.9, *[0.8] * 2, *[0.7] * 4, *[0.6] * 8]
    engine = Recording()
    await AdaptiveSampling(n=12, threshold=2.0, rounds="single", max_tokens=40).run(QUERY, [], context(engine))
    assert engine.temperatures == [1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.1, 0.1]


def test_cooling_never_warms() -> None:
    cold = AdaptiveSampling(temperature=0.05, n=3).schedule()
    assert [sampling.temperature for _, sampling in cold] == [0.05] * 3
    even = AdaptiveSampling(temperature=0.7, cooling=0.0).schedule()
    assert {sampling.temperature for _, sampling in even} == {0.7}


async def test_the_best_attempt_answers_and_the_threshold_itself_is_enough() -> None:
    texts = list(dict.fromkeys(await drawn(1.1, n=16)))
    table = {text: 0.1 for text in texts} | {texts[1]: 0.5}
    found = await AdaptiveSampling(threshold=0.5, max_tokens=40, verifier=ByTable(table=table)).run(
        QUERY, [], context(SPEC.open())
    )
    assert found[0].text == texts[1]
    assert len(found) < 16


async def test_an_attempt_without_a_score_never_reaches_the_threshold() -> None:
    for judge in (Counting(value=None), Failing()):
        strategy = AdaptiveSampling(n=8, threshold=-1.0, verifier=judge, max_tokens=40)
        assert indices(await strategy.run(QUERY, [], context(Continuing(letters)))) == list(range(8))


async def test_where_all_scores_are_equal_the_first_is_first() -> None:
    strategy = AdaptiveSampling(n=8, threshold=0.9, verifier=Counting(value=0.5), max_tokens=40)
    assert indices(await strategy.run(QUERY, [], context(Continuing(letters)))) == list(range(8))


async def test_one_draw_is_not_judged() -> None:
    judge = Counting()
    one = await AdaptiveSampling(n=1, verifier=judge).run(QUERY, [], context(SPEC.open()))
    assert one == await Sample(n=1).run(QUERY, [], context(SPEC.open()))
    assert judge.asked == []


@pytest.mark.parametrize("calls", range(1, 8))
async def test_a_budget_that_ends_within_a_round_leaves_what_was_drawn(calls: int) -> None:
    strategy = AdaptiveSampling(n=8, threshold=2.0, verifier=SelfEvaluation(), max_tokens=40)
    ctx = context(SPEC.open(), budget=Budget(calls=calls))
    found = await strategy.run(QUERY, [], ctx)
    assert len(found) == calls
    assert ctx.is_stopped
    assert all(each.scores["self_evaluation"].value is not None for each in found)
