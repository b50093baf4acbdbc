"""What every strategy must keep: one check a property, each taking a strategy that starts from a query.

A plug-in's tests call ``await check(strategy)`` for each of `CHECKS`; the strategy may ask the engines ``generator``
and ``reward``, and must draw at most some dozens of candidates, since many budgets are stepped through.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from itertools import pairwise

from ponder.orchestrator.budget import COUNTED, Budget, Ledger, amounts
from ponder.orchestrator.canonical import canonical_json
from ponder.orchestrator.context import Context, Run
from ponder.orchestrator.engine import Completion, EngineSpec, Prompt, Reading, Request
from ponder.orchestrator.engines.simulated import SimulatedEngine, SimulatedSpec
from ponder.orchestrator.engines.simulated_faults import Faults
from ponder.orchestrator.engines.simulated_world import World
from ponder.orchestrator.errors import BudgetExceeded
from ponder.orchestrator.journal import Journal, Memory, Retries
from ponder.orchestrator.journal_file import Row
from ponder.orchestrator.runtime import Done, Runtime, Task
from ponder.orchestrator.strategy import Strategy
from ponder.orchestrator.types import Query, Result, Usage

WORLD = World(seed=1, steps=2, branching=3)
QUERY = Query.ask("Problem 3?", reference=str(WORLD.problem(Query.ask("Problem 3?").messages).answer))
AT_ONCE = Retries(most=6, first_wait_s=0.0)
PRICES = {"prompt_price": 3.0, "completion_price": 15.0}


class Rows(Memory):
    """A store in memory that keeps its rows in the order they were written, and can start from some of them."""

    def __init__(self, rows: Sequence[Row] = ()) -> None:
        super().__init__()
        self.rows: list[Row] = []
        self.steps: dict[str, tuple[str, bytes]] = {}
        self._take(rows)

    async def step(self, run: int, place: str) -> tuple[str, bytes] | None:
        return self.steps.get(place)

    async def append(self, rows: list[Row]) -> None:
        await super().append(rows)
        self._take(rows)

    def paid(self) -> Usage:
        """Everything that effects and lost calls cost."""
        at = {"effects": 4, "charges": 2}
        return Usage.total(
            Usage(**_json(values[at[table]]))
            for table, values in self.rows
            if table in at  # type: ignore[call-overload]
        )

    def _take(self, rows: Sequence[Row]) -> None:
        self.rows += rows
        for table, values in rows:
            if table == "steps":
                self.steps[values[1]] = (values[2], values[3])
            if table == "effects":
                self._effects[values[0]] = values[3]


class Watched(SimulatedEngine):
    """A simulated engine that knows how many calls are in flight."""

    active = 0

    async def complete(self, request: Request) -> Completion:
        self.active += 1
        try:
            return await super().complete(request)
        finally:
            self.active -= 1

    async def read(self, prompt: Prompt) -> Reading:
        self.active += 1
        try:
            return await super().read(prompt)
        finally:
            self.active -= 1


def specs(generator: Mapping[str, object] = {}, reward: Mapping[str, object] = {}) -> dict[str, EngineSpec]:
    """A generator and a noisy reward model of one small world."""
    return {
        "generator": SimulatedSpec(world=WORLD, **PRICES, **generator),  # type: ignore[arg-type]
        "reward": SimulatedSpec(world=WORLD, reward_noise=1.0, **PRICES, **reward),  # type: ignore[arg-type]
    }


async def outcome(
    strategy: Strategy,
    budget: Budget = Budget(),
    *,
    query: Query = QUERY,
    engines: Mapping[str, EngineSpec] | None = None,
    store: Memory | None = None,
    seed: int = 0,
) -> Done:
    """One run of a strategy on simulated engines."""
    async with Runtime(engines or specs(), store=store, seed=seed, retries=AT_ONCE) as runtime:
        return await runtime.execute(Task(id="task", strategy=strategy, query=query, budget=budget), Budget())


async def never_overspends(strategy: Strategy) -> None:
    """At every token budget: refused with the figure, or within the budget, with an answer, saying why it stopped."""
    whole = (await outcome(strategy)).result
    async with Runtime(specs()) as runtime:
        most = dict(zip(COUNTED, amounts((await runtime.estimate(strategy, QUERY)).most), strict=True))
    await _step(strategy, whole, "total_tokens", range(0, most["total_tokens"] + 2))
    for name in COUNTED:
        if most[name] and name != "total_tokens":
            await _step(strategy, whole, name, [*range(0, most[name], most[name] // 24 + 1), most[name]])


async def _step(strategy: Strategy, whole: Result, dimension: str, limits: Sequence[int]) -> None:
    unit = 1e9 if dimension == "cost_usd" else 1
    drawn = []
    for limit in limits:
        try:
            result = (await outcome(strategy, Budget.model_validate({dimension: limit / unit}))).result
        except BudgetExceeded as error:
            assert error.dimension == dimension
            assert error.wanted * unit > limit, "refused although it could be paid"
            continue
        assert dict(zip(COUNTED, amounts(result.usage), strict=True))[dimension] <= limit
        assert result.candidates, f"no answer at {dimension} = {limit}: {result.reason}"
        drawn.append(result.usage.calls)
        if result.stopped == "done":
            assert canonical_json(result.candidates) == canonical_json(whole.candidates)
        else:
            assert result.stopped == "budget"
            assert result.reason.startswith(dimension)
    assert drawn, "a budget of the whole estimate must pay for the run"
    assert all(less <= more for less, more in pairwise(drawn)), "a larger budget draws less"
    assert drawn[-1] == whole.usage.calls


async def ignores_order_of_arrival(strategy: Strategy) -> None:
    """The same bytes whatever is in flight at once and whatever ends first, under tight budgets too."""
    enough = (await outcome(strategy)).result.usage.total_tokens
    in_turn, many = {"max_in_flight": 1}, {"max_in_flight": 64}
    jittered = {"max_in_flight": 64, "jitter_s": 0.004}
    for faults in (Faults(), Faults(refused=0.3, overrun=0.3, unavailable=0.2)):
        for budget in (Budget(), Budget(total_tokens=enough * 2 // 3), Budget(total_tokens=enough * 9 // 10)):
            found = {
                canonical_json((await outcome(strategy, budget, engines=specs(knobs, knobs))).result)
                for speed in (in_turn, many, jittered)
                for knobs in [{**speed, "faults": faults}]
            }
            assert len(found) == 1


async def resumes_from_any_effect(strategy: Strategy) -> None:
    """A journal cut after any row gives the same result, and only what it does not hold is paid."""
    store = Rows()
    first = await outcome(strategy, store=store)
    for cut in range(len(store.rows) + 1):
        held = Rows(store.rows[:cut])
        paid_before = held.paid()
        again = await outcome(strategy, store=held)
        assert canonical_json(again.result) == canonical_json(first.result)
        assert again.paid + paid_before == first.paid


async def usage_is_the_sum_of_effects(strategy: Strategy) -> None:
    """What a run reports is what the journal holds: generations and judgements, each once."""
    store = Rows()
    done = await outcome(strategy, store=store)
    assert done.result.usage == done.paid == store.paid()
    assert done.result.usage.calls == sum(table == "effects" for table, _ in store.rows) - done.paid.verifier_calls


async def survives_engine_faults(strategy: Strategy) -> None:
    """Faults cost their own part alone: what comes back is sound, and every lost call is charged."""
    faults = Faults(unavailable=0.2, refused=0.2, garbage=0.1, empty=0.1, cut=0.1, overrun=0.1)
    failures = 0
    for seed in range(8):
        store = Rows()
        broken = specs({"faults": faults}, {"faults": faults})
        done = await outcome(strategy, store=store, engines=broken, seed=seed)
        assert done.paid == store.paid()
        assert done.result.stopped == ("done" if done.result.candidates else "error")
        assert bool(done.result.failures) == bool(done.result.reason)
        failures += done.result.failures
    assert failures


async def survives_dead_engines(strategy: Strategy) -> None:
    """A dead generator is an error without an answer; a dead reward model leaves the answers unjudged."""
    for fault in (Faults(refused=1.0), Faults(unavailable=1.0)):
        dead = (await outcome(strategy, engines=specs({"faults": fault}))).result
        assert (dead.candidates, dead.stopped) == ((), "error")
        assert dead.reason
        unjudged = (await outcome(strategy, engines=specs(reward={"faults": fault}))).result
        assert unjudged.candidates
        assert all(s.value is None for c in unjudged.candidates for n, s in c.scores.items() if "reward" in n)


async def ends_at_the_deadline(strategy: Strategy) -> None:
    """Calls that never return are cut off at the deadline; what has finished stands."""
    hanging = specs({"faults": Faults(hang=0.5, seed=5)}, {"faults": Faults(hang=0.5, seed=5)})
    clock = asyncio.get_running_loop().time
    began = clock()
    result = (await outcome(strategy, Budget(seconds=0.15), engines=hanging)).result
    assert clock() - began < 2.0
    assert result.stopped == "deadline"
    assert "seconds" in result.reason


async def leaves_nothing_behind(strategy: Strategy) -> None:
    """Cancelled at any moment: no task, reservation or call is left, and what was sent is charged."""
    for ticks in (0, 1, 2, 3, 5, 8, 13, 21, 34, 55):
        engines = {name: Watched(spec) for name, spec in specs({"latency_s": 0.002}, {"latency_s": 0.002}).items()}  # type: ignore[arg-type]
        store, ledger, account = Rows(), Ledger(Budget(total_tokens=10_000)), Ledger(Budget(total_tokens=10_000))
        gates = {name: nullcontext() for name in engines}
        run = Run("task", engines, gates, ledger, account, Journal(store, retries=AT_ONCE))
        work = asyncio.create_task(strategy.run(QUERY, [], Context(run, strategy.kind)))
        for _ in range(ticks):
            await asyncio.sleep(0.0002)
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        run.release_kept()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert ledger.outstanding == account.outstanding == 0
        assert all(engine.active == 0 for engine in engines.values())
        assert account.spent == store.paid()


async def reads_only_what_was_generated(strategy: Strategy) -> None:
    """A prompt full of stop strings, answers and step marks is a prompt like any other."""
    plain = (await outcome(strategy)).result
    text = "Problem 3: answer: 12\n\nThe answer is \\boxed{7}. step 1: a\nstep 2: b\n<|im_end|> 1 2 3 answer: 9\n"
    result = (await outcome(strategy, query=Query.ask(text, reference=QUERY.reference))).result
    assert (result.stopped, len(result.candidates)) == ("done", len(plain.candidates))
    for candidate in result.candidates:
        assert candidate.text.startswith("step 1: ")
        assert candidate.finish.is_complete
        assert candidate.answer in (None, candidate.text.split()[-1])


async def is_data(strategy: Strategy) -> None:
    """It is rebuilt from its own table, under the same id."""
    table = strategy.model_dump(mode="json")
    assert type(strategy).model_validate(table) == strategy
    assert type(strategy).model_validate(table).id == strategy.id


async def is_estimated(strategy: Strategy) -> None:
    """The estimate made before a call brackets what is spent, in every dimension."""
    async with Runtime(specs()) as runtime:
        estimate = await runtime.estimate(strategy, QUERY)
    for seed in range(5):
        spent = amounts((await outcome(strategy, seed=seed)).result.usage)
        for low, value, high in zip(amounts(estimate.least), spent, amounts(estimate.most), strict=True):
            assert low <= value <= high


async def draws_by_its_seed(strategy: Strategy) -> None:
    """The same seed gives the same bytes; another one gives other draws."""
    one, same, *others = [(await outcome(strategy, seed=seed)).result for seed in (1, 1, 2, 3, 4, 5)]
    assert canonical_json(one) == canonical_json(same)
    assert any(one.usage != other.usage or one.candidates != other.candidates for other in others)


def _json(text: str) -> dict[str, int]:
    import orjson

    found: dict[str, int] = orjson.loads(text)
    return found


CHECKS = (
    never_overspends,
    ignores_order_of_arrival,
    resumes_from_any_effect,
    usage_is_the_sum_of_effects,
    survives_engine_faults,
    survives_dead_engines,
    ends_at_the_deadline,
    leaves_nothing_behind,
    reads_only_what_was_generated,
    is_data,
    is_estimated,
    draws_by_its_seed,
)
