"""What Prometheus reads is what happened: requests, refusals, streams, clients that left, tokens, engines."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import openai
import pytest
from image_serving import search
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families as families
from scripted import ScriptedEngine, ScriptedSpec
from serving import JSON, QUESTION, ask, serving, single, vote
from starlette.applications import Starlette
from test_server_ends import request_bytes, wait_until

from ponder.orchestrator.engines.simulated import SimulatedSpec
from ponder.orchestrator.pipeline import Pipeline
from ponder.orchestrator.server.app import create_app
from ponder.orchestrator.server.keys import Keys
from ponder.orchestrator.server.served import by_name

CHAT = "/v1/chat/completions"
KEY = "a-key-for-scrapers"
PRICED = SimulatedSpec(prompt_price=3.0, completion_price=15.0)


class Read:
    """Samples as they were read."""

    def __init__(self, found: Iterable[Metric]) -> None:
        self.samples = [sample for family in found for sample in family.samples]

    def __call__(self, name: str, **labels: str) -> float:
        """The sum of the samples that have these labels."""
        return sum(
            sample.value
            for sample in self.samples
            if sample.name == f"ponder_{name}" and labels.items() <= sample.labels.items()
        )


@asynccontextmanager
async def running(*pipelines: Pipeline, **options: Any) -> AsyncIterator[Starlette]:
    app = create_app(by_name(pipelines), **options)
    async with app.router.lifespan_context(app):
        yield app


async def scrape(app: Starlette) -> Read:
    return Read(families((await ask(app, method="GET", path="/metrics")).body.decode()))


async def test_what_requests_cost_is_counted_to_the_token() -> None:
    async with running(vote(engine=PRICED), single(engine=PRICED)) as app:
        answers = [await ask(app, {"model": "vote", "messages": QUESTION, "seed": seed}) for seed in (1, 2)]
        answers.append(await ask(app, {"model": "single", "messages": QUESTION}))
        usage, told = [answer.json["usage"] for answer in answers[:2]], await scrape(app)
    assert told("requests_total", endpoint=CHAT, model="vote", status="200") == 2
    assert told("requests_total", endpoint=CHAT, model="single") == 1
    assert told("request_seconds_count", endpoint=CHAT, model="vote") == 2
    assert told("first_byte_seconds_count", endpoint=CHAT, model="vote") == 2
    prompt, written = (sum(each[name] for each in usage) for name in ("prompt_tokens", "completion_tokens"))
    assert told("tokens_total", model="vote", kind="prompt") == prompt
    assert told("tokens_total", model="vote", kind="completion") == written
    assert told("calls_total", model="vote", kind="generation") == 16
    assert told("cost_usd_total", model="vote") == pytest.approx((3 * prompt + 15 * written) / 1e6)
    assert (told("runs_in_flight"), told("runs_waiting"), told("refusals_total")) == (0, 0, 0)


async def test_images_are_counted_in_rows_and_looks() -> None:
    async with running(search("images", n=4, steps=4)) as app:
        body = {"model": "images", "prompt": "a bar", "size": "auto"}
        assert (await ask(app, body, path="/v1/images/generations")).status == 200
        told = await scrape(app)
    assert told("nfe_total", model="images") == 16
    assert told("calls_total", model="images", kind="verifier") == 4
    assert told("requests_total", endpoint="/v1/images/generations", model="images", status="200") == 1


async def test_refusals_are_counted_by_code_and_never_by_what_a_client_made_up() -> None:
    headers = (*JSON, ("authorization", f"Bearer {KEY}"))
    keys = Keys.load(environment={"PONDER_API_KEYS": KEY})
    async with running(vote(), keys=keys) as app:
        for body in ({"model": "made-up-1"}, {"model": "made-up-2"}, {"model": "vote", "max_tokens": -1}):
            assert (await ask(app, {**body, "messages": QUESTION}, headers=headers)).status in (400, 404)
        for path in ("/made-up-3", "/v1/made-up-4", "/v1/models/made-up-5"):
            assert (await ask(app, method="GET", path=path, headers=headers)).status == 404
        assert (await ask(app, {"model": "vote", "messages": QUESTION})).status == 401
        spent = {"model": "vote", "messages": QUESTION, "ponder": {"budget": {"total_tokens": 1}}}
        assert (await ask(app, spent, headers=headers)).status == 402
        body = (await ask(app, method="GET", path="/metrics", headers=headers)).body.decode()
    told = Read(families(body))
    assert "made-up" not in body
    assert told("requests_total", endpoint=CHAT, model="", status="404") == 2
    assert told("requests_total", endpoint="other", status="404") == 2
    assert told("requests_total", endpoint="/v1/models/{name:path}", status="404") == 1
    assert told("requests_total", status="401") == told("refusals_total", code="invalid_api_key") == 1
    assert told("refusals_total", code="model_not_found") == 3
    assert told("refusals_total", code="not_offered") == 2
    assert told("refusals_total", code="budget_exceeded") == 1
    assert told("requests_total", endpoint=CHAT, model="vote", status="402") == 1
    assert told("first_byte_seconds_count") == told("tokens_total") == 0


async def test_metrics_need_a_key_and_come_in_the_format_that_is_asked_for() -> None:
    async with running(vote(), keys=Keys.load(environment={"PONDER_API_KEYS": KEY})) as app:
        assert (await ask(app, method="GET", path="/metrics")).status == 401
        headers = [*JSON, ("authorization", f"Bearer {KEY}")]
        plain = await ask(app, method="GET", path="/metrics", headers=headers)
        assert plain.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        for accept in ("application/openmetrics-text;version=1.0.0;q=0.5,*/*;q=0.1", "application/openmetrics-text"):
            asked = await ask(app, method="GET", path="/metrics", headers=[*headers, ("accept", accept)])
            assert asked.headers["content-type"].startswith("application/openmetrics-text; version=")
            assert Read(openmetrics_families(asked.body.decode()))("requests_total", status="401") == 1
        odd = [*headers, ("accept", "text/plain;version=\x00..;escaping=x,application/,;;")]
        assert (await ask(app, method="GET", path="/metrics", headers=odd)).status == 200


async def test_applications_in_one_process_count_apart() -> None:
    async with running(vote()) as one, running(vote()) as other:
        await ask(one, {"model": "vote", "messages": QUESTION})
        assert (await scrape(one))("requests_total", endpoint=CHAT) == 1
        assert (await scrape(other))("requests_total", endpoint=CHAT) == 0


async def test_engines_show_what_is_in_flight_and_whether_they_are_up() -> None:
    slow, away = ScriptedSpec(name="metered", latency_s=60), ScriptedSpec(name="away", fault="unavailable")
    async with running(single("slow", slow), single("away", away)) as app:
        asked = asyncio.create_task(ask(app, {"model": "slow", "messages": QUESTION}))
        while not ScriptedEngine.opened["metered"].in_flight:
            await asyncio.sleep(0.001)
        told = await scrape(app)
        assert (told("engine_calls_in_flight", engine="generator"), told("runs_in_flight")) == (1, 1)
        assert told("engine_up", engine="generator-2") == 1
        assert (await ask(app, {"model": "away", "messages": QUESTION})).status == 503
        told = await scrape(app)
        assert (told("engine_up", engine="generator"), told("engine_up", engine="generator-2")) == (1, 0)
        asked.cancel()


def test_streams_their_errors_and_clients_that_leave() -> None:
    late = ScriptedSpec(name="late-metrics", fault="refused", latency_s=0.7)
    slow = ScriptedSpec(name="left-metrics", latency_s=60)
    with serving([vote(), single("late", late), single("slow", slow)]) as server:
        client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="any", max_retries=0)
        with client:
            list(client.chat.completions.create(model="vote", messages=QUESTION, stream=True))
            with pytest.raises(openai.APIError, match="log says"):
                list(client.chat.completions.create(model="late", messages=QUESTION, stream=True))
        host, port = server.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as leaver:
            leaver.sendall(request_bytes({"model": "slow", "messages": QUESTION}))
            wait_until(lambda: ScriptedEngine.opened["left-metrics"].in_flight == 1)
        wait_until(lambda: ScriptedEngine.opened["left-metrics"].cancelled == 1)
        told = Read(families(httpx.get(f"{server.url}/metrics").text))
    assert told("requests_total", model="vote", status="200") == told("first_byte_seconds_count", model="vote") == 1
    assert told("requests_total", model="late", status="200") == told("refusals_total", code="engine_refused") == 1
    assert told("first_byte_seconds_count", model="late") == 0
    assert told("requests_total", model="slow", status="499") == told("clients_gone_total") == 1
    assert told("tokens_total", model="slow") > 0, "a call that was cancelled is paid for"


async def test_a_request_sent_again_attaches_and_pays_nothing() -> None:
    async with running(single(engine=ScriptedSpec(name="twice", latency_s=0.1))) as app:
        headers, body = (*JSON, ("idempotency-key", "one")), {"model": "single", "messages": QUESTION}
        await asyncio.gather(*(ask(app, body, headers=headers) for _ in range(3)))
        told = await scrape(app)
    assert told("retries_attached_total") == 2
    assert told("requests_total", model="single", status="200") == 3
    assert told("calls_total", model="single", kind="generation") == 1
