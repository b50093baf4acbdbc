"""Images over the OpenAI API: the real openai client against a real server over closed-form mixtures."""

from __future__ import annotations

import asyncio
import base64
import socket
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import openai
import orjson
import pytest
from image_serving import BROKEN, MIXTURE, Slow, search, stepwise
from serving import QUESTION, Serving, ask, serving, vote
from test_server_ends import wait_until

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.canonical import stable_id
from ponder.orchestrator.plan import Plan
from ponder.orchestrator.png import png
from ponder.orchestrator.run import run
from ponder.orchestrator.runtime import Done, Runtime, Task
from ponder.orchestrator.server.app import create_app
from ponder.orchestrator.server.images import _whole
from ponder.orchestrator.server.refusal import Refusal
from ponder.orchestrator.server.served import by_name
from ponder.orchestrator.shape import Shape
from ponder.orchestrator.types import Finish, Message, Query, Result, Usage

PROMPT = "a picture of 2"
PATH = "/v1/images/generations"


@pytest.fixture(scope="module")
def server() -> Iterator[Serving]:
    models = [search("search"), stepwise("stepwise"), search("broken", denoiser=BROKEN), vote("words", n=2)]
    with serving(models) as server:
        yield server


@pytest.fixture(scope="module")
def client(server: Serving) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="any", max_retries=0) as client:
        yield client


def run_directly(name: str, seed: int, budget: Budget = Budget()) -> Result:
    async def run() -> Result:
        strategy = search(name) if name == "search" else stepwise(name)
        messages = (Message(role="user", content=PROMPT),)
        query = Query(id=stable_id(messages), messages=messages)
        async with Runtime(strategy.engines) as runtime:
            task = Task(id=query.id, strategy=strategy, query=query, seed=seed, budget=budget)
            return (await runtime.execute(task, budget)).result

    return asyncio.run(run())


def pngs(response: openai.types.ImagesResponse) -> list[bytes]:
    return [base64.b64decode(each.b64_json) for each in response.data]


@pytest.mark.parametrize("name", ["search", "stepwise"])
def test_an_image_is_the_best_of_the_run(client: openai.OpenAI, name: str) -> None:
    raw = client.images.with_raw_response.generate(model=name, prompt=PROMPT, extra_body={"seed": 7})
    answer, result = raw.parse(), run_directly(name, 7)
    assert pngs(answer) == [png(result.best.image)]
    assert answer.size == "3x2"
    assert answer.output_format == "png"
    assert (answer.usage.input_tokens, answer.usage.output_tokens, answer.usage.total_tokens) == (0, 0, 0)
    spent = orjson.loads(raw.headers["x-ponder-usage"])
    assert {**result.usage.as_dict(), "candidates": len(result.candidates), "failures": 0} == spent
    assert spent["nfe"] == {"search": 16, "stepwise": 12}[name]
    assert spent["compute_ns"] == spent["nfe"] * 1_000_000
    assert raw.headers["x-ponder-stopped"] == "done"
    assert answer.model_extra["ponder"] == {"usage": spent, "stopped": "done", "reason": "", "seed": 7}


def test_the_seed_it_drew_gives_the_same_image_again(client: openai.OpenAI) -> None:
    first = client.images.with_raw_response.generate(model="search", prompt=PROMPT)
    again = client.images.generate(
        model="search", prompt=PROMPT, extra_body={"seed": int(first.headers["x-ponder-seed"])}
    )
    assert again.data == first.parse().data


def test_n_gives_the_best_images_of_one_run(client: openai.OpenAI) -> None:
    answer = client.images.generate(model="search", prompt=PROMPT, n=3, extra_body={"seed": 7})
    assert pngs(answer) == [png(each.image) for each in run_directly("search", 7).candidates[:3]]
    with pytest.raises(openai.BadRequestError, match="at most 4") as error:
        client.images.generate(model="search", prompt=PROMPT, n=5)
    assert error.value.param == "n"


