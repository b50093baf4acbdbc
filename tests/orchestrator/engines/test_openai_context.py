"""The openai engine under a context: retries, and budgets that hold."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from scripted_server import (
    SAMPLING,
    ScriptedServer,
    answer,
    cut,
    opened,
    say,
    serving,
)

from ponder.orchestrator.budget import Budget, Ledger
from ponder.orchestrator.context import Context, Run
from ponder.orchestrator.engine import Engine, Prompt
from ponder.orchestrator.engines.time_limit import TimeLimit
from ponder.orchestrator.journal import Journal, Memory, Retries
from ponder.orchestrator.types import Query, Usage


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with serving() as scripted:
        yield scripted


def run_of(engine: Engine, budget: Budget, retries: Retries = Retries(), gate: int = 64) -> Run:
    journal = Journal(Memory(), 0, retries)
    return Run(
        "t", {"generator": engine}, {"generator": asyncio.Semaphore(gate)}, Ledger(budget), Ledger(budget), journal
    )


async def test_a_busy_server_is_asked_again_when_it_said(server: ScriptedServer) -> None:
    server.script = [say(429, {}, Retry_After="1"), say(503, {}), answer()]
    async with opened(server) as engine:
        run = run_of(engine, Budget(calls=1), Retries(6, 0.01))
        begun = time.monotonic()
        (candidate,) = await Context(run, "sample").sample(Query.ask("2+2?"), 1, SAMPLING)
    assert (candidate.text, len(server.sent)) == ("4", 3)
    assert time.monotonic() - begun >= 1
    assert run.ledger.spent == run.account.spent == Usage(10, 0, 5, calls=1)
    assert len({sent["seed"] for sent in server.sent}) == 1


async def test_a_lost_answer_is_charged_in_full_and_drawn_again(server: ScriptedServer) -> None:
    server.script = [say(500, {}), cut, answer()]
    async with opened(server) as engine:
        bound = engine.meter.generation(await engine.count(Prompt(Query.ask("2+2?").messages)), 20)
        run = run_of(engine, Budget(calls=3), Retries(6, 0.01))
        (candidate,) = await Context(run, "sample").sample(Query.ask("2+2?"), 1, SAMPLING)
    assert candidate.usage == run.ledger.spent == Usage(10, 0, 5, calls=1)
    assert run.account.spent == bound + bound + candidate.usage


async def test_200_draws_at_once_keep_to_the_budget(server: ScriptedServer) -> None:
    async def slow(request: web.Request, sent: dict[str, Any]) -> web.StreamResponse:
        await asyncio.sleep(0.001 * (sent["seed"] % 7))
        return await answer(completion=1 + sent["seed"] % 20)(request, sent)

    server.default = slow
    budget = Budget(total_tokens=3000, calls=150, cost_usd=0.01)
    async with opened(server, max_in_flight=32, prompt_price=1.0, completion_price=2.0, template_tokens=0) as engine:
        run = run_of(engine, budget, gate=200)
        candidates = await Context(run, "sample").sample(Query.ask("2+2?"), 200, SAMPLING)
    spent = run.ledger.spent
    assert run.stopped == "budget"
    assert spent == run.account.spent == Usage.total(c.usage for c in candidates)
    assert budget.fits(spent)
    assert spent.total_tokens > 2850 or spent.calls == 150
    assert len(server.sent) == len(candidates) == spent.calls
    assert server.most_open <= 32


async def test_a_time_limit_does_not_swallow_a_cancel_from_outside() -> None:
    limit = TimeLimit(0.05)

    async def call() -> None:
        with limit:
            await asyncio.sleep(10)

    task = asyncio.create_task(call())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(TimeoutError):
        await call()
    with limit:
        await asyncio.sleep(0)
    limit.close()
