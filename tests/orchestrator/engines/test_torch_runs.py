"""Runs whose workers share a cache of the torch engine: paid, journalled, killed, resumed to the same bytes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Literal

import pytest
import pytest_asyncio
from real_vllm import quiet_imports

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.canonical import canonical_json
from ponder.orchestrator.context import Context
from ponder.orchestrator.engine import Advance, Advanced, Sampling
from ponder.orchestrator.engines.torch import TorchEngine, TorchSpec
from ponder.orchestrator.errors import EngineUnavailable
from ponder.orchestrator.journal_file import JournalFile
from ponder.orchestrator.plan import Plan
from ponder.orchestrator.runtime import Done, Runtime, Task
from ponder.orchestrator.shape import Shape
from ponder.orchestrator.strategy import Strategy
from ponder.orchestrator.types import Candidate, Finish, Query, Usage
from ponder.orchestrator.workspace import LAYOUTS, Opening

pytestmark = pytest.mark.asyncio(loop_scope="session")


class Killed(BaseException):
    """The end of a process."""


class MortalEngine(TorchEngine):
    """A torch engine whose process dies before the advance after the next so many."""

    lives: int | None = None
    advances = 0

    async def advance(self, request: Advance) -> Advanced:
        if self.lives == 0:
            raise Killed
        self.lives = None if self.lives is None else self.lives - 1
        self.advances += 1
        return await super().advance(request)


class ForgetfulEngine(MortalEngine):
    """A torch engine that loses a cache, once, before an advance of it."""

    has_lost = False

    async def advance(self, request: Advance) -> Advanced:
        if not (self.has_lost or request.workspace.is_fresh):
            self.has_lost = True
            await self.release(request.session)
            raise EngineUnavailable("the process that held the cache is gone", is_free=True)
        return await super().advance(request)


class Scribes(Strategy):
    """Workers that write lines until each has written some, or can write no more; a line is a step."""

    kind: Literal["scribes"] = "scribes"
    layout: str = "combined"
    workers: int = 3
    lines: int = 3
    room: int = 400

    def infer(self, shape: Shape, plan: Plan) -> Shape:
        return plan.sample(1, Sampling(max_tokens=1), "generator")

    async def run(self, query: Query, candidates: Sequence[Candidate], ctx: Context) -> list[Candidate]:
        layout, texts = LAYOUTS[self.layout], [""] * self.workers
        left, writing = [self.lines] * self.workers, set(range(self.workers))
        words = [(await ctx.append(None, f"\n{worker}: ")).tokens for worker in range(self.workers)]
        opening = Opening(query.messages, layout, ("",) * self.workers, self.room)
        async with ctx.share(opening) as sharing:
            for worker in writing:
                sharing.say(worker, words[worker])
            while writing:
                line = Sampling(max_tokens=9, stop=("\n", "="), temperature=1.2)
                done = await sharing.advance([line if w in writing else None for w in range(self.workers)])
                if done is None:
                    break
                for worker in sorted(writing):
                    texts[worker] += done.texts[worker]
                    left[worker] -= done.finishes[worker] is not None
                    if not left[worker]:
                        writing.remove(worker)
                        if worker % 2:
                            sharing.leave(worker)
                    elif layout.commits and done.finishes[worker] is not None:
                        sharing.commit(worker, words[worker])
                    elif done.finishes[worker] is Finish.EOS:
                        sharing.say(worker, words[worker])
        return [Candidate((), "|".join(texts), Finish.EOS)]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def mortal(generator_folder: Path) -> AsyncIterator[MortalEngine]:
    engine = MortalEngine(TorchSpec(model=str(generator_folder), cache_gib=0.02, page_size=8))
    with quiet_imports():
        await engine.start()
    yield engine
    await engine.close()


async def run(
    engine: MortalEngine, journal: Path, strategy: Strategy, budget: Budget = Budget(), text: str = "what is 12+12-7?"
) -> Done:
    """A run over a journal, which goes on where the journal ends; whatever happens, no cache is left."""
    store = JournalFile(journal)
    try:
        runtime = Runtime({"generator": engine}, store=store, run=store.open_run("run", {}))
        return await runtime.execute(Task(id=text, strategy=strategy, query=Query.ask(text, id=text)), budget)
    finally:
        store.close()
        assert (await engine._hosted()).taken == 0


@pytest.mark.parametrize("layout", LAYOUTS)
async def test_a_run_that_was_killed_goes_on_to_the_same_bytes(
    mortal: MortalEngine, tmp_path: Path, layout: str
) -> None:
    strategy = Scribes(layout=layout, lines=5)
    mortal.advances = 0
    whole = await run(mortal, tmp_path / "whole", strategy)
    advances = mortal.advances
    assert advances == whole.result.usage.calls > 4
    assert whole.paid == whole.result.usage
    for lives in (0, 1, advances // 2, advances - 1):
        journal = tmp_path / f"{lives}"
        mortal.lives = lives
        with pytest.raises(Killed):
            await run(mortal, journal, strategy)
        mortal.lives, mortal.advances = None, 0
        resumed = await run(mortal, journal, strategy)
        assert canonical_json(resumed.result) == canonical_json(whole.result)
        assert mortal.advances == advances - lives
        again = await run(mortal, journal, strategy)
        assert canonical_json(again.result) == canonical_json(whole.result)
        assert (mortal.advances, again.paid) == (advances - lives, Usage())
        rebuilt = resumed.paid.calls - (advances - lives)
        assert rebuilt == (1 if lives else 0)
        if lives == advances - 1:
            assert resumed.paid.prompt_tokens > whole.result.usage.prompt_tokens


async def test_a_cache_that_is_lost_midway_is_made_anew_for_the_next_attempt(
    mortal: MortalEngine, tmp_path: Path
) -> None:
    whole = await run(mortal, tmp_path / "whole", Scribes())
    forgetful = ForgetfulEngine(mortal.spec)
    with quiet_imports():
        await forgetful.start()
    done = await run(forgetful, tmp_path / "lost", Scribes())
    await forgetful.close()
    assert forgetful.has_lost
    assert canonical_json(done.result) == canonical_json(whole.result)
    assert done.paid.calls == whole.paid.calls + 1
    assert done.paid.prompt_tokens > whole.paid.prompt_tokens


async def test_two_runs_at_once_give_what_each_gives_alone(mortal: MortalEngine, tmp_path: Path) -> None:
    texts = ("what is 1+1?", "what is 2+2? show every step.")
    alone = [await run(mortal, tmp_path / text[8:11], Scribes(), text=text) for text in texts]
    store = JournalFile(tmp_path / "both")
    runtime = Runtime({"generator": mortal}, store=store, run=store.open_run("run", {}))
    both = await asyncio.gather(*(runtime.run(Scribes(), Query.ask(text, id=text)) for text in texts))
    store.close()
    assert [canonical_json(result.candidates) for result in both] == [
        canonical_json(done.result.candidates) for done in alone
    ]
    assert [result.usage for result in both] == [done.result.usage for done in alone]


async def test_a_run_that_waits_for_memory_holds_back_none_that_has_it(mortal: MortalEngine, tmp_path: Path) -> None:
    host = await mortal._hosted()
    room = host._settings.memory * 3 // 5 // host._decoder.shape.bytes_per_token
    runtime = Runtime({"generator": mortal}, in_flight={"generator": 1})
    asked = [Query.ask(text, id=text) for text in ("what is 1+1?", "what is 2+2?")]
    async with asyncio.timeout(60):
        results = await asyncio.gather(*(runtime.run(Scribes(room=room), query) for query in asked))
    assert [(result.stopped, result.failures) for result in results] == [("done", 0)] * 2


async def test_a_budget_ends_the_workers_and_is_kept_to(mortal: MortalEngine, tmp_path: Path) -> None:
    whole = (await run(mortal, tmp_path / "whole", Scribes())).result.usage
    for budget in (Budget(calls=3), Budget(completion_tokens=60), Budget(flops=whole.flops * 4 // 5)):
        result = (await run(mortal, tmp_path / str(budget)[:5], Scribes(), budget)).result
        assert result.stopped == "budget"
        assert 0 < result.usage.calls < whole.calls
        for name, limit in budget.model_dump(exclude_none=True).items():
            assert getattr(result.usage, name) <= limit


async def test_more_workers_than_memory_end_the_run_with_the_figures(mortal: MortalEngine, tmp_path: Path) -> None:
    done = await run(mortal, tmp_path / "large", Scribes(workers=4, room=200_000))
    assert done.result.failures == 1
    assert done.result.reason.startswith("the cache of 4 workers that write 200000 tokens in all after ")
    assert done.result.reason.endswith("take fewer workers, lower max_tokens, or raise cache_gib")
    assert (done.result.usage, done.paid) == (Usage(), Usage())
