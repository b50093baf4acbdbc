"""Early pruning: which streams go on, what is drawn before a verdict and after, and what comes back."""

import asyncio
from collections.abc import Sequence
from typing import Literal

import pytest
from continuing import Continuing, letters
from making import ByTable, Counting, Failing, context, indices
from pydantic import PrivateAttr

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.canonical import canonical_json
from ponder.orchestrator.engine import Completion, Request
from ponder.orchestrator.engines.simulated import SimulatedSpec
from ponder.orchestrator.engines.simulated_world import World
from ponder.orchestrator.judging import Judging
from ponder.orchestrator.runtime import Runtime
from ponder.orchestrator.types import Candidate, Finish, Query, Score
from ponder.orchestrator.verifier import Verifier
from ponder.strategies import BestOfN, EarlyPruning, Sample
from ponder.verifiers import ProcessReward

WORLD = World(seed=1, steps=3, branching=4)
SPEC = SimulatedSpec(world=WORLD, reward_noise=1.0)
QUERY = Query.ask("Problem 3?")
MODES: tuple[Literal["pause", "speculate"], ...] = ("pause", "speculate")
FOUR = {"n": 8, "checkpoints": (4, 8, 12), "max_tokens": 20}


class Many(Continuing):
    """Streams of which each begins with a letter of its own, by the order they begin in."""

    def __init__(self, lengths: Sequence[int] = (1000,) * 26) -> None:
        super().__init__(lambda so_far: None, "many")
        self._lengths = lengths
        self._begun = 0
        self.refused = ""

    async def complete(self, request: Request) -> Completion:
        if not request.prompt.tokens:
            self._begun += 1
            first = chr(ord("a") + self._begun - 1)
            self._go_on = lambda so_far: first * self._lengths[ord(first) - ord("a")]
        else:
            self._go_on = self._rest
        return await super().complete(request)

    def _rest(self, so_far: str) -> str | None:
        return None if so_far == self.refused else so_far[0] * (self._lengths[ord(so_far[0]) - ord("a")] - len(so_far))


class ByLetter(Verifier):
    """Scores a stream by its letter, and remembers how long each was."""

    kind: Literal["letter"] = "letter"
    order: str = "abcdefghijklmnopqrstuvwxyz"
    _lengths: list[list[int]] = PrivateAttr(default_factory=list)

    async def score(self, query: Query, candidates: Sequence[Candidate], ctx: Judging) -> list[Score]:
        self._lengths.append([each.generated_tokens for each in candidates])
        return [Score(self.order.index(each.text[0]) / 26) for each in candidates]


async def test_keeping_all_is_best_of_n_draw_for_draw() -> None:
    best = await BestOfN(n=6, verifier=Counting(), max_tokens=60).run(QUERY, [], context(SPEC.open()))
    for mode in MODES:
        for knobs in ({"keep": 1.0}, {"checkpoints": ()}, {"checkpoints": (60, 90)}):
            strategy = EarlyPruning(n=6, verifier=Counting(), max_tokens=60, mode=mode, **knobs)
            assert await strategy.run(QUERY, [], context(SPEC.open())) == best


async def test_one_stream_is_one_draw_and_is_not_judged() -> None:
    judge = Counting()
    one = await EarlyPruning(n=1, verifier=judge, checkpoints=(10,), max_tokens=60).run(QUERY, [], context(SPEC.open()))
    assert one == await Sample(n=1, max_tokens=60).run(QUERY, [], context(SPEC.open()))
    assert judge.asked == []


async def test_pausing_draws_nothing_past_a_checkpoint_before_the_verdict() -> None:
    engine, judge = Many(), ByLetter()
    async with Runtime({"generator": engine}) as runtime:
        result = await runtime.run(EarlyPruning(verifier=judge, **FOUR), QUERY)
    assert judge._lengths == [[4] * 8, [8] * 4, [12] * 2, [20]]
    assert [request.sampling.max_tokens for request in engine.requests] == [4] * 8 + [4] * 4 + [4] * 2 + [8]
    assert result.usage.completion_tokens == sum(engine.made) == 8 * 4 + 4 * 4 + 2 * 4 + 8
    assert [each.text for each in result.candidates] == ["h" * 20]


async def test_speculating_gives_the_same_and_charges_what_it_drops() -> None:
    found = {}
    for mode in MODES:
        engine = Many()
        async with Runtime({"generator": engine}) as runtime:
            result = await runtime.run(EarlyPruning(verifier=ByLetter(), mode=mode, **FOUR), QUERY)
        assert result.usage.completion_tokens == sum(engine.made)
        found[mode] = result
    assert found["speculate"].usage.completion_tokens == 8 * 4 + 8 * 4 + 4 * 4 + 2 * 8
    assert canonical_json(found["pause"].candidates) == canonical_json(found["speculate"].candidates)


@pytest.mark.parametrize("seed", range(6))
async def test_both_modes_give_the_same_where_streams_are_alike(seed: int) -> None:
    knobs = {"n": 6, "checkpoints": (10, 20), "max_tokens": 60, "verifier": ProcessReward(engine="generator")}
    paused, ahead = [
        await EarlyPruning(mode=mode, **knobs).run(QUERY, [], context(SPEC.open(), seed=seed)) for mode in MODES
    ]
    assert canonical_json(paused) == canonical_json(ahead)


