"""How requests end when they do not end well: the client leaves, the engine fails, the server stops."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import openai
import orjson
import pytest
from scripted import SECRET, ScriptedEngine, ScriptedSpec
from serving import JSON, QUESTION, ask, pipeline, serving, single, vote

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.engine import Completion, Prompt, Request
from ponder.orchestrator.errors import EngineUnavailable, ShapeError
from ponder.orchestrator.server.accounts import Accounts
from ponder.orchestrator.server.app import create_app
from ponder.orchestrator.server.keys import Key, Keys
from ponder.orchestrator.server.listener import Listener
from ponder.orchestrator.server.served import Models, by_name
from ponder.orchestrator.types import Finish
from ponder.strategies import Sample

HERE = Path(__file__).parent
ALICE = Key(name="alice", digest=hashlib.sha256(b"pk-alice-0123").hexdigest(), budget=Budget(calls=9))
AS_ALICE = [*JSON, ("authorization", "Bearer pk-alice-0123")]


def wait_until(holds: Callable[[], bool], within_s: float = 5.0) -> None:
    end = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < end, "it did not come to hold in time"
        time.sleep(0.01)


def request_bytes(body: dict[str, object]) -> bytes:
    data = orjson.dumps(body)
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: {len(data)}\r\n"
    return head.encode() + b"content-type: application/json\r\n\r\n" + data


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_cancels_its_run(stream: bool) -> None:
    model = pipeline("slow", Sample(n=6), engine=ScriptedSpec(name="leaves", latency_s=60))
    with serving([model], keep_alive_s=0.1) as server:
        engine = ScriptedEngine.opened["leaves"]
        address = server.url.removeprefix("http://").split(":")
        with socket.create_connection((address[0], int(address[1]))) as client:
            client.sendall(request_bytes({"model": "slow", "messages": QUESTION, "stream": stream}))
            wait_until(lambda: engine.in_flight == 6)
            if stream:
                while b"keep-alive" not in client.recv(4096):
                    pass
        wait_until(lambda: engine.in_flight == 0, within_s=1.0)
        assert engine.cancelled == 6
        wait_until(lambda: len(server.app.state.runs) == 0, within_s=1.0)


async def test_a_cancelled_call_of_the_async_client_cancels_its_run() -> None:
    model = single("slow", ScriptedSpec(name="cancelled", latency_s=60))
    with serving([model]) as server:
        engine = ScriptedEngine.opened["cancelled"]
        async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="any") as client:
            with pytest.raises(asyncio.TimeoutError):
                async with asyncio.timeout(0.5):
                    await client.chat.completions.create(model="slow", messages=QUESTION)
        await asyncio.to_thread(wait_until, lambda: engine.cancelled == 1 and engine.in_flight == 0, 1.0)


@pytest.mark.parametrize(("fault", "status"), [("unavailable", 503), ("refused", 400), ("crash", 500)])
def test_an_engine_that_fails_is_told_without_internals(fault: str, status: int) -> None:
    with serving([single(fault, ScriptedSpec(name=fault, fault=fault))]) as server:
        body = {"model": fault, "messages": QUESTION}
        response = httpx.post(f"{server.url}/v1/chat/completions", json=body, timeout=20)
        assert response.status_code == status
        assert ("retry-after" in response.headers) == (status == 503)
        error = response.json()["error"]
        assert response.headers["x-request-id"] in error["message"]
        assert "10.0.0.9" not in response.text and SECRET not in response.text
        client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="any", max_retries=0)
        with client, pytest.raises(openai.APIError, match="log says") as told:
            list(client.chat.completions.create(model=fault, messages=QUESTION, stream=True))
        assert SECRET not in str(told.value)


def test_an_error_after_the_stream_began_is_told_in_it() -> None:
    with serving([single("late", ScriptedSpec(name="late", fault="refused", latency_s=0.8))]) as server:
        body = {"model": "late", "messages": QUESTION, "stream": True}
        response = httpx.post(f"{server.url}/v1/chat/completions", json=body, timeout=20)
        assert response.status_code == 200
        events = [line for line in response.text.split("\n") if line.startswith("data: ")]
        assert '"role":"assistant"' in events[0]
        assert orjson.loads(events[1][6:])["error"]["code"] == "engine_refused"
        assert events[2:] == ["data: [DONE]"]


def test_one_lost_sample_costs_one_sample() -> None:
    class Flaky(ScriptedEngine):
        failed = False

        def _fail(self) -> None:
            if self.done == 3 and not self.failed:
                self.failed = True
                super()._fail()

    class FlakySpec(ScriptedSpec):
        def open(self) -> ScriptedEngine:
            return Flaky(self)

    spec = FlakySpec(name="flaky", fault="refused")
    with serving([pipeline("flaky", Sample(n=5), engine=spec)]) as server:
        body = {"model": "flaky", "messages": QUESTION, "n": 5}
        response = httpx.post(f"{server.url}/v1/chat/completions", json=body, timeout=20)
        assert response.status_code == 200
        assert len(response.json()["choices"]) == 4
        assert orjson.loads(response.headers["x-ponder-usage"])["failures"] == 1


@pytest.mark.parametrize(
    ("wanted_s", "most_s", "status", "code"),
    [(0.2, None, 402, "budget_exceeded"), (None, 0.2, 503, "deadline_exceeded"), (5.0, 0.2, 503, "deadline_exceeded")],
)
def test_a_deadline_ends_a_request(wanted_s: float | None, most_s: float | None, status: int, code: str) -> None:
    slow = single("slow", ScriptedSpec(name="deadline", latency_s=60))
    with serving([slow], budget=Budget(seconds=most_s)) as server:
        body = {"model": "slow", "messages": QUESTION, "ponder": {"budget": {"seconds": wanted_s}}}
        begun = time.monotonic()
        response = httpx.post(f"{server.url}/v1/chat/completions", json=body, timeout=20)
        assert time.monotonic() - begun < 2
        assert (response.status_code, response.json()["error"]["code"]) == (status, code)
        assert response.headers["x-should-retry"] == "false"
        assert ("seconds" if status == 402 else "within the 0.2 s") in response.json()["error"]["message"]
        assert ScriptedEngine.opened["deadline"].in_flight == 0


def test_runs_are_bounded() -> None:
    with serving([single("slow", ScriptedSpec(name="bounded", latency_s=0.5))], most_runs=2, most_waiting=0) as server:
        with openai.OpenAI(base_url=f"{server.url}/v1", api_key="any", max_retries=0) as client:
            statuses: list[int] = []

            def call() -> None:
                try:
                    client.chat.completions.create(model="slow", messages=QUESTION)
                    statuses.append(200)
                except openai.APIStatusError as error:
                    assert error.response.headers["retry-after"]
                    statuses.append(error.status_code)

            threads = [threading.Thread(target=call) for _ in range(5)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert sorted(statuses) == [200, 200, 429, 429, 429]


async def test_a_cut_candidate_is_still_an_answer() -> None:
    app = create_app({"x": single("x", ScriptedSpec(name="x", text="half a", finish=Finish.TOTAL_LENGTH))})
    async with app.router.lifespan_context(app):
        response = await ask(app, {"model": "x", "messages": QUESTION})
    assert response.json["choices"][0]["message"]["content"] == "half a"
    assert response.json["choices"][0]["finish_reason"] == "length"


async def test_equal_specs_share_one_engine_and_its_limit() -> None:
    shared, other = ScriptedSpec(name="shared", max_in_flight=3, latency_s=0.05), ScriptedSpec(name="other")
    models = Models(
        by_name([pipeline("a", Sample(n=4), engine=shared), vote("b", 4, shared), single("c", engine=other)])
    )
    await models.open()
    await models.open()
    engine = ScriptedEngine.opened["shared"]
    assert models["a"].engines["generator"] is models["b"].engines["generator"] is engine
    assert models["c"].engines["generator"] is ScriptedEngine.opened["other"]
    assert engine.starts == 1
    app = create_app({"a": pipeline("a", Sample(n=4), engine=shared), "b": vote("b", 4, shared)})
    async with app.router.lifespan_context(app):
        engine = ScriptedEngine.opened["shared"]
        bodies = [{"model": name, "messages": QUESTION, "seed": i} for i in range(4) for name in "ab"]
        answers = await asyncio.gather(*(ask(app, body) for body in bodies))
        assert {answer.status for answer in answers} == {200}
        assert engine.most_in_flight == 3
    await models.close()
    await models.close()
    assert engine.closes == 1


async def test_an_engine_that_does_not_start_closes_the_others() -> None:
    good, dead = ScriptedSpec(name="good"), ScriptedSpec(name="dead", fault="dead")
    models = Models(by_name([single("a", good), single("b", dead)]))
    with pytest.raises(EngineUnavailable):
        await models.open()
    assert not models.is_ready
    assert ScriptedEngine.opened["good"].closes == 1
    listener = Listener(create_app({"b": single("b", dead)}))
    with pytest.raises(EngineUnavailable):
        await listener.serve([])


async def test_an_engine_that_cannot_do_what_is_served_is_refused_at_the_start() -> None:
    models = Models(by_name([pipeline("a", Sample(json_schema="{}"), engine=ScriptedSpec(name="formless"))]))
    with pytest.raises(ShapeError, match="hold what it writes to a JSON schema"):
        await models.open()
    assert not models.is_ready and ScriptedEngine.opened["formless"].closes == 1


@pytest.mark.parametrize("budget", [Budget(), Budget(calls=9)], ids=["no budget", "a budget"])
async def test_an_engine_that_does_not_count_a_prompt_holds_no_request_beyond_its_deadline(budget: Budget) -> None:
    class Mute(ScriptedEngine):
        async def count(self, prompt: Prompt) -> int:
            await asyncio.sleep(60)
            return 1

    class MuteSpec(ScriptedSpec):
        def open(self) -> ScriptedEngine:
            return Mute(self)

    app = create_app({"x": single("x", MuteSpec())}, keys=Keys([ALICE.model_copy(update={"budget": budget})]))
    body = {"model": "x", "messages": QUESTION, "ponder": {"budget": {"seconds": 0.2}}}
    async with app.router.lifespan_context(app), asyncio.timeout(10):
        response = await ask(app, body, headers=AS_ALICE)
    assert (response.status, response.error["code"]) == (402, "budget_exceeded")
    assert "seconds" in response.error["message"]


async def test_a_server_that_closes_writes_what_its_runs_have_paid(tmp_path: Path) -> None:
    class Slow(ScriptedEngine):
        async def complete(self, request: Request) -> Completion:
            try:
                return await super().complete(request)
            finally:
                await asyncio.sleep(0.1)

    class SlowSpec(ScriptedSpec):
        def open(self) -> ScriptedEngine:
            ScriptedEngine.opened[self.name] = Slow(self)
            return ScriptedEngine.opened[self.name]

    keys = Keys([ALICE])
    model = pipeline("x", Sample(n=3), engine=SlowSpec(name="stopped", latency_s=60, max_in_flight=1))
    app = create_app({"x": model}, keys=keys, accounts=Accounts(keys, tmp_path / "accounts"))
    async with app.router.lifespan_context(app):
        asked = asyncio.create_task(ask(app, {"model": "x", "messages": QUESTION}, headers=AS_ALICE))
        while not ScriptedEngine.opened["stopped"].in_flight:
            await asyncio.sleep(0.01)
        app.state.runs.cancel()  # as at the end of a drain, before the server closes
        await asyncio.sleep(0.02)
    assert (await asked).status == 503
    accounts = Accounts(keys, tmp_path / "accounts")
    assert (await accounts.spent("alice")).calls == 1  # of three that were leased, one was begun
    await accounts.close()


def test_draining_lets_a_request_end() -> None:
    model = single("slow", ScriptedSpec(name="drains", latency_s=1.0))
    with serving([model]) as server, openai.OpenAI(base_url=f"{server.url}/v1", api_key="any") as client:
        engine = ScriptedEngine.opened["drains"]
        answers: list[str | None] = []

        def call(stream: bool) -> None:
            if not stream:
                answer = client.chat.completions.create(model="slow", messages=QUESTION)
                return answers.append(answer.choices[0].message.content)
            chunks = client.chat.completions.create(model="slow", messages=QUESTION, stream=True)
            answers.append("".join(chunk.choices[0].delta.content or "" for chunk in chunks))

        threads = [threading.Thread(target=call, args=[stream]) for stream in (False, True)]
        for thread in threads:
            thread.start()
        wait_until(lambda: engine.in_flight == 2)
        server.listener.should_exit = True
        wait_until(lambda: server.app.state.runs.is_closing)
        with pytest.raises(httpx.TransportError):
            httpx.get(f"{server.url}/health")
        for thread in threads:
            thread.join()
        assert answers == ["the answer"] * 2
        server.thread.join(5)
        assert engine.closes >= 1 and engine.cancelled == 0


@pytest.mark.parametrize("stream", [False, True])
def test_who_still_waits_after_draining_is_told(stream: bool) -> None:
    model = single("slow", ScriptedSpec(name="told", latency_s=60))
    with serving([model], drain_s=0.3) as server:
        engine = ScriptedEngine.opened["told"]
        threading.Thread(
            target=lambda: (
                wait_until(lambda: engine.in_flight == 1),
                time.sleep(0.7),
                setattr(server.listener, "should_exit", True),
            )
        ).start()
        client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="any", max_retries=0)
        with client, pytest.raises(openai.APIError, match="closed before") as told:
            list(client.chat.completions.create(model="slow", messages=QUESTION, stream=stream))
        assert told.value.code == "closing"
        assert engine.in_flight == 0


CHILD = """
import sys
sys.path.insert(0, {here!r})
from ponder.orchestrator.server.serve import serve
from scripted import ScriptedSpec
from serving import single
model = single("slow", ScriptedSpec(latency_s={latency}))
serve([model], port=0, drain_s=60, on_ready=lambda url: print(url, flush=True))
print("ended")
"""


@pytest.mark.parametrize(("latency", "signals"), [(1.0, 1), (60.0, 2)])
def test_a_signal_drains_and_a_second_ends(latency: float, signals: int) -> None:
    script = CHILD.format(here=str(HERE), latency=latency)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", script], **pipes) as child:
        try:
            url = child.stdout.readline().strip()
            body = {"model": "slow", "messages": QUESTION}
            responses: list[httpx.Response] = []
            call = threading.Thread(
                target=lambda: responses.append(httpx.post(f"{url}/v1/chat/completions", json=body, timeout=30))
            )
            call.start()
            time.sleep(0.4)
            for _ in range(signals):
                child.send_signal(signal.SIGTERM)
                time.sleep(0.4)
            out, err = child.communicate(timeout=10)
            call.join(5)
        finally:
            child.kill()
    assert (child.returncode, out, err) == (0, "ended\n", "")
    assert responses[0].status_code == (200 if signals == 1 else 503)


async def test_a_signal_need_not_wait_for_engines_that_start() -> None:
    ready: list[bool] = []
    app = create_app({"x": single("x", ScriptedSpec(name="starts", start_s=60))})
    listener = Listener(app, on_ready=lambda: ready.append(True))
    serving = asyncio.create_task(listener.serve([]))
    while "starts" not in ScriptedEngine.opened or not ScriptedEngine.opened["starts"].starts:
        await asyncio.sleep(0.01)
    signal.raise_signal(signal.SIGTERM)
    async with asyncio.timeout(2):
        await serving
    assert ready == []
    assert ScriptedEngine.opened["starts"].closes >= 1


def test_what_a_server_holds_is_kept_from_the_collector_until_it_stops() -> None:
    with serving([single("one")]):
        assert gc.get_freeze_count() > 0
    assert gc.get_freeze_count() == 0
