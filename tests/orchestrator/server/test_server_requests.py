"""What clients may not send: every bad request is a 400 that names its parameter, and none is a 500."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import openai
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scripted import ScriptedSpec
from serving import JSON, QUESTION, Response, ask, pipeline, serving, single, vote
from starlette.applications import Starlette

from ponder.orchestrator.errors import ShapeError, UsageError
from ponder.orchestrator.pipeline import Pipeline
from ponder.orchestrator.server.app import create_app
from ponder.orchestrator.server.served import by_name
from ponder.orchestrator.server.strict_json import MOST_BYTES, read_body
from ponder.strategies import BestOfN, Sample
from ponder.verifiers import ExactMatch

GOOD = {"model": "vote", "messages": QUESTION}


class Door:
    """An application on a loop that stands between examples."""

    def __init__(self, runner: asyncio.Runner, app: Starlette) -> None:
        self.runner = runner
        self.app = app

    def ask(self, body: bytes | dict[str, Any] = b"", **how: Any) -> Response:
        async def timed() -> Response:
            async with asyncio.timeout(10):
                return await ask(self.app, body, **how)

        return self.runner.run(timed())


@pytest.fixture(scope="module")
def door() -> Iterator[Door]:
    models = by_name([vote(n=2), single(), single("short", ScriptedSpec(name="short", context_length=700))])
    app = create_app(models)
    lifespan = app.router.lifespan_context(app)
    with asyncio.Runner() as runner:
        runner.run(lifespan.__aenter__())
        yield Door(runner, app)
        runner.run(lifespan.__aexit__(None, None, None))


def said(content: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": content}]}


BAD = [
    ({"model": None}, "model"),
    ({"model": 3}, "model"),
    ({"messages": None}, "messages"),
    ({"messages": []}, "messages"),
    ({"messages": "hello"}, "messages"),
    ({"messages": ["hello"]}, "messages[0]"),
    ({"messages": [QUESTION[0]] * 1001}, "messages"),
    ({"messages": [{"role": "user"}]}, "messages[0].content"),
    ({"messages": [{"content": "x"}]}, "messages[0].role"),
    ({"messages": [{"role": "tool", "content": "x", "tool_call_id": "1"}]}, "messages[0].tool_call_id"),
    ({"messages": [*QUESTION, {"role": "user", "content": "x", "name": "Ann"}]}, "messages[1].name"),
    ({"messages": [*QUESTION, {"role": "assistant", "content": "x", "tool_calls": 1}]}, "messages[1].tool_calls"),
    ({"messages": [{"role": "user", "content": "x", "mood": "good"}]}, "messages[0].mood"),
    (said(None), "messages[0].content"),
    (said(7), "messages[0].content"),
    (said([{"type": "image_url", "image_url": {"url": "http://169.254.169.254/"}}]), "messages[0].content[0]"),
    (said([{"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}]), "messages[0].content"),
    (said([{"type": "text", "text": 7}]), "messages[0].content"),
    (said(["text"]), "messages[0].content"),
    ({"stream": "yes"}, "stream"),
    ({"stream": 1}, "stream"),
    ({"stream_options": {"include_usage": True}}, "stream_options"),
    ({"stream": True, "stream_options": {"include_usage": 1}}, "stream_options.include_usage"),
    ({"stream": True, "stream_options": {"every": 1}}, "stream_options.every"),
    ({"n": 0}, "n"),
    ({"n": 3}, "n"),
    ({"n": 129}, "n"),
    ({"n": 10**9}, "n"),
    ({"n": True}, "n"),
    ({"n": 1.5}, "n"),
    ({"n": "2"}, "n"),
    ({"seed": 2**63}, "seed"),
    ({"seed": 0.5}, "seed"),
    ({"temperature": -0.1}, "temperature"),
    ({"temperature": 2.1}, "temperature"),
    ({"temperature": "0"}, "temperature"),
    ({"temperature": True}, "temperature"),
    ({"top_p": 0}, "top_p"),
    ({"top_p": 1.1}, "top_p"),
    ({"max_tokens": 0}, "max_tokens"),
    ({"max_tokens": -1}, "max_tokens"),
    ({"max_completion_tokens": "9"}, "max_completion_tokens"),
    ({"stop": ["a", "b", "c", "d", "e"]}, "stop"),
    ({"stop": [""]}, "stop[0]"),
    ({"stop": ["a", "b" * 1025]}, "stop[1]"),
    ({"stop": [7]}, "stop[0]"),
    ({"stop": 7}, "stop"),
    ({"logprobs": True, "stream": True}, "logprobs"),
    ({"logprobs": 0}, "logprobs"),
    ({"top_logprobs": 3}, "top_logprobs"),
    ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
    ({"tool_choice": "required"}, "tool_choice"),
    ({"functions": [{"name": "f"}]}, "functions"),
    ({"function_call": {"name": "f"}}, "function_call"),
    ({"response_format": {"type": "json_object"}}, "response_format"),
    ({"response_format": {"type": "text", "x": 1}}, "response_format.x"),
    ({"response_format": {"type": "yaml"}}, "response_format.type"),
    ({"shown": []}, "shown"),
    ({"verbosity": "low"}, "verbosity"),
    ({"prediction": {"type": "content", "content": "x"}}, "prediction"),
    ({"web_search_options": {}}, "web_search_options"),
    ({"logit_bias": {"5": 1}}, "logit_bias"),
    ({"presence_penalty": 0.5}, "presence_penalty"),
    ({"frequency_penalty": -1}, "frequency_penalty"),
    ({"modalities": ["text", "audio"]}, "modalities"),
    ({"audio": {"voice": "x"}}, "audio"),
    ({"reasoning_effort": "high"}, "reasoning_effort"),
    ({"top_k": 5}, "top_k"),
    ({"best_of": None}, "best_of"),
    ({"user": 5}, "user"),
    ({"metadata": {"a": 1}}, "metadata.a"),
    ({"store": "yes"}, "store"),
    ({"ponder": []}, "ponder"),
    ({"ponder": {"strategy": "x"}}, "ponder.strategy"),
    ({"ponder": {"budget": {"tokens": 5}}}, "ponder.budget.tokens"),
    ({"ponder": {"budget": {"total_tokens": -5}}}, "ponder.budget.total_tokens"),
    ({"ponder": {"budget": {"total_tokens": "5"}}}, "ponder.budget.total_tokens"),
    ({"ponder": {"budget": {"total_tokens": 1e30}}}, "ponder.budget.total_tokens"),
    ({"ponder": {"budget": {"cost_usd": 1e300}}}, "ponder.budget.cost_usd"),
    ({"ponder": {"budget": {"seconds": 1e300}}}, "ponder.budget.seconds"),
]


@pytest.mark.parametrize(("change", "param"), BAD, ids=lambda value: str(value)[:40])
def test_names_the_parameter_at_fault(door: Door, change: dict[str, Any], param: str) -> None:
    body = {key: value for key, value in {**GOOD, **change}.items() if key == "best_of" or value is not None}
    response = door.ask(body)
    assert response.status == 400
    assert response.error["param"] == param
    assert response.error["type"] == "invalid_request_error"
    assert response.error["message"].startswith(param)
    assert response.error.keys() == {"message", "type", "param", "code"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n": "2"}, "n: it must be a whole number, written without a point or quotes"),
        ({"ponder": {"budget": {"calls": 10**12 + 0.5}}}, "ponder.budget.calls: it must be a whole number, written"),
        ({"messages": None}, "messages: it must be given"),
        ({"messages": "hi"}, "messages: it must be a list"),
        ({"messages": ["hi"]}, "messages[0]: it must be an object"),
        ({"ponder": {"budget": []}}, "ponder.budget: it must be an object"),
        ({"temperature": 3}, "temperature: it must be less than or equal to 2"),
        (
            {"ponder": {"budget": {"tokens": 5}}},
            "leave it out; it may hold prompt_tokens, completion_tokens, total_tok",
        ),
    ],
)
def test_says_what_must_hold(door: Door, change: dict[str, Any], message: str) -> None:
    assert message in door.ask({**GOOD, **change}).error["message"]


HARMLESS = [
    {"stop": []},
    {"stop": None},
    {"n": None, "seed": None, "temperature": None, "tools": None, "top_logprobs": None},
    {"tools": [], "tool_choice": "none", "parallel_tool_calls": True},
    {"temperature": 0, "seed": 1234, "max_tokens": 256, "stop": []},
    {"frequency_penalty": 0, "presence_penalty": 0.0, "logit_bias": {}, "logprobs": False},
    {"modalities": ["text"], "response_format": {"type": "text"}, "service_tier": "auto"},
    {"user": "u", "safety_identifier": "s", "prompt_cache_key": "p", "metadata": {"k": "v"}, "store": True},
    {"ponder": {}},
    {"ponder": {"budget": {"flops": 1e15, "seconds": 5, "cost_usd": 1}}},
    said([]),
    said(""),
    said("\u0000 \U0001f600 \u202e"),
]


@pytest.mark.parametrize("change", HARMLESS, ids=lambda value: str(value)[:40])
def test_takes_what_real_clients_send(door: Door, change: dict[str, Any]) -> None:
    assert door.ask({**GOOD, **change}).status == 200


HOSTILE = [
    b"",
    b"null",
    b"[]",
    b'"text"',
    b"{",
    b"{}{}",
    b"\xff\xfe",
    b"\xef\xbb\xbf{}",
    b"[" * 20_000,
    b'{"a":' * 65 + b"1" + b"}" * 65,
    b'{"model":"vote","messages":[{"role":"user","content":"\\ud800"}]}',
    b'{"model":"vote","messages":[{"role":"user","content":"x"}],"temperature":NaN}',
    b'{"model":"vote","messages":[{"role":"user","content":"x"}],"seed":1e400}',
    b'{"model":"vote","messages":[{"role":"user","content":"x"}],"seed":-Infinity}',
    b'{"model":"vote","messages":[{"role":"user","content":"x"}],"seed":' + b"9" * 5000 + b"}",
    b'{"model":"\\u0000","messages":[{"role":"user","content":"x"}], "\\u0000": 1}',
    b" " * (MOST_BYTES + 1),
]


@pytest.mark.parametrize("body", HOSTILE, ids=lambda body: repr(body[:30]))
def test_refuses_hostile_bodies_without_repeating_them(door: Door, body: bytes) -> None:
    begun = time.monotonic()
    response = door.ask(body)
    assert response.status == 400
    assert time.monotonic() - begun < 1
    assert len(response.body) < 500


@pytest.mark.parametrize("count", ["9" * 5000, "-1", "1.5", "\u00b2", ""])
def test_takes_any_count_of_retries(door: Door, count: str) -> None:
    assert door.ask(GOOD, headers=[*JSON, ("x-stainless-retry-count", count)]).status == 200


def test_counts_a_body_while_it_comes() -> None:
    async def endless() -> Any:
        while True:
            yield b"x" * 65536

    with pytest.raises(Exception, match="at most 4194304 bytes"):
        asyncio.run(read_body(endless()))


def test_does_not_wait_for_a_body_forever() -> None:
    async def slow() -> Any:
        yield b"{"
        await asyncio.sleep(60)

    with pytest.raises(Exception, match="must arrive within"):
        asyncio.run(read_body(slow(), timeout_s=0.05))


def test_a_large_body_reaches_the_real_client_as_a_400() -> None:
    large = [{"role": "user", "content": "x" * (MOST_BYTES + 10)}]
    with serving([vote()]) as server:
        client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="any", max_retries=0)
        with client, pytest.raises(openai.BadRequestError, match="at most"):
            client.chat.completions.create(model="vote", messages=large)


def test_an_unknown_model_is_not_found(door: Door) -> None:
    response = door.ask({**GOOD, "model": "gpt-9"})
    assert response.status == 404
    assert response.error["param"] == "model"
    assert response.error["code"] == "model_not_found"
    assert "vote" in response.error["message"]


def test_a_conversation_longer_than_the_context_is_refused(door: Door) -> None:
    response = door.ask({"model": "short", **said("x" * 300)})
    assert response.status == 400
    assert (response.error["param"], response.error["code"]) == ("messages", "context_length_exceeded")
    assert door.ask({"model": "short", "max_tokens": 100, **said("x" * 300)}).status == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/chat/completions", 405),
        ("DELETE", "/v1/models", 405),
        ("POST", "/health", 405),
        ("GET", "/v1/responses", 405),
        ("GET", "/v1/responses/resp_1", 404),
        ("POST", "/v1/embeddings", 404),
        ("GET", "/", 404),
        ("GET", "/v1/models/", 404),
        ("POST", "/v1/chat/completions/", 404),
        ("GET", "/docs", 404),
    ],
)
def test_other_routes_answer_in_the_same_shape(door: Door, method: str, path: str, status: int) -> None:
    response = door.ask(method=method, path=path)
    assert response.status == status
    assert response.error.keys() == {"message", "type", "param", "code"}


def test_a_body_must_call_itself_json(door: Door) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        assert door.ask(GOOD, headers=[("host", "127.0.0.1"), ("content-type", kind)]).status == 415
    assert (
        door.ask(GOOD, headers=[("host", "127.0.0.1"), ("content-type", "Application/JSON; charset=utf-8")]).status
        == 200
    )


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
KEYS = [
    *("model", "messages", "stream", "stream_options", "n", "seed", "temperature", "top_p", "max_tokens", "stop"),
    *("ponder", "metadata", "tools", "user", "logprobs", "response_format", "modalities", "logit_bias", "store"),
    *("role", "content", "budget", "total_tokens", "seconds", "cost_usd", "flops"),
]
WORDS = st.sampled_from(KEYS)


def check(door: Door, body: bytes) -> None:
    begun = time.monotonic()
    response = door.ask(body)
    assert response.status in (200, 400, 402, 404), response
    assert time.monotonic() - begun < 5
    if response.status != 200:
        assert response.error["message"]


@settings(max_examples=600, deadline=None, suppress_health_check=list(HealthCheck))
@given(changes=st.dictionaries(WORDS | st.text(max_size=8), JSON_VALUES, min_size=1, max_size=3))
def test_no_change_of_a_good_request_breaks_it(door: Door, changes: dict[str, Any]) -> None:
    check(door, orjson.dumps(_small({**GOOD, **changes})))


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(message=st.dictionaries(WORDS, JSON_VALUES, max_size=3), key=WORDS, value=JSON_VALUES)
def test_no_message_or_extension_breaks_it(door: Door, message: dict[str, Any], key: str, value: Any) -> None:
    body = {**GOOD, "messages": [{"role": "user", "content": "x", **message}], "ponder": {"budget": {key: value}}}
    check(door, orjson.dumps(_small(body)))


@settings(max_examples=600, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_byte_of_a_good_request_breaks_it(door: Door, data: st.DataObject) -> None:
    body = bytearray(orjson.dumps({**GOOD, "temperature": 0.5, "n": 2, "stop": ["a"], "max_tokens": 50}))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(body) - 1))
        body[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    check(door, bytes(body))


def _small(value: Any) -> Any:
    """`value` with integers that orjson can write."""
    if isinstance(value, int) and not isinstance(value, bool) and not -(2**63) <= value < 2**64:
        return value % 2**63
    if isinstance(value, dict):
        return {key: _small(item) for key, item in value.items()}
    return [_small(item) for item in value] if isinstance(value, list) else value


def test_two_pipelines_of_one_name_are_refused() -> None:
    with pytest.raises(UsageError, match="two are called 'vote'; rename one"):
        by_name([vote(), vote()])
    with pytest.raises(UsageError, match="name at least one"):
        by_name([])


def test_a_pipeline_that_cannot_answer_is_not_served() -> None:
    with pytest.raises(ShapeError, match="engine 'generator'"):
        create_app({"x": Pipeline.series(Sample())})
    with pytest.raises(UsageError, match="judge with a reward model"):
        create_app({"x": pipeline("x", BestOfN(verifier=ExactMatch()))})