class Waiting(ByLetter):
    """Gives no verdict before the next chunk is being drawn."""

    kind: Literal["waiting"] = "waiting"
    _engine: Continuing = PrivateAttr()

    def engine_names(self) -> tuple[str, ...]:
        return ("generator",)

    async def score(self, query: Query, candidates: Sequence[Candidate], ctx: Judging) -> list[Score]:
        before = len(self._engine.requests)
        while not candidates[0].finish.is_terminal and len(self._engine.requests) == before:
            await asyncio.sleep(0)
        return await super().score(query, candidates, ctx)


async def test_speculating_draws_while_the_judge_reads() -> None:
    engine, judge = Many(), Waiting()
    judge._engine = engine
    async with asyncio.timeout(5):
        best = await EarlyPruning(verifier=judge, mode="speculate", **FOUR).run(QUERY, [], context(engine))
    assert [each.text for each in best] == ["h" * 20]


async def test_it_does_not_speculate_with_a_budget_that_might_not_last() -> None:
    engine = Many()
    paused = await EarlyPruning(verifier=ByLetter(), **FOUR).run(QUERY, [], context(Many()))
    ctx = context(engine, budget=Budget(completion_tokens=8 * 4 + 4 * 4 + 2 * 4 + 8))
    ahead = await EarlyPruning(verifier=ByLetter(), mode="speculate", **FOUR).run(QUERY, [], ctx)
    assert not ctx.is_stopped
    assert canonical_json(ahead) == canonical_json(paused)
    assert sum(engine.made) == 64


@pytest.mark.parametrize("mode", MODES)
async def test_a_stream_that_has_ended_is_not_pruned_by_partial_ones(mode: Literal["pause", "speculate"]) -> None:
    """The worst of all ends before the first checkpoint; of the three others the best two go on, then one."""
    strategy = EarlyPruning(n=4, checkpoints=(4, 8), max_tokens=12, verifier=ByLetter(), mode=mode)
    best = await strategy.run(QUERY, [], context(Many((2, 1000, 1000, 1000))))
    assert [(each.text, each.finish) for each in best] == [("d" * 12, Finish.TOTAL_LENGTH), ("aa", Finish.EOS)]
    assert indices(best) == [3, 0]


@pytest.mark.parametrize("value", [0.5, None])
async def test_where_all_scores_are_equal_the_first_streams_go_on(value: float | None) -> None:
    best = await EarlyPruning(verifier=Counting(value=value), **FOUR).run(QUERY, [], context(Many()))
    assert [each.text for each in best] == ["a" * 20]
    best = await EarlyPruning(verifier=Failing(), **FOUR).run(QUERY, [], context(Many()))
    assert [each.text for each in best] == ["a" * 20]


async def test_a_stream_without_a_score_is_pruned_first() -> None:
    judge = ByTable(table={letter * length: 0.1 for letter in "bc" for length in (4, 20)})
    best = await EarlyPruning(n=4, checkpoints=(4,), max_tokens=20, verifier=judge).run(QUERY, [], context(Many()))
    assert [each.text for each in best] == ["b" * 20, "c" * 20]


async def test_one_stream_at_least_goes_on() -> None:
    strategy = EarlyPruning(keep=0.01, verifier=ByLetter(), **FOUR)
    assert [each.text for each in await strategy.run(QUERY, [], context(Many()))] == ["h" * 20]


async def test_what_is_kept_is_rounded_up_exactly() -> None:
    """0.1 * 30 is a little more than 3 as a float."""
    strategy = EarlyPruning(n=30, keep=0.1, checkpoints=(4,), max_tokens=8, verifier=Counting())
    engine = Continuing(letters)
    assert len(await strategy.run(QUERY, [], context(engine))) == 3
    assert len(engine.requests) == 33


@pytest.mark.parametrize(("n", "keep", "left"), [(3, 0.5, 2), (5, 0.5, 3), (7, 0.34, 3), (4, 0.5, 2), (10, 0.11, 2)])
async def test_a_part_of_a_stream_is_kept_as_a_whole_one(n: int, keep: float, left: int) -> None:
    strategy = EarlyPruning(n=n, keep=keep, checkpoints=(4,), max_tokens=8, verifier=Counting())
    assert len(await strategy.run(QUERY, [], context(Continuing(letters)))) == left


async def test_pruned_streams_come_back_only_where_none_ends() -> None:
    ctx = context(Many(), budget=Budget(calls=13))
    found = await EarlyPruning(verifier=ByLetter(), **FOUR).run(QUERY, [], ctx)
    assert ctx.is_stopped
    assert [each.text for each in found] == [
        "h" * 8, "g" * 12, *[letter * 8 for letter in "fe"], *[letter * 4 for letter in "dcba"]
    ]  # fmt: skip
    assert {each.finish for each in found} == {Finish.ABORTED}


async def test_a_chunk_that_is_lost_costs_its_stream_alone() -> None:
    engine = Many()
    engine.refused = "dddd"
    best = await EarlyPruning(n=4, checkpoints=(4,), max_tokens=8, verifier=ByLetter()).run(QUERY, [], context(engine))
    assert [each.text for each in best] == ["c" * 8]
    engine = Many()
    engine.refused = "aaaa"
    lost = await EarlyPruning(n=2, checkpoints=(4,), max_tokens=8, verifier=Counting()).run(QUERY, [], context(engine))
    assert [(each.text, each.finish) for each in lost] == [("aaaa", Finish.ABORTED), ("bbbb", Finish.ABORTED)]


def test_checkpoints_must_rise() -> None:
    with pytest.raises(ValueError, match=r"checkpoints must rise, got \[64, 64\]; sort them and drop doubles"):
        EarlyPruning(checkpoints=(64, 64))
