"""The openai engine against a real server on loopback that does as it is told."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.utils import formatdate
from typing import Any

import pytest
from aiohttp import web
from scripted_server import (
    Behaviour,
    ScriptedServer,
    answer,
    choice,
    cut,
    cut_in_body,
    drip,
    hang,
    refuses,
    say,
    serving,
)

from ponder.orchestrator.budget import Budget, Ledger
from ponder.orchestrator.context import Context, Run
from ponder.orchestrator.engine import Engine, Prompt, Request, Sampling
from ponder.orchestrator.engines.openai import OpenAIEngine, OpenAISpec
from ponder.orchestrator.engines.time_limit import TimeLimit
from ponder.orchestrator.errors import EngineRefused, EngineUnavailable, UsageError
from ponder.orchestrator.journal import Journal, Memory, Retries
from ponder.orchestrator.types import Finish, Message, Query, Usage

CANARY = "sk-canary-4711"
ASK = Prompt((Message(role="user", content="2+2?"),))
SAMPLING = Sampling(max_tokens=20)


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with serving() as scripted:
        yield scripted


@asynccontextmanager
async def opened(server: ScriptedServer, **knobs: Any) -> AsyncIterator[OpenAIEngine]:
    engine = OpenAISpec(base_url=server.base_url, model="m", **knobs).open()
    await engine.start()
    try:
        yield engine
    finally:
        await engine.close()


def request(seed: int = 7, prompt: Prompt = ASK, labels: tuple[int, ...] = (), **sampling: Any) -> Request:
    return Request(prompt, SAMPLING.model_copy(update=sampling), seed, labels)


async def test_a_draw_sends_the_sampling_and_returns_text_and_counts(server: ScriptedServer) -> None:
    server.default = answer(choice("It is 4."), prompt_tokens=1)
    async with opened(server, prompt_price=1.0, completion_price=2.0, parameters=1000) as engine:
        assert isinstance(engine, Engine)
        await engine.start()
        done = await engine.complete(request(temperature=0.5, top_p=0.9))
        again = await engine.complete(request(seed=8, temperature=0.5, top_p=0.9))
    assert (done.text, done.finish, done.tokens) == ("It is 4.", Finish.EOS, ())
    assert done.usage == again.usage == Usage(10, 0, 5, calls=1, flops=30_000, nano_usd=20_000)
    assert server.sent[0] == {
        "model": "m",
        "messages": [{"role": "user", "content": "2+2?"}],
        "max_tokens": 20,
        "temperature": 0.5,
        "top_p": 0.9,
        "seed": 7,
    }
    assert server.sent[1]["seed"] == 8
    assert len(server.sent) == 2


@pytest.mark.parametrize(
    ("given", "text", "finish"),
    [
        (choice("a", "stop"), "a", Finish.EOS),
        (choice("a", "stop", stop_reason=2), "a", Finish.EOS),
        (choice("a\n", "stop", stop_reason="\n"), "a\n", Finish.STOP),
        (choice("a", "stop", stop_reason="\n"), "a\n", Finish.STOP),
        (choice("a\n", "stop"), "a\n", Finish.STOP),
        (choice("a", "length"), "a", Finish.TOTAL_LENGTH),
        (choice("a", "abort"), "a", Finish.ABORTED),
        (choice("a", "repetition"), "a", Finish.REPETITION),
        (choice("a", "content_filter"), "a", Finish.ERROR),
        (choice("a", None), "a", Finish.ERROR),
        (choice(None, "stop"), "", Finish.EOS),  # type: ignore[arg-type]
    ],
)
async def test_why_a_text_ends(server: ScriptedServer, given: dict[str, Any], text: str, finish: Finish) -> None:
    server.default = answer(given)
    async with opened(server) as engine:
        done = await engine.complete(request(stop=("\n",)))
    assert (done.text, done.finish) == (text, finish)


async def test_a_vllm_server_is_recognised_and_asked_for_all_it_has(server: ScriptedServer) -> None:
    server.speaks_vllm("/v1/chat/completions", "/tokenize", max_model_len=2048)
    server.tokenize = say(200, {"count": 40})
    logprobs = {
        "content": [
            {"token": "token_id:5", "logprob": -0.5, "top_logprobs": [{"token": "token_id:9", "logprob": -2.0}]},
            {"token": "token_id:6", "logprob": -0.25, "top_logprobs": []},
        ]
    }
    counted = {"prompt_tokens": 10, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 8}}
    server.default = answer(choice("4", token_ids=[5, 6], logprobs=logprobs), usage=counted)
    async with opened(server) as engine:
        can = engine.capabilities
        assert can.token_ids and can.continue_prefix and can.logprobs and can.labels and can.seed and not can.read
        assert can.context_length == 2048
        assert await engine.count(ASK) == 4 + 2 * 16 + 40 + 16
        done = await engine.complete(request(logprobs=True, labels=(9,), stop=("x",)))
    assert (done.tokens, done.logprobs, done.label_logprobs) == ((5, 6), (-0.5, -0.25), (-2.0,))
    assert done.usage == Usage(10, 8, 2, calls=1)
    sent = server.sent[0]
    assert sent["return_token_ids"] and sent["include_stop_str_in_output"] and sent["logprob_token_ids"] == [9]


async def test_nothing_is_drawn_before_the_first_draw(server: ScriptedServer) -> None:
    async with opened(server) as engine:
        can = engine.capabilities
    assert server.paths == ["/v1/models", "/openapi.json"]
    assert can.seed and can.logprobs and not (can.token_ids or can.continue_prefix or can.labels or can.read)
    assert can.context_length == 8192


async def test_a_text_is_continued_where_the_server_can(server: ScriptedServer) -> None:
    begun = Prompt(ASK.messages, text="It is")
    async with opened(server) as engine:
        with pytest.raises(EngineRefused, match="continuing a text"):
            await engine.complete(request(prompt=begun))
    server.speaks_vllm()
    async with opened(server) as engine:
        await engine.complete(request(prompt=begun))
    assert server.sent[0]["messages"][1] == {"role": "assistant", "content": "It is"}
    assert server.sent[0]["continue_final_message"] is True
    assert server.sent[0]["add_generation_prompt"] is False


async def test_completions_join_the_messages_and_the_text(server: ScriptedServer) -> None:
    logprobs = {"token_logprobs": [-1.0], "top_logprobs": [{"token_id:3": -4.0}]}
    server.speaks_vllm()
    server.default = answer({"index": 0, "text": "4", "finish_reason": "stop", "logprobs": logprobs})
    async with opened(server, api="completions") as engine:
        assert engine.capabilities.continue_prefix
        done = await engine.complete(request(prompt=Prompt(ASK.messages, text=" It is"), logprobs=True, labels=(3,)))
    assert (server.paths[-1], server.sent[0]["prompt"]) == ("/v1/completions", "2+2? It is")
    assert (done.text, done.logprobs, done.label_logprobs) == ("4", (-1.0,), (-4.0,))


@pytest.mark.parametrize("shape", ["openai", "fastapi"])
@pytest.mark.parametrize("field", ["seed", "return_token_ids"])
async def test_a_field_that_the_server_refuses_is_left_out_from_then_on(
    server: ScriptedServer, field: str, shape: str
) -> None:
    server.models = say(200, {"data": [{"id": "m", "owned_by": "vllm"}]})
    server.default = refuses(field, 400 if shape == "openai" else 422, shape)
    async with opened(server) as engine:
        assert (await engine.complete(request())).text == "4"
        await engine.complete(request(seed=9))
        assert not (engine.capabilities.seed if field == "seed" else engine.capabilities.token_ids)
    assert [field in sent for sent in server.sent] == [True, False, False]


async def test_the_newer_name_of_max_tokens_is_used_where_it_must(server: ScriptedServer) -> None:
    told = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
    server.script = [say(400, {"error": {"message": told, "param": "max_tokens"}})]
    async with opened(server) as engine:
        await engine.complete(request())
    assert server.sent[1]["max_completion_tokens"] == 20
    assert "max_tokens" not in server.sent[1]


async def test_a_server_that_refuses_everything_is_not_asked_for_ever(server: ScriptedServer) -> None:
    told = "seed logprobs return_token_ids include_stop_str_in_output max_tokens max_completion_tokens"
    server.default = say(400, {"error": {"message": told}})
    server.speaks_vllm()
    async with opened(server) as engine:
        with pytest.raises(EngineRefused, match="answered 400"):
            await engine.complete(request())
        assert len(server.sent) <= 5


async def test_what_is_needed_and_refused_ends_the_draw(server: ScriptedServer) -> None:
    server.default = refuses("logprobs")
    async with opened(server) as engine:
        with pytest.raises(EngineRefused, match="log-probabilities must be had"):
            await engine.complete(request(logprobs=True))
        assert not engine.capabilities.logprobs


@pytest.mark.parametrize(("status", "is_free"), [(429, True), (503, True), (500, False), (502, False), (408, False)])
async def test_what_is_worth_another_try(server: ScriptedServer, status: int, is_free: bool) -> None:
    server.default = say(status, {"error": {"message": "busy\x1b[31m"}}, Retry_After="2")
    async with opened(server) as engine:
        with pytest.raises(EngineUnavailable, match=rf"answered {status} \(busy \[31m\)") as caught:
            await engine.complete(request())
    assert (caught.value.is_free, caught.value.retry_after_s) == (is_free, 2.0)


@pytest.mark.parametrize(
    ("header", "low", "high"),
    [("0", 0, 0), (formatdate(time.time() + 100, usegmt=True), 20, 100), ("99999", 600, 600), (formatdate(0), 0, 0)],
)
async def test_retry_after_is_seconds_or_a_date(server: ScriptedServer, header: str, low: float, high: float) -> None:
    server.default = say(429, {}, Retry_After=header)
    async with opened(server) as engine:
        with pytest.raises(EngineUnavailable) as caught:
            await engine.complete(request())
    assert caught.value.retry_after_s is not None
    assert low <= caught.value.retry_after_s <= high


@pytest.mark.parametrize(
    ("status", "remedy"), [(400, "change the request"), (404, "check base_url"), (402, "change the request")]
)
async def test_what_is_not_worth_another_try(server: ScriptedServer, status: int, remedy: str) -> None:
    server.default = say(status, {"error": {"message": "no"}})
    async with opened(server) as engine:
        with pytest.raises(EngineRefused, match=remedy):
            await engine.complete(request())
    assert len(server.sent) == 1


async def test_redirects_are_not_followed(server: ScriptedServer) -> None:
    server.default = say(307, {}, Location="http://169.254.169.254/")
    async with opened(server) as engine:
        with pytest.raises(EngineRefused, match="redirects are not followed"):
            await engine.complete(request())


@pytest.mark.parametrize(
    "behaviour",
    [
        say(200, b"<html>"),
        say(200, b""),
        say(200, []),
        say(200, {"choices": "x"}),
        answer(choice(), choice()),
        say(200, {"choices": []}),
        answer({"index": 0}),
        answer(usage={"prompt_tokens": "many", "completion_tokens": 1}),
        answer(usage={"prompt_tokens": -1, "completion_tokens": 1}),
        answer(usage={"prompt_tokens": 1}),
    ],
)
async def test_an_answer_that_cannot_be_read_may_have_cost_its_bound(
    server: ScriptedServer, behaviour: Behaviour
) -> None:
    server.default = behaviour
    async with opened(server) as engine:
        with pytest.raises(EngineUnavailable, match="the server must answer") as caught:
            await engine.complete(request())
    assert not caught.value.is_free


async def test_an_answer_without_usage_is_charged_at_its_bound(server: ScriptedServer) -> None:
    server.default = answer(usage=None)
    async with opened(server, template_tokens=0) as engine:
        done = await engine.complete(request())
        assert done.usage == Usage(await engine.count(ASK), 0, 20, calls=1)
        assert done.usage.prompt_tokens == 4 + 2 * 16


async def test_a_prompt_longer_than_its_bound_is_told(server: ScriptedServer) -> None:
    server.default = answer(prompt=500)
    async with opened(server) as engine:
        with pytest.raises(EngineRefused, match="set template_tokens to"):
            await engine.complete(request())


async def test_the_bound_counts_bytes(server: ScriptedServer) -> None:
    async with opened(server, template_tokens=0) as engine:
        assert await engine.count(Prompt((Message(role="user", content="é" * 10),), text="ab")) == 20 + 2 + 2 * 16


@pytest.mark.parametrize("behaviour", [cut, cut_in_body])
async def test_a_cut_connection_may_have_cost_its_bound(server: ScriptedServer, behaviour: Behaviour) -> None:
    server.default = behaviour
    async with opened(server) as engine:
        with pytest.raises(EngineUnavailable, match="broke the connection off") as caught:
            await engine.complete(request())
        assert not caught.value.is_free
        server.default = answer()
        assert (await engine.complete(request())).text == "4"


@pytest.mark.parametrize("behaviour", [hang, drip])
async def test_the_time_limit_is_hard(server: ScriptedServer, behaviour: Behaviour) -> None:
    server.default = behaviour
    async with opened(server, timeout_s=0.3) as engine:
        begun = time.monotonic()
        calls = [engine.complete(request(seed=i)) for i in range(5)]
        for error in await asyncio.gather(*calls, return_exceptions=True):
            assert isinstance(error, EngineUnavailable)
            assert "must answer within 0.3 s" in str(error)
            assert not error.is_free
        assert time.monotonic() - begun < 2
        server.default = answer()
        assert (await engine.complete(request())).text == "4"
    assert server.cancelled == 5


async def test_cancelling_a_call_closes_its_request_at_the_server(server: ScriptedServer) -> None:
    server.default = hang
    async with opened(server) as engine:
        call = asyncio.create_task(engine.complete(request()))
        while not server.open:
            await asyncio.sleep(0.01)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        async with asyncio.timeout(5):
            while not server.cancelled:
                await asyncio.sleep(0.01)


async def test_a_body_without_end_is_cut_off(server: ScriptedServer) -> None:
    async def flood(request: web.Request, sent: dict[str, Any]) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" " * (1 << 20))

    server.default = flood
    async with opened(server) as engine:
        with pytest.raises(EngineUnavailable, match="at most 32 MiB"):
            await engine.complete(request())


async def test_an_unreachable_server_is_named_with_its_remedy() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        engine = OpenAISpec(base_url=f"http://127.0.0.1:{unused.getsockname()[1]}/v1", model="m").open()
        with pytest.raises(EngineUnavailable, match=r"must be reachable.*start the server or fix base_url") as caught:
            await engine.start()
    assert caught.value.is_free
    await engine.close()


async def test_an_unknown_model_is_refused_with_what_is_there(server: ScriptedServer) -> None:
    server.models = say(200, {"data": [{"id": "abacus-generator"}, {"id": "other"}]})
    engine = OpenAISpec(base_url=server.base_url, model="abacus-generater").open()
    with pytest.raises(EngineRefused, match="did you mean 'abacus-generator'"):
        await engine.start()


async def test_a_server_without_a_list_of_models_is_taken_as_it_is(server: ScriptedServer) -> None:
    server.models = say(404, {})
    async with opened(server, context_length=99) as engine:
        assert engine.capabilities.context_length == 99


async def test_an_engine_must_be_started_first(server: ScriptedServer) -> None:
    engine = OpenAISpec(base_url=server.base_url, model="m").open()
    with pytest.raises(EngineRefused, match="must be started"):
        await engine.complete(request())


async def test_the_key_goes_to_the_server_and_nowhere_else(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANARY_KEY", CANARY)
    spec = OpenAISpec(base_url=server.base_url, model="m", api_key_env="CANARY_KEY")
    errors = []
    engine = spec.open()
    await engine.start()
    try:
        await engine.complete(request())
        assert server.headers[-1]["Authorization"] == f"Bearer {CANARY}"
        for status in (401, 403, 400, 500):
            server.default = say(status, {"error": {"message": f"Incorrect API key provided: {CANARY}"}})
            with pytest.raises((EngineRefused, EngineUnavailable)) as caught:
                await engine.complete(request())
            errors.append(caught.value)
        shown = [repr(spec), spec.model_dump_json(), engine.identity, repr(engine), repr(vars(engine)), str(errors)]
        shown += [repr(e.__cause__) + str(e.__dict__) for e in errors]
        assert not any(CANARY in text for text in shown)
        assert "environment variable CANARY_KEY" in str(errors[0])
        assert "environment variable CANARY_KEY" in str(errors[1])
    finally:
        await engine.close()


@pytest.mark.parametrize("key", [None, "", "two\nlines", "clé"])
async def test_a_key_that_is_missing_or_no_key_is_refused(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, key: str | None
) -> None:
    monkeypatch.delenv("CANARY_KEY", raising=False)
    if key is not None:
        monkeypatch.setenv("CANARY_KEY", key)
    with pytest.raises(EngineRefused, match="the environment variable CANARY_KEY must hold"):
        await OpenAISpec(base_url=server.base_url, model="m", api_key_env="CANARY_KEY").open().start()
    assert server.paths == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"base_url": "127.0.0.1:8000"},
        {"base_url": f"http://user:{CANARY}@host/v1"},
        {"base_url": f"http://host/v1?key={CANARY}"},
        {"base_url": "http://[::1"},
        {"api_key_env": CANARY},
        {"step_mark": "x"},
    ],
)
def test_knobs_out_of_range_are_told_without_the_key(wrong: dict[str, str]) -> None:
    with pytest.raises(UsageError) as caught:
        OpenAISpec(**{"base_url": "http://host/v1", "model": "m", **wrong})
    assert CANARY not in str(caught.value)


def test_engines_differ_by_server_model_revision_and_route() -> None:
    same = {"base_url": "http://a/v1", "model": "m"}
    changed: list[dict[str, Any]] = [{"base_url": "http://b/v1"}, {"model": "n"}, {"revision": "2"}]
    changed += [{"api": "completions"}, {}]
    assert len({OpenAISpec(**{**same, **one}).open().identity for one in changed}) == 5


async def test_a_reward_model_is_read_by_the_pooling_route(server: ScriptedServer) -> None:
    server.speaks_vllm("/pooling", "/v1/models")
    pooled = {"data": [{"index": 0, "data": [[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]]}], "usage": {"prompt_tokens": 30}}
    server.default = say(200, pooled)
    text = "a\nb\n"
    async with opened(server) as engine:
        assert engine.capabilities.read and not engine.capabilities.generate
        whole = await engine.read(Prompt(ASK.messages, text=text))
    async with opened(server, step_separator="\n", step_mark="<x>") as engine:
        steps = await engine.read(Prompt(ASK.messages, text=text))
    assert (whole.values, steps.values) == ((0.1, 0.2, 0.7), (0.2, 0.7))
    assert whole.usage == Usage(prompt_tokens=30, verifier_calls=1)
    assert [sent["messages"][1]["content"] for sent in server.sent] == [text, "a<x>b<x>"]
    assert server.sent[0]["task"] == "token_classify"
    assert server.paths[-1] == "/pooling"


@pytest.mark.parametrize(
    "body", [b"[]", b'{"data": []}', b'{"data": [{"data": [["x"]]}]}', b'{"data":[{"data":[null]}]}']
)
async def test_a_reading_that_cannot_be_read(server: ScriptedServer, body: bytes) -> None:
    server.speaks_vllm("/pooling")
    server.default = say(200, body)
    async with opened(server) as engine:
        with pytest.raises(EngineUnavailable):
            await engine.read(ASK)


async def test_a_server_that_only_writes_does_not_read(server: ScriptedServer) -> None:
    async with opened(server) as engine:
        with pytest.raises(EngineRefused, match="vllm serve MODEL --runner pooling"):
            await engine.read(ASK)


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
