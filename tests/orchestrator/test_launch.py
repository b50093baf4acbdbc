"""Launch and cancel: launch order, what is charged, what is sent, and the same at any speed."""

import asyncio
from contextlib import aclosing, nullcontext

import pytest

from ponder.orchestrator.budget import Budget, Ledger
from ponder.orchestrator.context import Context, Run
from ponder.orchestrator.engine import Completion, Request, Sampling
from ponder.orchestrator.engines.simulated import SimulatedEngine, SimulatedSpec
from ponder.orchestrator.engines.simulated_faults import Faults
from ponder.orchestrator.engines.simulated_world import World
from ponder.orchestrator.journal import Journal, Memory, Retries
from ponder.orchestrator.types import Candidate, Query, Usage

WORLD = World(seed=1, steps=2, branching=3)
QUERY = Query.ask("Problem 3?")
SHORT = Sampling(max_tokens=40)
SPEEDS = ({}, {"latency_s": 0.002}, {"jitter_s": 0.004})


class Counted(SimulatedEngine):
    """Knows how many calls it was sent."""

    sent = 0

    async def complete(self, request: Request) -> Completion:
        self.sent += 1
        return await super().complete(request)


def run_of(budget: Budget = Budget(), store: Memory | None = None, **knobs: object) -> Run:
    engines = {"generator": Counted(SimulatedSpec(world=WORLD, **knobs))}  # type: ignore[arg-type]
    journal = Journal(store or Memory(), retries=Retries(first_wait_s=0.0))
    return Run("task", engines, {"generator": nullcontext()}, Ledger(budget), Ledger(Budget()), journal)


async def first(run: Run, k: int, n: int = 12, in_flight: int = 4) -> list[Candidate]:
    """The first `k` of a launch; the rest is cancelled."""
    found: list[Candidate] = []
    async with aclosing(Context(run, "a").launch(QUERY, n, SHORT, in_flight=in_flight)) as drawn:
        async for candidate in drawn:
            found.append(candidate)
            if len(found) == k:
                break
    return found


@pytest.mark.parametrize("speed", SPEEDS)
async def test_candidates_come_in_launch_order_and_are_those_of_sampling(speed: dict[str, float]) -> None:
    found = await first(run_of(**speed), 12)
    assert found == await Context(run_of(), "a").sample(QUERY, 12, SHORT)


@pytest.mark.parametrize("k", [1, 3, 9, 11])
async def test_what_was_launched_ahead_is_charged_in_full_at_any_speed(k: int) -> None:
    drawn = await Context(run_of(), "a").sample(QUERY, 12, SHORT)
    bound = Usage(prompt_tokens=drawn[0].usage.prompt_tokens, completion_tokens=40, calls=1)
    ahead = min(12, k + 3) - k
    for speed in SPEEDS:
        run = run_of(**speed)
        await first(run, k)
        spent = run.ledger.spent
        assert spent.calls == k + ahead
        assert spent.completion_tokens == sum(c.usage.completion_tokens for c in drawn[:k]) + 40 * ahead
        assert spent.prompt_tokens == (k + ahead) * bound.prompt_tokens
        assert run.ledger.outstanding == run.account.outstanding == 0
        assert all(
            run.account.spent.as_dict()[name] <= value for name, value in spent.as_dict().items() if name != "flops"
        )


@pytest.mark.parametrize("limit", range(0, 700, 23))
async def test_a_budget_ends_it_at_the_same_draw_at_any_speed(limit: int) -> None:
    ended = []
    for speed in SPEEDS:
        run = run_of(Budget(total_tokens=limit), **speed)
        found = await first(run, 12)
        assert run.ledger.spent.total_tokens <= limit
        ended.append(([each.text for each in found], run.ledger.spent, run.stopped, run.reason))
    assert ended[0] == ended[1] == ended[2]


async def test_nothing_is_sent_while_the_journal_holds_what_comes_next() -> None:
    store = Memory()
    await Context(run_of(store=store), "a").sample(QUERY, 6, SHORT)
    again = run_of(store=store)
    assert len(await first(again, 5)) == 5
    await asyncio.sleep(0.01)
    assert again.engines["generator"].sent == 0  # type: ignore[attr-defined]
    assert again.account.spent == Usage()
    further = run_of(store=store)
    assert len(await first(further, 7)) == 7
    assert 1 <= further.engines["generator"].sent <= 4  # type: ignore[attr-defined]


async def test_a_failed_draw_is_passed_over() -> None:
    run = run_of(faults=Faults(refused=0.4))
    found = await first(run, 12)
    assert 0 < len(found) < 12
    assert run.failures == 12 - len(found)
    assert [each.index for each in found] == sorted(each.index for each in found)


async def test_a_prompt_too_long_draws_nothing() -> None:
    run = run_of()
    async with aclosing(Context(run, "a").launch(QUERY, 3, Sampling(max_tokens=90_000), in_flight=2)) as drawn:
        assert [each async for each in drawn] == []
    assert run.failures == 1


async def test_the_deadline_ends_it() -> None:
    run = run_of(Budget(seconds=0.05), faults=Faults(hang=0.5, seed=3))
    assert len(await first(run, 12)) < 12
    assert run.stopped == "deadline"
    assert run.ledger.outstanding == 0
