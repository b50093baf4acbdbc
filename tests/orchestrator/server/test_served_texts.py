"""``/v1/responses`` and ``/v1/completions`` as the real client reads them: streams say what whole answers say."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import orjson
import pytest
from openai.types.responses import Response
from scripted import SECRET, ScriptedEngine, ScriptedSpec
from serving import Serving, ask, serving, single, vote
from test_server_efforts import FIVE

from ponder.orchestrator.engine import Capabilities, Completion, Progress, Request, Watch
from ponder.orchestrator.engines.simulated import SimulatedSpec
from ponder.orchestrator.server.app import create_app
from ponder.orchestrator.types import Finish

ASKED = "Problem 3: which number do the steps lead to?"
SEED = {"extra_body": {"seed": 7}}
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
PIECES = ("e\u0301, ", FAMILY[:2], FAMILY[2:], " \u202eab\n\n", "E", "N", "D")
OPENED = ["created", "in_progress", "output_item.added", "content_part.added"]
CLOSED = ["output_text.done", "content_part.done", "output_item.done", "completed"]


class WritingSpec(ScriptedSpec):
    """An engine that writes its text in pieces, as it is told."""

    name: str = "writing"
    text: str = "".join(PIECES)
    finish: Finish = Finish.STOP

    def open(self) -> ScriptedEngine:
        return Writing(self)


class Writing(ScriptedEngine):
    @property
    def capabilities(self) -> Capabilities:
        return super().capabilities.model_copy(update={"streams": True})

    async def complete(self, request: Request, watch: Watch | None = None) -> Completion:
        for piece in PIECES if watch else ():
            await asyncio.sleep(0.12)
            watch(Progress(1, piece))
        return await super().complete(request)


@pytest.fixture(scope="module")
def server() -> Iterator[Serving]:
    slow = single("slow", SimulatedSpec(latency_s=0.7))
    live = single("live", SimulatedSpec(token_latency_s=0.01))
    late = single("late", ScriptedSpec(name="late texts", fault="refused", latency_s=0.7))
    long = single("long", ScriptedSpec(name="long", text=FAMILY * 60))
    with serving([vote(), live, slow, late, long, single("writing", WritingSpec()), FIVE], keep_alive_s=0.1) as server:
        yield server


@pytest.fixture(scope="module")
def client(server: Serving) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="any", max_retries=0) as client:
        yield client


def content(response: Response) -> dict[str, Any]:
    """A response without what differs from one request to the next."""
    told = orjson.dumps(response.to_dict()).decode().replace(response.id.removeprefix("resp_"), "")
    return {key: value for key, value in orjson.loads(told).items() if key != "created_at"}


@pytest.mark.parametrize("model", ["vote", "live", "slow", "long"])
def test_a_stream_says_event_by_event_what_a_response_says(client: openai.OpenAI, model: str) -> None:
    whole = client.responses.create(model=model, input=ASKED, **SEED)
    events = list(client.responses.create(model=model, input=ASKED, stream=True, **SEED))
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    kinds = [*OPENED, *["output_text.delta"] * len(deltas), *CLOSED]
    assert [event.type for event in events] == [f"response.{kind}" for kind in kinds]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert "".join(deltas) == events[-4].text == events[-3].part.text == whole.output_text
    assert len(deltas) > (10 if model == "live" else 0)
    assert content(events[-1].response) == content(whole)
    assert (events[0].response.status, events[0].response.output, events[0].response.usage) == ("in_progress", [], None)
    assert events[2].item.id == events[4].item_id == events[-2].item.id == events[-1].response.output[0].id
    assert events[-2].item == events[-1].response.output[0]


def test_events_are_named_and_comments_keep_the_stream_open(server: Serving) -> None:
    body = {"model": "slow", "input": ASKED, "stream": True, "seed": 7}
    told = httpx.post(f"{server.url}/v1/responses", json=body, timeout=20).text
    blocks = told.removesuffix("\n\n").split("\n\n")
    comments = [block for block in blocks if block == ": keep-alive"]
    named = [block.split("\n") for block in blocks if block not in comments]
    assert comments
    assert [name for name, _ in named] == [f"event: {orjson.loads(data[6:])['type']}" for _, data in named]


def test_a_response_counts_the_whole_run(client: openai.OpenAI) -> None:
    raw = client.responses.with_raw_response.create(model="vote", input=ASKED, **SEED)
    response = raw.parse()
    usage = response.usage
    assert raw.headers["x-request-id"] == response.id
    assert (response.object, response.status, response.model) == ("response", "completed", "vote")
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens
    assert orjson.loads(raw.headers["x-ponder-usage"])["completion_tokens"] == usage.output_tokens
    assert 0 < usage.output_tokens_details.reasoning_tokens < usage.output_tokens
    chat = client.chat.completions.create(model="vote", messages=[{"role": "user", "content": ASKED}], seed=7)
    assert (chat.choices[0].message.content, chat.usage.total_tokens) == (response.output_text, usage.total_tokens)


async def test_the_stream_helpers_of_the_client_understand(server: Serving, client: openai.OpenAI) -> None:
    with client.responses.stream(model="live", input=ASKED, **SEED) as stream:
        said = stream.get_final_response().output_text
    async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="any") as other:
        assert (await other.responses.create(model="live", input=ASKED, **SEED)).output_text == said
        async with other.responses.stream(model="live", input=ASKED, **SEED) as stream:
            assert [event.snapshot async for event in stream if event.type == "response.output_text.delta"][-1] == said
            assert (await stream.get_final_response()).output_text == said


def test_completions_stream_what_they_say(client: openai.OpenAI) -> None:
    asked = {"model": "vote", "prompt": ASKED, "seed": 7, "n": 2, "best_of": 2}
    whole = client.completions.create(**asked)
    *chunks, last = client.completions.create(**asked, stream=True, stream_options={"include_usage": True})
    texts, ends = ["", ""], ["", ""]
    for chunk in chunks:
        (choice,) = chunk.choices
        texts[choice.index] += choice.text
        ends[choice.index] += choice.finish_reason or ""
    assert texts == [choice.text for choice in whole.choices]
    assert ends == [choice.finish_reason for choice in whole.choices] == ["stop", "stop"]
    assert (last.choices, last.usage) == ([], whole.usage)
    assert {chunk.object for chunk in (*chunks, last, whole)} == {"text_completion"}
    assert chunks[-1].model_extra["ponder"] == whole.model_extra["ponder"]
    assert whole.id.startswith("cmpl-")


def test_a_stop_string_is_held_back_and_pieces_of_signs_are_joined(client: openai.OpenAI) -> None:
    asked = {"model": "writing", "prompt": ASKED, "stop": ["END", "\U0001f600"]}
    whole = client.completions.create(**asked).choices[0]
    texts = [chunk.choices[0].text for chunk in client.completions.create(**asked, stream=True)]
    assert (whole.text, whole.finish_reason) == ("".join(PIECES[:4]), "stop")
    assert "".join(texts) == whole.text
    assert len([text for text in texts if text]) > 2
    events = client.responses.create(model="writing", input=ASKED, stream=True)
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(deltas) == "".join(PIECES)
    assert len(deltas) > 2


def test_an_answer_that_is_cut_is_incomplete(client: openai.OpenAI) -> None:
    asked = {"model": "live", "input": ASKED, "max_output_tokens": 5}
    response = client.responses.create(**asked)
    assert (response.status, response.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    assert (response.output[0].status, response.usage.output_tokens) == ("incomplete", 5)
    last = list(client.responses.create(**asked, stream=True))[-1]
    assert (last.type, last.response.incomplete_details.reason) == ("response.incomplete", "max_output_tokens")
    completion = client.completions.create(model="live", prompt=ASKED, max_tokens=5)
    assert completion.choices[0].finish_reason == "length"


def test_a_budget_that_ends_the_run_leaves_a_whole_answer_complete(client: openai.OpenAI) -> None:
    budget = {"seed": 7, "ponder": {"budget": {"total_tokens": 700}}}
    response = client.responses.create(model="vote", input=ASKED, extra_body=budget)
    assert (response.status, response.incomplete_details) == ("completed", None)
    assert response.model_extra["ponder"]["stopped"] == "budget"
    assert response.usage.total_tokens <= 700


@pytest.mark.parametrize(("effort", "calls"), [("low", 1), ("medium", 2), ("high", 8)])
def test_effort_picks_the_point_of_a_frontier(client: openai.OpenAI, effort: str, calls: int) -> None:
    response = client.responses.create(model="sums", input=ASKED, reasoning={"effort": effort})
    assert (response.reasoning.effort, response.model_extra["ponder"]["usage"]["calls"]) == (effort, calls)


def test_an_error_in_a_stream_is_told_in_it(client: openai.OpenAI) -> None:
    events = list(client.responses.create(model="late", input=ASKED, stream=True))
    failed = events[-1]
    assert [event.type for event in events] == [f"response.{kind}" for kind in (*OPENED, "failed")]
    assert (failed.sequence_number, failed.response.status, failed.response.output) == (4, "failed", [])
    assert (failed.response.error.code, failed.response.error.type) == ("invalid_prompt", "invalid_request_error")
    assert failed.response.id in failed.response.error.message and SECRET not in failed.response.error.message
    with pytest.raises(openai.APIError, match="refuses this request") as error:
        list(client.completions.create(model="late", prompt=ASKED, stream=True))
    assert error.value.code == "engine_refused"


def test_a_run_that_its_budget_ends_without_an_answer_fails(client: openai.OpenAI) -> None:
    asked = {"model": "late", "input": ASKED, "extra_body": {"ponder": {"budget": {"seconds": 0.6}}}}
    *_, last = client.responses.create(**asked, stream=True)
    assert (last.response.error.code, last.response.error.type) == ("rate_limit_exceeded", "insufficient_quota")
    with pytest.raises(openai.APIStatusError) as error:
        client.responses.create(**asked)
    assert (error.value.status_code, error.value.code) == (402, "budget_exceeded")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("path", "what"), [("/v1/responses", "input"), ("/v1/completions", "prompt")])
async def test_a_request_that_is_sent_again_gets_the_same_answer(path: str, what: str, stream: bool) -> None:
    app = create_app({"x": single("x", ScriptedSpec(name="twice", latency_s=0.4))})
    async with app.router.lifespan_context(app):
        body, again = {"model": "x", what: ASKED, "stream": stream}, ("x-stainless-retry-count", "1")
        json = (("content-type", "application/json"), ("host", "127.0.0.1"))
        one = asyncio.create_task(ask(app, body, path=path))
        await asyncio.sleep(0.1)
        other = await ask(app, body, path=path, headers=(*json, again))
        first = await one
    assert (first.status, first.headers["x-request-id"]) == (200, other.headers["x-request-id"])
    assert first.body == other.body
    assert len(ScriptedEngine.opened["twice"].requests) == 1
