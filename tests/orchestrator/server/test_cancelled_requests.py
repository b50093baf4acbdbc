"""A server that cancels the task of a request, as Ray Serve does when the client has left, ends its run."""

from __future__ import annotations

import asyncio

from serving import QUESTION, ask, single

from ponder.orchestrator.engines.simulated import SimulatedSpec
from ponder.orchestrator.server.app import create_app
from ponder.orchestrator.server.served import by_name


async def test_a_request_whose_task_is_cancelled_ends_its_run() -> None:
    app = create_app(by_name([single(engine=SimulatedSpec(latency_s=30.0))]))
    async with app.router.lifespan_context(app):
        request = asyncio.create_task(ask(app, {"model": "single", "messages": QUESTION}))
        while not len(app.state.runs):
            await asyncio.sleep(0.01)
        request.cancel()
        async with asyncio.timeout(5):
            while len(app.state.runs):
                await asyncio.sleep(0.05)
