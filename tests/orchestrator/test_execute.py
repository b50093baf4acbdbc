"""Running attempts on inputs: in order, once where it is recorded, and a failure costs its own run alone."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Literal

import pytest
from pydantic import PrivateAttr

from ponder.orchestrator.budget import Budget, Ledger
from ponder.orchestrator.context import Context, Run
from ponder.orchestrator.engine import Sampling
from ponder.orchestrator.engines.simulated import SimulatedSpec
from ponder.orchestrator.journal import Journal, Memory
from ponder.orchestrator.types import Candidate, Finish, Query
from ponder.orchestrator.verifier import Executor, Verifier

QUERY = Query.ask("?")


class Echo(Executor):
    """Prints its own text before each input; one text breaks it in the way named."""

    kind: Literal["echo"] = "echo"
    breaks: str = ""
    recorded: bool = False
    asks: tuple[str, ...] = ()
    _runs: list[str] = PrivateAttr(default_factory=list)

    @property
    def is_recorded(self) -> bool:
        return self.recorded

    def engine_names(self) -> tuple[str, ...]:
        return self.asks

    async def outputs(
        self, query: Query, candidates: Sequence[Candidate], inputs: Sequence[str], ctx: Context
    ) -> list[list[str | None]]:
        self._runs.append(candidates[0].text)
        if candidates[0].text == "bad":
            if self.breaks == "hangs":
                await asyncio.sleep(30)
            if self.breaks == "raises":
                raise RuntimeError("no such interpreter")
            return [["one too few"][: len(inputs) - 1]]
        if self.asks:
            drawn = await ctx.sample(query, 1, Sampling(max_tokens=4))
            return [[drawn[0].text] * len(inputs)]
        return [[None if given == "crash" else candidates[0].text + given for given in inputs]]


def candidate(text: str) -> Candidate:
    return Candidate((), text, Finish.EOS)


def context(store: Memory | None = None, budget: Budget = Budget()) -> Context:
    engines = {"generator": SimulatedSpec().open()}
    gates = {"generator": nullcontext()}
    return Context(Run("t", engines, gates, Ledger(budget), Ledger(Budget()), Journal(store or Memory())), "test")


async def test_each_run_has_its_own_inputs_and_keeps_its_place():
    runs = [(candidate("a"), ["1", "crash"]), (candidate("b"), ["2"]), (candidate("a"), [])]
    assert await context().execute(QUERY, runs, Echo()) == [["a1", None], ["b2"], []]


@pytest.mark.parametrize("breaks", ["raises", "miscounts", "hangs"])
async def test_a_run_that_fails_costs_itself_alone_and_is_noted(breaks):
    ctx = context(budget=Budget(seconds=0.1) if breaks == "hangs" else Budget())
    began = time.monotonic()
    found = await ctx.execute(QUERY, [(candidate("bad"), ["1", "2"]), (candidate("b"), ["1"])], Echo(breaks=breaks))
    assert found == [[None, None], ["b1"]]
    assert ctx._run.reason
    assert time.monotonic() - began < 20


async def test_what_is_recorded_runs_once():
    store, echo = Memory(), Echo(recorded=True)
    for _ in range(2):
        assert await context(store).execute(QUERY, [(candidate("a"), ["1"])] * 2, echo) == [["a1"]] * 2
    assert echo._runs == ["a"]
    other = QUERY.model_copy(update={"metadata": {"tests": "others"}})
    await context(store).execute(other, [(candidate("a"), ["1"])], echo)
    assert echo._runs == ["a", "a"]


async def test_an_executor_that_asks_an_engine_does_so_in_order():
    runs = [(candidate(text), ["x"]) for text in "abc"]
    first = await context().execute(QUERY, runs, Echo(asks=("generator",)))
    assert first == await context().execute(QUERY, runs, Echo(asks=("generator",)))


async def test_what_cannot_run_says_so():
    with pytest.raises(TypeError, match="must implement outputs"):
        await Executor(kind="x").outputs(QUERY, [], [], context())
    assert isinstance(Echo(), Verifier)