def test_what_asks_for_nothing_else_is_taken(client: openai.OpenAI) -> None:
    plain = client.images.generate(model="search", prompt=PROMPT, extra_body={"seed": 7})
    dressed = client.images.generate(
        model="search",
        prompt=PROMPT,
        size="3x2",
        quality="auto",
        background="opaque",
        moderation="auto",
        output_format="png",
        output_compression=100,
        response_format="b64_json",
        partial_images=0,
        stream=False,
        style=None,
        user="someone",
        extra_body={"seed": 7, "ponder": {"budget": {"nfe": 100}}},
    )
    assert dressed.data == plain.data


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"model": None}, "model"),
        ({"model": "nobody"}, "model"),
        ({"model": "words"}, "model"),
        ({"prompt": None}, "prompt"),
        ({"prompt": ""}, "prompt"),
        ({"prompt": "  \n"}, "prompt"),
        ({"prompt": 7}, "prompt"),
        ({"prompt": "x" * 32_001}, "prompt"),
        ({"n": 0}, "n"),
        ({"n": "2"}, "n"),
        ({"n": 129}, "n"),
        ({"size": "1024x1024"}, "size"),
        ({"size": "2x3"}, "size"),
        ({"size": "large"}, "size"),
        ({"size": 7}, "size"),
        ({"response_format": "url"}, "response_format"),
        ({"output_format": "jpeg"}, "output_format"),
        ({"output_compression": 50}, "output_compression"),
        ({"quality": "hd"}, "quality"),
        ({"style": "vivid"}, "style"),
        ({"background": "transparent"}, "background"),
        ({"moderation": "none"}, "moderation"),
        ({"partial_images": 2}, "partial_images"),
        ({"stream": True}, "stream"),
        ({"complexity": "low"}, "complexity"),
        ({"reasoning_effort": "low"}, "reasoning_effort"),
        ({"seed": 2**63}, "seed"),
        ({"seed": True}, "seed"),
        ({"ponder": {"budget": {"nfe": -1}}}, "ponder.budget.nfe"),
        ({"ponder": {"budget": {"compute_seconds": 1e300}}}, "ponder.budget.compute_seconds"),
        ({"ponder": {"effort": "low"}}, "ponder.effort"),
        ({"temperature": 1.0}, "temperature"),
        ({"image": "data:"}, "image"),
    ],
)
def test_what_is_not_offered_is_refused_by_name(server: Serving, asked: dict[str, Any], param: str) -> None:
    response = httpx.post(f"{server.url}{PATH}", json={"model": "search", "prompt": PROMPT, **asked})
    assert response.status_code == (404 if asked == {"model": "nobody"} else 400), response.text
    assert response.json()["error"]["param"] == param


def test_models_are_asked_where_they_answer(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="makes texts, not images; ask it at POST /v1/chat") as error:
        client.images.generate(model="words", prompt=PROMPT)
    assert (error.value.param, error.value.code) == ("model", "wrong_endpoint")
    with pytest.raises(openai.BadRequestError, match="makes images, not texts; ask it at POST /v1/images") as error:
        client.chat.completions.create(model="search", messages=QUESTION)
    assert (error.value.param, error.value.code) == ("model", "wrong_endpoint")


def test_a_budget_of_a_request_ends_its_search(client: openai.OpenAI) -> None:
    def asked(nfe: int) -> Any:
        body = {"seed": 7, "ponder": {"budget": {"nfe": nfe}}}
        return client.images.with_raw_response.generate(model="search", prompt=PROMPT, n=4, extra_body=body)

    short = asked(11)
    assert pngs(short.parse()) == [png(each.image) for each in run_directly("search", 7, Budget(nfe=11)).candidates]
    assert len(short.parse().data) == 2
    assert short.headers["x-ponder-stopped"] == "budget"
    with pytest.raises(openai.APIStatusError) as error:
        asked(3)
    assert error.value.status_code == 402
    assert error.value.response.headers["x-should-retry"] == "false"


