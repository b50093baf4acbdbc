"""Monte Carlo tree search over steps: what is expanded, how often, what it costs, and what comes back."""

from collections import Counter

import pytest
from making import ByTable, Counting, Failing, context
from pydantic import ValidationError

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.engine import Completion, Request
from ponder.orchestrator.engines.byte_vocabulary import decode
from ponder.orchestrator.engines.simulated import SimulatedEngine, SimulatedSpec
from ponder.orchestrator.engines.simulated_faults import Faults
from ponder.orchestrator.engines.simulated_world import World
from ponder.orchestrator.types import Candidate, Finish, Query
from ponder.strategies import MCTS
from ponder.verifiers import ProcessReward

WORLD = World(seed=1, steps=2, branching=3)
QUERY = Query.ask("Problem 3?", reference=str(WORLD.problem(Query.ask("Problem 3?").messages).answer))
PATHS = WORLD.paths(QUERY)
TRUTH = ProcessReward(engine="generator")
WIDE = World(seed=1, steps=4, branching=8)
KNOBS = {"leaf": "answer:", "step_tokens": 16, "max_tokens": 64}


class Watched(SimulatedEngine):
    """Remembers what each draw went on from."""

    def __init__(self, world: World = WORLD, **knobs) -> None:
        super().__init__(SimulatedSpec(world=world, **knobs))
        self.expanded: list[str] = []

    async def complete(self, request: Request) -> Completion:
        self.expanded.append(decode(request.prompt.tokens))
        return await super().complete(request)


async def found(
    engine: SimulatedEngine | None = None, seed: int = 0, budget: Budget = Budget(), **knobs
) -> list[Candidate]:
    strategy = MCTS(**{"n": 6, "expand": 3, "verifier": TRUTH, **KNOBS, **knobs})
    return await strategy.run(QUERY, [], context(engine or Watched(), seed, budget))


@pytest.mark.parametrize("rule", ["uct", "puct"])
@pytest.mark.parametrize("parallel", [1, 2, 5])
async def test_each_simulation_expands_another_node(rule: str, parallel: int) -> None:
    """So that `n` simulations are exactly ``n * expand`` draws; a node is never expanded twice."""
    engine = Watched(WIDE)
    ended = await found(engine, rule=rule, parallel=parallel, n=20, temperature=10.0, exploration=0.1)
    assert all(each.finish is Finish.STOP for each in ended)
    assert len(engine.expanded) == 60
    assert set(Counter(engine.expanded).values()) == {3}


async def test_an_explored_tree_ends_the_search_early() -> None:
    """Greedy draws are all alike: one chain of three steps, and nothing left to simulate."""
    engine = Watched()
    ended = await found(engine, n=500, temperature=0.0)
    assert len(engine.expanded) == 3 * 3
    assert [each.text for each in ended] == [max(PATHS, key=lambda path: path.probability).text] * 3


async def test_the_whole_tree_is_found_where_there_is_enough_to_spend() -> None:
    ended = await found(n=60, expand=24, temperature=10.0)
    assert {each.text for each in ended} == {path.text for path in PATHS}
    assert ended[0].text.endswith(f"answer: {QUERY.reference}\n")
    assert ended[0].scores[TRUTH.name].value == 1.0


async def test_the_search_finds_the_right_path_more_often_than_as_many_draws_would_guess() -> None:
    right, runs = 0, 60
    for seed in range(runs):
        best = (await found(seed=seed, n=6, expand=2))[0]
        right += best.text.endswith(f"answer: {QUERY.reference}\n")
    assert right / runs > WORLD.pass_at_1(QUERY) + 0.25


async def test_the_best_ended_path_comes_first_however_often_others_were_visited() -> None:
    ended = [path.text for path in PATHS]
    table = {text: 0.2 + 0.01 * i for i, text in enumerate(ended)}
    judge = ByTable(table={**table, **{text[: text.rindex("answer")]: 0.9 for text in ended}})
    values = [each.scores["table"].value for each in await found(n=12, verifier=judge)]
    assert values == sorted(values, reverse=True)


async def test_one_simulation_of_one_step_still_gives_a_whole_path() -> None:
    engine = Watched()
    (only,) = await found(engine, n=1, expand=1)
    assert only.text in {path.text for path in PATHS}
    assert engine.expanded == ["", *(only.text[: i + 1] for i, letter in enumerate(only.text[:-1]) if letter == "\n")]


async def test_where_no_path_has_ended_the_most_visited_one_goes_on() -> None:
    for n, more in ((1, 2), (2, 1)):
        engine = Watched()
        ended = await found(engine, n=n)
        assert len(ended) == 1
        assert ended[0].finish is Finish.STOP
        assert len(engine.expanded) == 3 * n + more


async def test_a_path_at_the_most_steps_is_cut_and_not_expanded() -> None:
    engine = Watched()
    cut = await found(engine, n=50, max_steps=2)
    assert {each.finish for each in cut} == {Finish.TOTAL_LENGTH}
    assert max(text.count("\n") for text in engine.expanded) == 1
    assert all(each.text.count("\n") <= 2 for each in cut)


@pytest.mark.parametrize("judge", [Counting(value=None), Counting(value=0.0), Counting(value=1.0), Failing()])
async def test_scores_that_tell_nothing_still_give_paths(judge) -> None:
    engine = Watched(WIDE)
    ended = await found(engine, verifier=judge, n=8, temperature=2.0)
    assert len(engine.expanded) >= 24
    assert ended
    assert all(each.finish is Finish.STOP for each in ended)


@pytest.mark.parametrize("value", [-5.0, 7.0])
async def test_a_score_beyond_a_reward_is_cut_and_noted(value: float) -> None:
    ctx = context(Watched())
    ended = await MCTS(n=6, expand=3, verifier=Counting(value=value), **KNOBS).run(QUERY, [], ctx)
    assert ended
    assert "reward must be in [0, 1]" in ctx._run.reason


async def test_what_was_found_when_the_budget_ends_comes_back() -> None:
    whole = Watched()
    await found(whole, n=8)
    for calls in range(1, 24):
        engine = Watched()
        best = await found(engine, n=8, budget=Budget(calls=calls))
        assert best
        assert engine.expanded == whole.expanded[:calls]
        if not best[0].finish.is_complete:
            assert {each.finish for each in best} == {Finish.ABORTED}


async def test_lost_steps_cost_themselves_alone() -> None:
    engine = Watched(faults=Faults(refused=0.4))
    ended = await found(engine, n=12)
    assert any(each.finish is Finish.STOP for each in ended)
    assert await found(Watched(faults=Faults(refused=1.0))) == []


async def test_simulations_at_once_go_to_different_nodes_and_are_the_same_every_time() -> None:
    engines = [Watched(), Watched(latency_s=0.001, jitter_s=0.002)]
    one, other = [await found(engine, parallel=4, n=9) for engine in engines]
    assert [each.text for each in one] == [each.text for each in other]
    assert Counter(engines[0].expanded) == Counter(engines[1].expanded)
    assert set(Counter(engines[0].expanded).values()) == {3}


async def test_votes_can_choose() -> None:
    ended = await found(n=20, choose="vote")
    count = Counter(each.answer for each in ended)
    assert count[ended[0].answer] == max(count.values())


@pytest.mark.parametrize("knobs", [{"exploration": -1.0}, {"rule": "ucb"}, {"expand": 0}, {"parallel": 0}])
def test_knobs_without_a_meaning_are_refused(knobs) -> None:
    with pytest.raises(ValidationError):
        MCTS(verifier=TRUTH, **knobs)
