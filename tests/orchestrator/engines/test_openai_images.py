"""Images in prompts, against a real server on loopback: what is sent, counted, keyed and refused."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web
from scripted_server import ASK, ScriptedServer, answer, choice, opened, request, serving, tokenizer

from ponder.orchestrator.budget import Budget, Ledger
from ponder.orchestrator.context import Context, Run
from ponder.orchestrator.draw import Ask
from ponder.orchestrator.engine import Engine, Prompt, Sampling
from ponder.orchestrator.engines.simulated import SimulatedSpec
from ponder.orchestrator.errors import EngineRefused
from ponder.orchestrator.images import Image
from ponder.orchestrator.journal import Journal, Memory
from ponder.orchestrator.png import png
from ponder.orchestrator.types import Candidate, Finish, Message, Query, Score
from ponder.orchestrator.verifier import Verifier
from ponder.verifiers import IMAGE_AXES, Rubric, ScalarJudge
from ponder.verifiers.judge import NUMBERING, PICTURED

BLACK, WHITE = Image(2, 1, 1, b"\0\0"), Image(2, 1, 3, b"\xff" * 6)
SHOWN = replace(ASK, images=(BLACK, WHITE))


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with serving() as scripted:
        yield scripted


def url_of(image: Image) -> str:
    return "data:image/png;base64," + base64.b64encode(png(image)).decode()


def context(engine: Engine) -> Context:
    engines, gates = {"generator": engine}, {"generator": nullcontext()}
    return Context(Run("task", engines, gates, Ledger(Budget()), Ledger(Budget()), Journal(Memory())), "test")


async def scores(engine: Engine, verifier: Verifier, *images: Image) -> list[Score]:
    candidates = [Candidate((), "", Finish.EOS, index=i, image=image) for i, image in enumerate(images)]
    judged = await context(engine).score(Query.ask("draw a 3"), candidates, verifier)
    return [candidate.scores[verifier.name] for candidate in judged]


def test_where_a_prompt_says_that_there_is_an_image_is_within_the_bound() -> None:
    assert len(PICTURED.encode()) <= NUMBERING


async def test_images_follow_the_words_of_the_last_message(server: ScriptedServer) -> None:
    async with opened(server, image_tokens=50) as engine:
        assert engine.capabilities.images and engine.capabilities.image_tokens == 50
        plain, shown = await engine.count(ASK), await engine.count(SHOWN)
        await engine.complete(request(prompt=SHOWN))
        await engine.complete(request(prompt=ASK))
    assert shown == plain + 2 * 50
    first, second, third = server.sent[0]["messages"][-1]["content"]
    assert first == {"type": "text", "text": "2+2?"}
    assert [part["image_url"]["url"] for part in (second, third)] == [url_of(BLACK), url_of(WHITE)]
    assert url_of(BLACK).startswith("data:image/png;base64,iVBORw0KGgo")
    assert server.sent[1]["messages"] == [{"role": "user", "content": "2+2?"}]


async def test_images_stay_with_their_message_where_a_text_goes_on(server: ScriptedServer) -> None:
    server.speaks_vllm("/v1/chat/completions", "/v1/completions", "/tokenize")
    server.tokenize = tokenizer
    async with opened(server, image_tokens=50) as engine:
        await engine.complete(request(prompt=replace(SHOWN, text="It is")))
        assert await engine.count(replace(SHOWN, text="It is")) == len("2+2?It is") + 2 * 50
    user, assistant = server.sent[0]["messages"]
    assert [part["type"] for part in user["content"]] == ["text", "image_url", "image_url"]
    assert assistant == {"role": "assistant", "content": "It is"} and server.sent[0]["continue_final_message"]


async def test_a_server_that_makes_more_tokens_of_an_image_is_found_out(server: ScriptedServer) -> None:
    server.default = answer(prompt=5000)
    async with opened(server, image_tokens=50) as engine:
        with pytest.raises(EngineRefused, match="image_tokens higher"):
            await engine.complete(request(prompt=SHOWN))


async def test_a_prompt_without_a_chat_and_a_reward_model_take_no_images(server: ScriptedServer) -> None:
    async with opened(server, api="completions", image_tokens=50) as engine:
        assert not engine.capabilities.images
        with pytest.raises(EngineRefused, match='set api = "chat"'):
            await engine.complete(request(prompt=SHOWN))
        with pytest.raises(EngineRefused, match="must be shown to a model that writes"):
            await engine.read(SHOWN)


async def test_draws_of_other_images_are_other_draws(server: ScriptedServer) -> None:
    sampling, query = Sampling(max_tokens=8), Query.ask("what is it?")
    async with opened(server, image_tokens=50) as engine:
        ctx = context(engine)
        asks = [Ask(query, sampling, images=images) for images in ((BLACK,), (WHITE,), (), (BLACK,))]
        drawn = [await ctx.draw([ask]) for ask in asks]
    assert [len(group) for ((group),) in drawn] == [1] * 4
    assert len({sent["seed"] for sent in server.sent}) == len(server.sent) == 4


@pytest.mark.parametrize("verifier", [ScalarJudge(form="written"), ScalarJudge(), Rubric(items=("It is black.",))])
async def test_an_engine_that_cannot_see_is_refused_with_the_reason(verifier: Verifier) -> None:
    (score,) = await scores(SimulatedSpec().open(), verifier, BLACK)
    assert score.value is None and "must take images in its prompts" in score.detail


async def test_a_written_rating_of_each_image(server: ScriptedServer) -> None:
    async def rate(asked: web.Request, sent: dict[str, Any]) -> web.StreamResponse:
        url = sent["messages"][-1]["content"][1]["image_url"]["url"]
        return await answer(choice(f"So:\n[{1 if url == url_of(BLACK) else 7}]"))(asked, sent)

    server.default = rate
    judge = ScalarJudge(form="written", signed=False, max_tokens=32)
    async with opened(server, image_tokens=50) as engine:
        found = await scores(engine, judge, BLACK, WHITE, BLACK)
        most = judge.bound({"generator": engine}, await engine.count(Prompt(Query.ask("draw a 3").messages)) + 50, 0)
        counts = [await engine.count(Prompt((Message(role="user", content=text),))) for text in texts(server)]
    assert len(server.sent) == 2
    assert [score.value for score in found] == [0.0, 0.75, 0.0]
    assert all(PICTURED in text and "draw a 3" in text for text in texts(server))
    assert max(counts) + 50 <= most.prompt_tokens


async def test_the_axes_of_a_grader_are_a_rubric(server: ScriptedServer) -> None:
    server.speaks_vllm("/v1/chat/completions", "/v1/completions", "/tokenize")
    server.tokenize = tokenizer
    chances = [{"token": f"token_id:{ord(label)}", "logprob": -0.6931471805599453} for label in "YN"]
    token = {"token": "token_id:89", "logprob": -0.69, "top_logprobs": chances}
    server.default = answer(choice("Y", token_ids=[89], logprobs={"content": [token]}), completion=1)
    async with opened(server, image_tokens=50) as engine:
        score, other = await scores(engine, Rubric(items=IMAGE_AXES), WHITE, BLACK)
    assert score.value == pytest.approx(0.5)
    assert score.steps == pytest.approx((0.5,) * 5)
    assert [sum(axis in text for text in texts(server)) for axis in IMAGE_AXES] == [2] * 5
    assert score.usage.verifier_calls == other.usage.verifier_calls == 5


def texts(server: ScriptedServer) -> list[str]:
    return [sent["messages"][-1]["content"][0]["text"] for sent in server.sent]