def test_a_stepwise_search_that_a_budget_ends_gives_a_whole_image(client: openai.OpenAI) -> None:
    body = {"seed": 7, "ponder": {"budget": {"nfe": 7}}}
    answer = client.images.generate(model="stepwise", prompt=PROMPT, extra_body=body)
    best = run_directly("stepwise", 7, Budget(nfe=7)).best
    assert best.latent.t == 0.0
    assert pngs(answer) == [png(best.image)]


def test_the_operator_caps_what_a_request_may_cost() -> None:
    with serving([search("search")], budget=Budget(nfe=8)) as server:
        body = {"model": "search", "prompt": PROMPT, "n": 4, "ponder": {"budget": {"nfe": 100}}}
        response = httpx.post(f"{server.url}{PATH}", json=body)
        assert len(response.json()["data"]) == 2


def test_a_model_that_gives_nan_gives_no_image(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="log says why") as error:
        client.images.generate(model="broken", prompt=PROMPT)
    assert error.value.code == "engine_refused"


def test_a_prompt_that_cannot_be_shown_is_refused() -> None:
    async def refused() -> Any:
        told = search("told")
        strategy = told.last.strategy.model_copy(update={"conditional": True})
        app = create_app(by_name([type(told).series(strategy, name="told", engines=told.engines)]))
        async with app.router.lifespan_context(app):
            return await ask(app, {"model": "told", "prompt": "a picture of 9"}, path=PATH)

    response = asyncio.run(refused())
    assert (response.status, response.error["code"]) == (400, "engine_refused")


def test_a_client_that_leaves_cancels_its_run() -> None:
    slow = Slow(means=MIXTURE.means, shape=MIXTURE.shape)
    with serving([search("slow", n=3, denoiser=slow)]) as server:
        host, port = server.url.removeprefix("http://").split(":")
        body = orjson.dumps({"model": "slow", "prompt": PROMPT})
        head = f"POST {PATH} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {len(body)}\r\n"
        with socket.create_connection((host, int(port))) as client:
            client.sendall(head.encode() + b"content-type: application/json\r\n\r\n" + body)
            assert Slow.entered.wait(5)
        wait_until(lambda: len(server.app.state.runs) == 0)
        Slow.let_go.set()
    assert Slow.evaluations == [3]


def test_a_key_opens_it_and_a_closing_server_does_not() -> None:
    from ponder.orchestrator.server.keys import Keys

    body = {"model": "search", "prompt": PROMPT}
    with serving([search("search")], keys=Keys.load(None, {"PONDER_API_KEYS": "a-long-enough-key"})) as server:
        assert httpx.post(f"{server.url}{PATH}", json=body).status_code == 401
        headers = {"authorization": "Bearer a-long-enough-key"}
        assert httpx.post(f"{server.url}{PATH}", json=body, headers=headers).status_code == 200
        server.app.state.runs.close()
        assert httpx.post(f"{server.url}{PATH}", json=body, headers=headers).json()["error"]["code"] == "closing"


def test_what_is_half_made_is_never_sent() -> None:
    """Of a result that holds a state on its way beside an image, the image alone; of the state alone, a refusal."""
    result = run(search("half"), "a 1")
    whole = result.best
    assert whole is not None
    half = whole.with_finish(Finish.STEP)
    done = Done("task", replace(result, candidates=(half, whole)), Usage())
    assert _whole(done, "id").candidates == (whole,)
    with pytest.raises(Refusal):
        _whole(Done("task", replace(result, candidates=(half,), stopped="budget"), Usage()), "id")


def test_no_more_is_asked_than_a_search_gives() -> None:
    most = {n: stepwise("most", n=n).infer(Shape(), Plan()).most for n in (1, 4)}
    assert most == {1: 1, 4: 1}
