"""The openai engine against a real server on loopback: what it sends, reads and finds out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
from scripted_server import (
    ASK,
    ScriptedServer,
    answer,
    choice,
    opened,
    request,
    say,
    serving,
    tokenizer,
)

from ponder.orchestrator.canonical import canonical_json
from ponder.orchestrator.draw import COMPLETION
from ponder.orchestrator.engine import LOWEST_LOGPROB, Engine, Prompt, check_fits
from ponder.orchestrator.engines.openai import OpenAISpec
from ponder.orchestrator.engines.openai_wire import Dialect
from ponder.orchestrator.errors import EngineRefused, EngineUnavailable
from ponder.orchestrator.types import Finish, Message, Usage


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with serving() as scripted:
        yield scripted


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


@pytest.mark.parametrize("impossible", ["null", "-9999.0", "-1e300"])
async def test_log_probabilities_have_a_floor(server: ScriptedServer, impossible: str) -> None:
    server.speaks_vllm("/v1/chat/completions", "/tokenize", max_model_len=2048)
    least = orjson.loads(impossible)
    ranks = [{"token": "token_id:8", "logprob": -1.0}, {"token": "token_id:9", "logprob": least}]
    token = {"token": "token_id:5", "logprob": least, "top_logprobs": ranks}
    server.default = answer(choice("4", token_ids=[5], logprobs={"content": [token]}))
    async with opened(server) as engine:
        done = await engine.complete(request(logprobs=True, top_logprobs=2, labels=(9, 8)))
    assert (done.logprobs, done.label_logprobs) == ((LOWEST_LOGPROB,), (LOWEST_LOGPROB, -1.0))
    assert done.confidences == ((1.0 - LOWEST_LOGPROB) / 2,)
    assert COMPLETION.validate_json(canonical_json(done)) == done


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
    assert done.usage == Usage(10, 8, 2, verifier_calls=1)
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


async def test_confidence_leaves_out_what_a_server_lists_beyond_the_ranks(server: ScriptedServer) -> None:
    token = {"token": "4", "logprob": -9.0, "top_logprobs": [{"logprob": -9.0}, {"logprob": -1.0}, {"logprob": -2.0}]}
    server.default = answer(choice("4", logprobs={"content": [token]}))
    async with opened(server) as engine:
        done = await engine.complete(request(top_logprobs=2))
    assert (done.confidences, done.logprobs) == ((1.5,), None)
    assert server.sent[-1]["logprobs"] is True and server.sent[-1]["top_logprobs"] == 2


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


def test_engines_differ_by_server_model_revision_and_route() -> None:
    same = {"base_url": "http://a/v1", "model": "m"}
    changed: list[dict[str, Any]] = [{"base_url": "http://b/v1"}, {"model": "n"}, {"revision": "2"}]
    changed += [{"api": "completions"}, {"reads": "score"}, {}]
    assert len({OpenAISpec(**{**same, **one}).open().identity for one in changed}) == 6


COUNTED = {"prompt_tokens": 14, "total_tokens": 14, "completion_tokens": 0, "prompt_tokens_details": None}
STEPS = {"index": 0, "object": "pooling", "data": [[0.017, 0.983], [0.473, 0.527]]}
WHOLE = {"index": 0, "object": "pooling", "data": [0.473, 0.527]}
NO_MARK = {"index": 0, "object": "pooling", "data": []}
CLASSIFIED = {"index": 0, "label": "right", "probs": [0.473, 0.527], "num_classes": 2}
SCORED = {"index": 0, "object": "score", "score": 0.666}


@pytest.mark.parametrize(
    ("route", "told", "rows"),
    [
        ("pooling", STEPS, ((0.017, 0.983), (0.473, 0.527))),
        ("pooling", WHOLE, ((0.473, 0.527),)),
        ("pooling", NO_MARK, ()),
        ("classify", CLASSIFIED, ((0.473, 0.527),)),
        ("score", SCORED, ((0.666,),)),
    ],
)
@pytest.mark.parametrize("is_named", [True, False])
async def test_a_reward_model_is_read_by_the_route_that_there_is(
    server: ScriptedServer, route: str, told: dict[str, Any], rows: tuple[tuple[float, ...], ...], is_named: bool
) -> None:
    """The answers are what vLLM 0.32 gives, numbers shortened."""
    server.speaks_vllm(f"/{route}", "/v1/models")
    if is_named:
        server.pages = say(404, {})
    server.default = say(200, {"id": "x", "object": "list", "model": "m", "data": [told], "usage": COUNTED})
    async with opened(server, **({"reads": route} if is_named else {})) as engine:
        assert engine.capabilities.read and engine.capabilities.generate == is_named
        reading = await engine.read(Prompt(ASK.messages, text="a\nb\n"))
    assert reading.rows == rows
    assert reading.usage == Usage(prompt_tokens=14, verifier_calls=1)
    turns = [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "a\nb\n"}]
    chat = {"messages": turns, "continue_final_message": True, "add_generation_prompt": False}
    assert server.sent == [{"model": "m", **({"text_1": "2+2?", "text_2": "a\nb\n"} if route == "score" else chat)}]
    assert server.paths[-1] == f"/{route}"


async def test_pooling_is_preferred_as_vllm_shows_routes_that_it_then_refuses(server: ScriptedServer) -> None:
    server.speaks_vllm("/classify", "/pooling", "/score")
    server.default = say(200, {"data": [STEPS], "usage": COUNTED})
    async with opened(server) as engine:
        await engine.read(ASK)
    assert server.paths[-1] == "/pooling"


async def test_a_text_without_messages_is_read_as_it_stands(server: ScriptedServer) -> None:
    plain = Prompt((), text="q a\n")
    server.speaks_vllm("/pooling")
    server.default = say(200, {"data": [STEPS], "usage": COUNTED})
    async with opened(server) as engine:
        await engine.read(plain)
    server.speaks_vllm("/pooling", "/tokenize")
    server.tokenize = tokenizer
    async with opened(server) as engine:
        await engine.read(plain)
        assert await engine.count(plain) == 4
    assert server.sent == [{"model": "m", "input": "q a\n"}, {"model": "m", "input": list(b"q a\n")}]
    async with opened(server, reads="score") as engine:
        with pytest.raises(EngineRefused, match="must have a question and a response"):
            await engine.read(plain)


async def test_a_text_without_messages_is_continued_by_completions_alone(server: ScriptedServer) -> None:
    plain = Prompt((), text="q a")
    server.default = answer({"index": 0, "text": "4", "finish_reason": "stop"})
    async with opened(server, api="completions") as engine:
        await engine.complete(request(prompt=plain))
    server.speaks_vllm()
    async with opened(server) as engine:
        with pytest.raises(EngineRefused, match='set api = "completions"'):
            await engine.complete(request(prompt=plain))
    assert [sent["prompt"] for sent in server.sent] == ["q a"]


async def test_what_is_scored_is_no_exact_count(server: ScriptedServer) -> None:
    """A server joins question and response by a template of its own."""
    server.speaks_vllm("/score", "/tokenize")
    async with opened(server) as engine:
        assert not engine.capabilities.exact_count
        assert await engine.count(Prompt(ASK.messages, text="a")) == 4 + 1 + 2 * 16 + 128


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


async def test_a_text_is_continued_by_ids_where_the_server_makes_them(server: ScriptedServer) -> None:
    server.speaks_vllm("/v1/chat/completions", "/v1/completions", "/tokenize")
    server.tokenize = tokenizer
    server.default = answer({"index": 0, "text": " 4", "finish_reason": "stop"}, prompt=8)
    begun = Prompt(ASK.messages, text="It is")
    async with opened(server) as engine:
        assert engine.capabilities.continue_prefix
        assert await engine.count(begun) == 4 + 5
        first, second = [await engine.complete(request(seed, begun, logprobs=False)) for seed in (1, 2)]
    assert first.text == second.text == " 4"
    assert [sent["prompt"] for sent in server.sent] == [list(b"2+2?It is")] * 2
    assert server.paths.count("/v1/completions") == 2
    assert server.paths.count("/tokenize") == 1 + 2


async def test_a_long_prompt_is_counted_exactly_where_the_server_can(server: ScriptedServer) -> None:
    long = Prompt((Message(role="user", content="x" * 2000),))
    server.speaks_vllm("/v1/chat/completions", "/tokenize")
    server.tokenize = tokenizer
    async with opened(server) as engine:
        assert await engine.count(long) == 2000
        assert await engine.count(ASK) > 4
        server.default = answer(usage=None)
        assert (await engine.complete(request(prompt=long))).usage.prompt_tokens == 2000


async def test_a_reward_model_reads_ids_where_the_server_makes_them(server: ScriptedServer) -> None:
    server.speaks_vllm("/pooling", "/tokenize")
    server.tokenize = tokenizer
    server.default = say(200, {"data": [{"data": [0.25]}], "usage": {"prompt_tokens": 8}})
    asked = Prompt(ASK.messages, text="a<x>")
    async with opened(server) as engine:
        assert await engine.count(asked) == 8
        assert (await engine.read(asked)).rows == ((0.25,),)
        with pytest.raises(EngineRefused, match="must have the route chat/completions"):
            await engine.complete(request())
    assert server.sent == [{"model": "m", "input": list(b"2+2?a<x>")}]


def test_a_count_of_bytes_is_no_exact_count() -> None:
    assert not Dialect("chat").capabilities(4096).exact_count
    assert Dialect("chat", tokenizes=True).capabilities(4096).exact_count
    check_fits(Dialect("chat").capabilities(4096), 10_000, 512, "generator")
