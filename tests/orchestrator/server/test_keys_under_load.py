"""A thousand requests at once through the application: budgets, rates and requests at once of each key hold."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections import Counter
from typing import Any

import pytest
from counted import CountedEngine, CountedSpec
from serving import Response, ask, pipeline
from starlette.applications import Starlette

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.server.accounts import Accounts
from ponder.orchestrator.server.app import create_app
from ponder.orchestrator.server.keys import Key, Keys
from ponder.strategies import Sample, SelfConsistency

MANY = 1000
LIMITS = {"alice": 10_000, "bob": 17_000, "carol": 3_000}


def word(name: str) -> str:
    return f"pk-{name}-0123456789"


def keys(**limits: dict[str, Any]) -> Keys:
    sent = {name: hashlib.sha256(word(name).encode()).hexdigest() for name in limits}
    return Keys(Key(name=name, digest=sent[name], **given) for name, given in limits.items())


class Crowd:
    """Clients of all kinds: plain ones and streams, of one answer or more, that wait, leave, or send again.

    Each key asks models of its own, so that what their engine counts is what the key has cost.

    Args:
        app: who is asked.
        seed: of chance.
    """

    def __init__(self, app: Starlette, seed: int) -> None:
        self.app = app
        self.rng = random.Random(seed)
        self.statuses: Counter[int] = Counter()

    async def come(self, name: str, count: int) -> None:
        await asyncio.gather(*(self._one(name, i) for i in range(count)))

    async def _one(self, name: str, number: int) -> None:
        rng = self.rng
        message = {"role": "user", "content": f"Problem {number}?"}
        body = {"model": f"{name}-{rng.choice(('one', 'wide'))}", "messages": [message], "seed": number}
        body |= {"max_tokens": rng.choice((8, 30, 64)), "stream": rng.random() < 0.3}
        if body["model"].endswith("wide"):
            body["n"] = rng.choice((1, 4))
        await asyncio.sleep(rng.random() * 0.05)
        kind = rng.random()
        if kind < 0.1:
            return await self._leave(name, body, rng.random() * 0.05)
        if kind < 0.2:
            return await self._leave(name, {**body, "model": f"{name}-slow", "n": 1}, rng.random() * 0.05)
        times = 2 if kind < 0.4 else 1
        for response in await asyncio.gather(*(self._sent(name, body, again) for again in range(times))):
            self.statuses[response.status] += 1
            assert response.status in (200, 402, 429), response
            if response.status == 402:
                assert response.headers["x-should-retry"] == "false"

    async def _sent(self, name: str, body: dict[str, Any], again: int) -> Response:
        await asyncio.sleep(again * 0.002)
        key, count = ("authorization", f"Bearer {word(name)}"), ("x-stainless-retry-count", str(again))
        return await ask(self.app, body, headers=[("content-type", "application/json"), key, count])

    async def _leave(self, name: str, body: dict[str, Any], after_s: float) -> None:
        """Ask, and be gone after a while; uvicorn cancels nothing, it tells of a disconnect."""
        key = ("authorization", f"Bearer {word(name)}")
        await ask(self.app, body, headers=[("content-type", "application/json"), key], leave_s=after_s)
        self.statuses[499] += 1


def served(name: str, **times: float) -> dict[str, Any]:
    """The models of a key: one draw, a vote, and one that no client waits for."""
    engine, slow = CountedSpec(name=name, **times), CountedSpec(name=f"{name}-slow", latency_s=60)
    models = [
        pipeline(f"{name}-one", Sample(), engine=engine),
        pipeline(f"{name}-wide", SelfConsistency(n=4), engine=engine),
    ]
    return {model.name: model for model in [*models, pipeline(f"{name}-slow", Sample(), engine=slow)]}


@pytest.mark.parametrize("seed", range(3))
async def test_a_thousand_requests_use_their_budgets_and_never_exceed_them(seed: int) -> None:
    known = keys(**{name: {"budget": Budget(total_tokens=limit)} for name, limit in LIMITS.items()})
    accounts = Accounts(known)
    models = {k: v for name in LIMITS for k, v in served(name, latency_s=0.002, jitter_s=0.03).items()}
    app = create_app(models, keys=known, accounts=accounts)
    crowd = Crowd(app, seed)
    async with app.router.lifespan_context(app):
        shares = {"alice": 400, "bob": 400, "carol": 200}
        await asyncio.gather(*(crowd.come(name, count) for name, count in shares.items()))
        async with asyncio.timeout(5):
            while len(app.state.runs):
                await asyncio.sleep(0.01)
        for name, limit in LIMITS.items():
            spent = (await accounts.spent(name)).total_tokens
            made = CountedEngine.opened[name].tokens + CountedEngine.opened[f"{name}-slow"].tokens
            assert made <= spent <= limit, (name, made, spent, limit)
            assert spent >= 0.95 * limit, (name, spent, limit)
    assert sum(CountedEngine.opened[f"{name}-slow"].cancelled for name in LIMITS) > 10
    assert crowd.statuses[200] > 100 and crowd.statuses[402] > 100 and crowd.statuses[499] > 50


async def test_rates_and_requests_at_once_hold() -> None:
    known = keys(alice={"requests_per_minute": 100}, bob={"at_once": 30})
    models = {**served("alice", latency_s=0.02), **served("bob", latency_s=0.02)}
    app = create_app(models, keys=known)
    answers: dict[str, list[Response]] = {"alice": [], "bob": []}

    async def send(name: str, number: int) -> None:
        body = {"model": f"{name}-one", "messages": [{"role": "user", "content": f"{number}"}], "max_tokens": 8}
        headers = [("content-type", "application/json"), ("authorization", f"Bearer {word(name)}")]
        answers[name].append(await ask(app, body, headers=headers))

    async with app.router.lifespan_context(app):
        await asyncio.gather(*(send(name, i) for i in range(MANY // 2) for name in answers))
        alice, bob = CountedEngine.opened["alice"], CountedEngine.opened["bob"]
        assert Counter(answer.status for answer in answers["alice"]) == {200: 100, 429: 400}
        assert alice.calls == 100
        assert bob.most_in_flight == 30
        told = Counter(answer.status for answer in answers["bob"])
        assert told[200] >= 30 and told.keys() == {200, 429} and bob.calls == told[200]
        assert all(int(answer.headers["retry-after"]) >= 1 for answer in answers["bob"] if answer.status == 429)
