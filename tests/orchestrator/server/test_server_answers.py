"""What clients get: the real openai client against a real server over the simulated engine."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import httpx
import openai
import orjson
import pytest
from scripted import ScriptedEngine, ScriptedSpec
from serving import QUESTION, Serving, ask, pipeline, serving, single, vote

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.canonical import stable_id
from ponder.orchestrator.engines.simulated import SimulatedSpec
from ponder.orchestrator.pipeline import Node, Pipeline
from ponder.orchestrator.runtime import Runtime, Task
from ponder.orchestrator.server.app import create_app
from ponder.orchestrator.types import Message, Query, Result
from ponder.strategies import Sample

NESTED = Pipeline(
    name="nested",
    nodes=(Node(name="inner", strategy=pipeline("inner", Sample(n=2, max_tokens=100))),),
    engines={"generator": ScriptedSpec(name="nested")},
)


@pytest.fixture(scope="module")
def server() -> Iterator[Serving]:
    slow = SimulatedSpec(latency_s=1.5)
    scripted = single("scripted", ScriptedSpec(name="plain"))
    with serving([vote(), single(), single("slow", slow), scripted, NESTED], keep_alive_s=0.1) as server:
        yield server


@pytest.fixture(scope="module")
def client(server: Serving) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="any", max_retries=0) as client:
        yield client


async def run_directly(name: str, seed: int, budget: Budget = Budget()) -> Result:
    messages = tuple(Message(**message) for message in QUESTION)
    query = Query(id=stable_id(messages), messages=messages)
    strategy = vote() if name == "vote" else single()
    async with Runtime(strategy.engines) as runtime:
        task = Task(id=query.id, strategy=strategy, query=query, seed=seed, budget=budget)
        return (await runtime.execute(task, budget)).result


def test_lists_its_models(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["vote", "single", "slow", "scripted", "nested"]
    assert client.models.retrieve("vote").owned_by == "ponder"
    with pytest.raises(openai.NotFoundError) as error:
        client.models.retrieve("voter")
    assert error.value.param == "model"


def test_answers_with_the_text_and_usage_of_the_run(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="vote", messages=QUESTION, seed=7)
    result = asyncio.run(run_directly("vote", 7))
    assert answer.choices[0].message.content == result.text
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model == "vote"
    assert answer.system_fingerprint == vote().id
    usage = answer.usage
    assert usage.prompt_tokens == result.usage.prompt_tokens
    assert usage.completion_tokens == result.usage.completion_tokens
    assert usage.total_tokens == result.usage.total_tokens
    assert usage.prompt_tokens_details.cached_tokens == result.usage.cached_tokens
    thought = result.usage.completion_tokens - result.best.generated_tokens
    assert usage.completion_tokens_details.reasoning_tokens == thought > 0


def test_tells_the_breakdown_in_headers(client: openai.OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(model="vote", messages=QUESTION, seed=7)
    breakdown = orjson.loads(raw.headers["x-ponder-usage"])
    assert breakdown["calls"] == 8
    assert breakdown["candidates"] == 8
    assert breakdown["failures"] == 0
    assert breakdown["flops"] > 0
    assert raw.headers["x-ponder-stopped"] == "done"
    assert raw.headers["x-ponder-seed"] == "7"
    assert raw.headers["x-request-id"] == raw.parse().id


def test_one_seed_gives_one_answer(client: openai.OpenAI) -> None:
    def text(seed: int) -> str:
        answer = client.chat.completions.create(model="single", messages=QUESTION, seed=seed)
        return answer.choices[0].message.content

    assert text(5) == text(5)
    assert text(-(2**63)) == text(-(2**63))
    assert len({text(seed) for seed in range(12)}) > 1


def test_the_seed_it_drew_gives_the_same_answer_again(client: openai.OpenAI) -> None:
    first = client.chat.completions.with_raw_response.create(model="vote", messages=QUESTION)
    seed = int(first.headers["x-ponder-seed"])
    again = client.chat.completions.create(model="vote", messages=QUESTION, seed=seed)
    assert again.choices == first.parse().choices
    other = client.chat.completions.with_raw_response.create(model="vote", messages=QUESTION)
    assert int(other.headers["x-ponder-seed"]) != seed


def test_n_gives_the_best_answers_of_one_run(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="vote", messages=QUESTION, seed=7, n=3)
    result = asyncio.run(run_directly("vote", 7))
    assert [choice.message.content for choice in answer.choices] == [c.text for c in result.candidates[:3]]
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    assert answer.usage.total_tokens == result.usage.total_tokens
    with pytest.raises(openai.BadRequestError, match="at most 8") as error:
        client.chat.completions.create(model="vote", messages=QUESTION, n=9)
    assert error.value.param == "n"


def test_a_stream_says_what_an_answer_says(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(model="vote", messages=QUESTION, seed=7, n=2)
    options = {"include_usage": True}
    chunks = list(
        client.chat.completions.create(
            model="vote", messages=QUESTION, seed=7, n=2, stream=True, stream_options=options
        )
    )
    texts = ["", ""]
    for chunk in chunks[:-1]:
        assert chunk.usage is None
        texts[chunk.choices[0].index] += chunk.choices[0].delta.content or ""
    assert texts == [choice.message.content for choice in whole.choices]
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in chunks[:-1]].count("stop") == 2
    assert chunks[-1].choices == []
    account = chunks[-2].model_extra["ponder"]
    assert (account["stopped"], account["seed"], account["usage"]["calls"]) == ("done", 7, 8)
    assert chunks[-1].usage == whole.usage
    assert len({chunk.id for chunk in chunks}) == 1


def test_a_stream_without_the_option_has_no_usage(client: openai.OpenAI) -> None:
    chunks = list(client.chat.completions.create(model="vote", messages=QUESTION, stream=True))
    assert all(chunk.usage is None and chunk.choices for chunk in chunks)
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_the_stream_helper_of_the_client_understands(client: openai.OpenAI) -> None:
    with client.chat.completions.stream(model="vote", messages=QUESTION, seed=7) as stream:
        final = stream.get_final_completion()
    assert final.choices[0].message.content == asyncio.run(run_directly("vote", 7)).text


def test_comments_keep_a_silent_stream_open(server: Serving, client: openai.OpenAI) -> None:
    body = {"model": "slow", "messages": QUESTION, "stream": True, "seed": 3}
    response = httpx.post(f"{server.url}/v1/chat/completions", json=body, timeout=20)
    lines = [line for line in response.text.split("\n") if line]
    assert lines[0].startswith("data: ") and '"role":"assistant"' in lines[0]
    assert lines.count(": keep-alive") >= 3
    assert lines[-1] == "data: [DONE]"
    chunks = client.chat.completions.create(model="slow", messages=QUESTION, stream=True, seed=3)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert text == asyncio.run(run_directly("single", 3)).text


async def test_the_async_client_asks_fifty_at_once(server: Serving) -> None:
    async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="any", max_retries=0) as client:
        asked = [client.chat.completions.create(model="vote", messages=QUESTION, seed=i % 5) for i in range(50)]
        answers = await asyncio.gather(*asked)
        texts = [answer.choices[0].message.content for answer in answers]
        assert all(text == texts[i % 5] for i, text in enumerate(texts))
        usages = {answer.usage.total_tokens for answer in answers}
        assert len(usages) <= 5
        stream = await client.chat.completions.create(model="vote", messages=QUESTION, seed=0, stream=True)
        assert "".join([chunk.choices[0].delta.content or "" async for chunk in stream]) == texts[0]
    assert len(server.app.state.runs) == 0


def test_a_budget_bounds_a_request(client: openai.OpenAI) -> None:
    most = 700
    raw = client.chat.completions.with_raw_response.create(
        model="vote", messages=QUESTION, seed=7, extra_body={"ponder": {"budget": {"total_tokens": most}}}
    )
    result = asyncio.run(run_directly("vote", 7, Budget(total_tokens=most)))
    assert raw.headers["x-ponder-stopped"] == result.stopped == "budget"
    assert raw.parse().choices[0].message.content == result.text
    assert 0 < raw.parse().usage.total_tokens == result.usage.total_tokens <= most


def test_a_budget_too_small_for_one_answer_is_not_tried_again(server: Serving) -> None:
    sent: list[httpx.Response] = []
    http = httpx.Client(event_hooks={"response": [sent.append]})
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="any", max_retries=2, http_client=http) as client:
        for extra in ({}, {"stream": True}):
            with pytest.raises(openai.APIStatusError, match="total_tokens") as error:
                client.chat.completions.create(
                    model="vote", messages=QUESTION, extra_body={"ponder": {"budget": {"total_tokens": 3}}}, **extra
                )
            assert error.value.status_code == 402
            assert error.value.code == "budget_exceeded"
    assert [response.headers["x-should-retry"] for response in sent] == ["false", "false"]


async def test_the_operator_caps_every_request() -> None:
    app = create_app({"vote": vote()}, budget=Budget(total_tokens=700))
    async with app.router.lifespan_context(app):
        wide = {"model": "vote", "messages": QUESTION, "ponder": {"budget": {"total_tokens": 10**9}}}
        response = await ask(app, wide)
        assert response.headers["x-ponder-stopped"] == "budget"
        assert response.json["usage"]["total_tokens"] <= 700
        tight = {**wide, "ponder": {"budget": {"total_tokens": 3}}}
        assert (await ask(app, tight)).status == 402


@pytest.mark.parametrize("model", ["scripted", "nested"])
def test_sampling_reaches_the_engine(client: openai.OpenAI, model: str) -> None:
    engine = ScriptedEngine.opened["plain" if model == "scripted" else "nested"]
    answer = client.chat.completions.create(
        model=model, messages=QUESTION, temperature=0.25, top_p=0.5, max_tokens=4, stop=["END", "\n\n"]
    )
    sampling = engine.requests[-1].sampling
    assert (sampling.temperature, sampling.top_p, sampling.max_tokens) == (0.25, 0.5, 4)
    assert sampling.stop == ("END", "\n\n")
    assert answer.choices[0].message.content == "the "
    client.chat.completions.create(model=model, messages=QUESTION, max_completion_tokens=100_000, stop=[])
    sampling = engine.requests[-1].sampling
    assert sampling.max_tokens == (512 if model == "scripted" else 100)
    assert (sampling.temperature, sampling.stop) == (1.0, ())


def test_a_stop_string_is_no_part_of_the_answer(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="single", messages=QUESTION, seed=1, stop="answer:")
    assert answer.choices[0].message.content.endswith("\n")
    assert "answer" not in answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"


def test_a_cut_answer_says_so(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="single", messages=QUESTION, max_tokens=5)
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.completion_tokens == 5


def test_parts_are_joined_and_answers_can_be_sent_back(client: openai.OpenAI) -> None:
    engine = ScriptedEngine.opened["plain"]
    parts = [{"type": "text", "text": "Problem"}, {"type": "text", "text": "3"}]
    first = client.chat.completions.create(
        model="scripted",
        messages=[{"role": "developer", "content": "Be brief."}, {"role": "user", "content": parts}],
        user="me",
        metadata={"a": "b"},
        store=False,
        logprobs=False,
        presence_penalty=0.0,
        response_format={"type": "text"},
    )
    assert engine.requests[-1].prompt.messages[1].content == "Problem\n3"
    said = first.choices[0].message
    client.chat.completions.create(model="scripted", messages=[*QUESTION, said, *QUESTION])
    assert engine.requests[-1].prompt.messages[1] == Message(role="assistant", content="the answer")


def test_health_is_open_and_says_when_engines_stand(server: Serving) -> None:
    response = httpx.get(f"{server.url}/health")
    assert (response.status_code, response.json()) == (200, {"status": "well"})
