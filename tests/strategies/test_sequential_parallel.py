"""Sequential and parallel: how draws are shared out, what a revision sees, and which answer is chosen."""

import re

import pytest
from answering import Answering
from making import ByTable, Counting, context

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.engines.simulated import SimulatedSpec
from ponder.orchestrator.engines.simulated_world import World
from ponder.orchestrator.types import Query
from ponder.strategies import BestOfN, SelfConsistency, SequentialParallel
from ponder.verifiers import ProcessReward, SelfEvaluation

SPEC = SimulatedSpec(world=World(seed=1, steps=2, branching=3), reward_noise=1.0)
QUERY = Query.ask("Problem 3?")


class Numbered(Answering):
    """Answers 100, 101, 102, ... in the order of the calls."""

    def __init__(self, lost: tuple[int, ...] = ()) -> None:
        def answer(prompt: str) -> str | None:
            number = 99 + len(self.prompts)
            return None if number in lost else str(number)

        super().__init__(answer)

    def seen(self) -> list[list[int]]:
        """The earlier answers that each prompt shows."""
        return [[int(each) for each in re.findall(r"^(1\d\d)$", prompt, re.MULTILINE)] for prompt in self.prompts]


async def test_as_many_chains_as_draws_is_best_of_n_or_a_vote() -> None:
    knobs = {"n": 6, "max_tokens": 40}
    judge = ProcessReward(engine="generator")
    for weighted in (False, True):
        best = await BestOfN(verifier=judge, weighted=weighted, **knobs).run(QUERY, [], context(SPEC.open()))
        wide = SequentialParallel(chains=6, verifier=judge, weighted=weighted, **knobs)
        found = await wide.run(QUERY, [], context(SPEC.open()))
        assert sorted(each.index for each in found) == list(range(6))
        assert found == best
    voted = await SelfConsistency(**knobs).run(QUERY, [], context(SPEC.open()))
    assert await SequentialParallel(chains=9, **knobs).run(QUERY, [], context(SPEC.open())) == voted


async def test_one_draw_is_not_judged() -> None:
    judge = Counting()
    (one,) = await SequentialParallel(n=1, verifier=judge, max_tokens=40).run(QUERY, [], context(SPEC.open()))
    assert (one.scores, judge.asked) == ({}, [])


@pytest.mark.parametrize("n", [1, 2, 5, 8, 12])
@pytest.mark.parametrize("chains", [1, 2, 3, 4, 16])
async def test_it_draws_exactly_n(n: int, chains: int) -> None:
    engine = Numbered()
    found = await SequentialParallel(n=n, chains=chains).run(QUERY, [], context(engine))
    assert len(found) == len(engine.prompts) == n
    assert sum(not seen for seen in engine.seen()) == min(n, chains)


async def test_a_revision_sees_the_last_answers_of_its_own_chain() -> None:
    engine = Numbered()
    await SequentialParallel(n=8, chains=2, memory=2).run(QUERY, [], context(engine))
    assert engine.seen() == [[], [], [100], [101], [100, 102], [101, 103], [102, 104], [103, 105]]
    assert all("Problem 3?" in prompt for prompt in engine.prompts)


async def test_what_does_not_divide_goes_to_the_first_chains() -> None:
    engine = Numbered()
    await SequentialParallel(n=5, chains=3).run(QUERY, [], context(engine))
    assert engine.seen() == [[], [], [], [100], [101]]


async def test_a_lost_draw_costs_one_and_its_chain_goes_on() -> None:
    engine = Numbered(lost=(101, 102))
    found = await SequentialParallel(n=6, chains=2).run(QUERY, [], context(engine))
    assert engine.seen() == [[], [], [100], [], [100], [103]]
    assert {each.text for each in found} == {"100", "103", "104", "105"}


async def test_the_best_of_each_chain_come_first() -> None:
    """Chains are 100, 102, 104 and 101, 103, 105."""
    table = {"100": 0.9, "102": 0.8, "104": 0.7, "101": 0.1, "103": 0.3, "105": 0.2}
    found = await SequentialParallel(n=6, chains=2, verifier=ByTable(table=table)).run(QUERY, [], context(Numbered()))
    assert [each.text for each in found] == ["100", "103", "102", "104", "105", "101"]


async def test_weights_add_within_a_chain_and_then_across() -> None:
    """In the first chain "1" weighs .5 + .5 against .9 for "2"; across, .5 for "1" loses to .6 for "3"."""
    texts = iter(["a 1", "x 3", "b 2", "y 4", "c 1", "z 4"])
    table = {"a 1": 0.5, "b 2": 0.9, "c 1": 0.5, "x 3": 0.6, "y 4": 0.1, "z 4": 0.2}
    strategy = SequentialParallel(n=6, chains=2, verifier=ByTable(table=table), weighted=True)
    found = await strategy.run(QUERY, [], context(Answering(lambda prompt: next(texts))))
    assert [each.text for each in found] == ["x 3", "a 1", "b 2", "c 1", "z 4", "y 4"]


@pytest.mark.parametrize("value", [0.5, None])
async def test_where_all_scores_are_equal_the_first_is_first(value: float | None) -> None:
    judged = SequentialParallel(n=4, chains=2, verifier=Counting(value=value))
    assert [each.text for each in await judged.run(QUERY, [], context(Numbered()))] == ["100", "101", "102", "103"]


@pytest.mark.parametrize("calls", range(1, 8))
async def test_a_budget_leaves_what_was_drawn(calls: int) -> None:
    strategy = SequentialParallel(n=8, chains=3, max_tokens=40, verifier=SelfEvaluation())
    ctx = context(SPEC.open(), budget=Budget(calls=calls))
    found = await strategy.run(QUERY, [], ctx)
    assert ctx.is_stopped
    assert len(found) == calls
    assert all(each.scores["self_evaluation"].value is not None for each in found)
