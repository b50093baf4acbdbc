"""Runs and those who wait for them: live streams, requests that are sent again, reports, and turns."""

from __future__ import annotations

import asyncio
import hashlib
import time
from types import SimpleNamespace

import httpx
import openai
import orjson
import pytest
from scripted import SECRET, ScriptedEngine, ScriptedSpec
from serving import QUESTION, pipeline, serving, single, vote

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.engine import Completion, Progress, Request, Watch
from ponder.orchestrator.engines.simulated import SimulatedSpec
from ponder.orchestrator.runtime import Done
from ponder.orchestrator.server.keys import Key, Keys
from ponder.orchestrator.server.runs import ClientGone, Runs, Work
from ponder.orchestrator.server.trace import Trace
from ponder.orchestrator.types import Finish, Result, Usage
from ponder.strategies import Fuse, Sample

SLOW_TOKENS = SimulatedSpec(token_latency_s=0.02)
CHAT = "/v1/chat/completions"
BUDGETS = {"p": Budget(completion_tokens=600), "r": Budget()}


def digest_of(name: str) -> str:
    """Of the key of that name, which is the name eight times."""
    return hashlib.sha256((name * 8).encode()).hexdigest()


def body(model: str, **more: object) -> dict[str, object]:
    return {"model": model, "messages": QUESTION, **more}


@pytest.mark.parametrize("stages", [(Sample(),), (Sample(n=4), Fuse())])
def test_the_answer_streams_while_it_is_written(stages: tuple[Sample, ...]) -> None:
    with (
        serving([pipeline("live", *stages, engine=SLOW_TOKENS)]) as server,
        openai.OpenAI(base_url=f"{server.url}/v1", api_key="any", max_retries=0) as client,
    ):
        whole = client.chat.completions.create(**body("live", seed=3)).choices[0].message.content
        pieces: list[tuple[float, str]] = []
        for chunk in client.chat.completions.create(**body("live", seed=3, stream=True)):
            if chunk.choices[0].delta.content:
                pieces.append((time.monotonic(), chunk.choices[0].delta.content))
        assert "".join(text for _, text in pieces) == whole
        assert len(pieces) > 10
        assert pieces[-1][0] - pieces[0][0] > 0.3


def test_a_stop_string_is_held_back_while_the_answer_streams() -> None:
    with (
        serving([single("live", SLOW_TOKENS)]) as server,
        openai.OpenAI(base_url=f"{server.url}/v1", api_key="any", max_retries=0) as client,
    ):
        chunks = client.chat.completions.create(**body("live", seed=3, stream=True, stop=["step 2"]))
        told = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
        assert told.startswith("step 1: ") and "step 2" not in told and told.endswith("\n")


def test_an_engine_that_takes_back_what_it_told_ends_the_stream_with_an_error() -> None:
    class Fickle(ScriptedEngine):
        @property
        def capabilities(self):
            return super().capabilities.model_copy(update={"streams": True})

        async def complete(self, request: Request, watch: Watch | None = None) -> Completion:
            assert watch is not None
            watch(Progress(1, "one thing"))
            return Completion((), "another thing", Finish.EOS, self.meter.generation(9, 9))

    class FickleSpec(ScriptedSpec):
        def open(self) -> ScriptedEngine:
            return Fickle(self)

    with (
        serving([single("fickle", FickleSpec(name="fickle"))]) as server,
        openai.OpenAI(base_url=f"{server.url}/v1", api_key="any", max_retries=0) as client,
        pytest.raises(openai.APIError, match="did not write the same again"),
    ):
        list(client.chat.completions.create(**body("fickle", stream=True)))


async def both(server_url: str, first: dict[str, str], second: dict[str, str], sent: object) -> list[httpx.Response]:
    async with httpx.AsyncClient(base_url=server_url, timeout=20) as client:
        one = asyncio.create_task(client.post(CHAT, json=sent, headers=first))
        await asyncio.sleep(0.3)
        return [await client.post(CHAT, json=sent, headers=second), await one]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("headers", [{"x-stainless-retry-count": "1"}, {"idempotency-key": "one"}])
async def test_a_request_that_is_sent_again_meets_its_run(headers: dict[str, str], stream: bool) -> None:
    with serving([single("slow", ScriptedSpec(name="again", latency_s=1.0))]) as server:
        first = {} if "x-stainless-retry-count" in headers else headers
        one, other = await both(server.url, first, headers, body("slow", stream=stream))
        assert one.status_code == other.status_code == 200
        assert one.headers["x-request-id"] == other.headers["x-request-id"]
        assert one.text == other.text
        assert len(ScriptedEngine.opened["again"].requests) == 1


@pytest.mark.parametrize(
    ("second", "more"), [({}, {}), ({"x-stainless-retry-count": "1"}, {"seed": 4}), ({"idempotency-key": "two"}, {})]
)
async def test_other_requests_run_by_themselves(second: dict[str, str], more: dict[str, object]) -> None:
    with serving([single("slow", ScriptedSpec(name="apart", latency_s=0.6))]) as server:
        async with httpx.AsyncClient(base_url=server.url, timeout=20) as client:
            headers = {"idempotency-key": "one"} if second.get("idempotency-key") else {}
            one = asyncio.create_task(client.post(CHAT, json=body("slow"), headers=headers))
            await asyncio.sleep(0.2)
            other = await client.post(CHAT, json=body("slow", **more), headers=second)
            assert (await one).headers["x-request-id"] != other.headers["x-request-id"]
        assert len(ScriptedEngine.opened["apart"].requests) == 2


def test_the_sdk_times_out_comes_again_and_pays_once() -> None:
    with (
        serving([single("slow", ScriptedSpec(name="patient", latency_s=2.2))]) as server,
        openai.OpenAI(base_url=f"{server.url}/v1", api_key="any", timeout=1.2, max_retries=2) as client,
    ):
        assert client.chat.completions.create(**body("slow")).choices[0].message.content == "the answer"
        engine = ScriptedEngine.opened["patient"]
        assert (len(engine.requests), engine.cancelled) == (1, 0)


async def test_a_run_can_be_looked_at_by_its_owner() -> None:
    spec = ScriptedSpec(name="looked", latency_s=0.8)
    with serving([vote("vote", 4, spec)]) as server:
        async with httpx.AsyncClient(base_url=server.url, timeout=20) as client:
            async with client.stream("POST", CHAT, json=body("vote", stream=True)) as response:
                path = f"/v1/ponder/runs/{response.headers['x-request-id']}"
                going = (await client.get(path)).json()
                async for _ in response.aiter_raw():
                    pass
            ended = (await client.get(path)).json()
            missing = await client.get("/v1/ponder/runs/chatcmpl-none")
        assert going["status"] == "running" and going["in_flight"] == 4 and going["ended"] is None
        assert [(step["strategy"], step["draws"]) for step in going["steps"]] == [("pipeline", 4)]
        assert ended["status"] == "done" and ended["in_flight"] == 0 and ended["stopped"] == "done"
        assert ended["usage"]["calls"] == 4 and ended["ended"] > ended["created"]
        assert (missing.status_code, missing.json()["error"]["code"]) == (404, "not_found")


def test_a_report_tells_nothing_that_an_engine_said() -> None:
    with serving([single("refused", ScriptedSpec(name="told", fault="refused"))]) as server:
        refused = httpx.post(f"{server.url}{CHAT}", json=body("refused"))
        report = httpx.get(f"{server.url}/v1/ponder/runs/{refused.headers['x-request-id']}")
    assert (refused.status_code, report.json()["stopped"], report.json()["failures"]) == (400, "error", 1)
    assert "10.0.0.9" not in refused.text + report.text and SECRET not in refused.text + report.text


DONE = Done("task", Result("query", (), Usage(), "done"), Usage())


def begun(outcome: Done | Exception, runs: Runs | None = None) -> tuple[Runs, Work]:
    runs = Runs(2) if runs is None else runs
    work = Work("id", "anyone", "model", ("sent",), SimpleNamespace(seed=0), Trace())

    async def run() -> Done:
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    runs.start(work, run)
    return runs, work


async def test_who_attaches_while_an_answer_arrives_gets_it_too() -> None:
    runs, work = begun(DONE)
    with runs.attended(work):
        with runs.attended(work):
            assert await work.outcome() is DONE
        assert runs.again(("sent",)) is None
        assert await work.outcome() is DONE
    assert (work.state, work.job, work.task) == ("done", None, None)


async def test_clients_that_ask_the_same_at_once_come_back_each_to_a_run_of_its_own() -> None:
    runs, first = begun(DONE)
    _, second = begun(DONE, runs)
    for work in (first, second):
        with pytest.raises(ClientGone), runs.attended(work, grace_s=60):
            raise ClientGone
    with runs.attended(runs.again(("sent",))):
        assert first.clients == 1 and runs.again(("sent",)) is second
    assert runs.again(("sent",)) is second
    with runs.attended(second):
        assert runs.again(("sent",)) is second
    assert runs.again(("sent",)) is None


async def test_a_request_whose_run_failed_is_not_kept() -> None:
    runs, work = begun(ValueError("lost"))
    with pytest.raises(ValueError, match="lost"), runs.attended(work):
        await work.outcome()
    assert (work.state, work.job, work.task) == ("failed", None, None)


async def test_each_client_that_leaves_has_time_to_come_back() -> None:
    runs, work = begun(DONE)
    deadlines = []
    for _ in range(2):
        with pytest.raises(ClientGone), runs.attended(work, grace_s=60):
            raise ClientGone
        deadlines.append(work.deadline)
    assert [deadline.cancelled() for deadline in deadlines] == [True, False]
    with runs.attended(work):
        assert deadlines[1].cancelled() and await work.outcome() is DONE


def test_who_comes_when_all_places_are_taken_waits_for_a_turn() -> None:
    with serving([single("slow", ScriptedSpec(name="turns", latency_s=0.3))], most_runs=1, most_waiting=2) as server:

        async def call() -> list[int]:
            async with httpx.AsyncClient(base_url=server.url, timeout=20) as client:
                answers = await asyncio.gather(*(client.post(CHAT, json=body("slow")) for _ in range(5)))
            return sorted(answer.status_code for answer in answers)

        assert asyncio.run(call()) == [200, 200, 200, 429, 429]
        assert ScriptedEngine.opened["turns"].most_in_flight == 1


def test_the_last_chunk_tells_the_account() -> None:
    with serving([vote("vote", 4)]) as server:
        events = httpx.post(f"{server.url}{CHAT}", json=body("vote", stream=True, seed=5)).text.split("\n\n")
        last = orjson.loads(events[-3].removeprefix("data: "))
        assert last["ponder"]["usage"]["calls"] == 4 and last["ponder"]["seed"] == 5


@pytest.mark.parametrize(("stream", "is_the_operators"), [(False, False), (True, False), (False, True)])
def test_what_was_written_before_the_deadline_is_the_answer(stream: bool, is_the_operators: bool) -> None:
    slow = SimulatedSpec(token_latency_s=0.1)
    deadline = {"seconds": 1.5}
    with (
        serving([single("slow", slow)], budget=Budget(**deadline if is_the_operators else {})) as server,
        openai.OpenAI(base_url=f"{server.url}/v1", api_key="any", max_retries=0) as client,
    ):
        asked = body("slow", stream=stream, extra_body={"ponder": {"budget": {} if is_the_operators else deadline}})
        answer = client.chat.completions.create(**asked)
        if stream:
            chunks = list(answer)
            text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
            finish, account = chunks[-1].choices[0].finish_reason, chunks[-1].ponder
        else:
            text, finish = answer.choices[0].message.content, answer.choices[0].finish_reason
            account = answer.ponder
        assert text.startswith("step 1: ") and (finish, account["stopped"]) == ("length", "deadline")
        assert account["reason"].startswith("seconds: the deadline of 1.5")


def test_who_waits_for_the_budget_of_a_key_takes_no_place() -> None:
    keys = Keys([Key(name=name, digest=digest_of(name), budget=budget) for name, budget in BUDGETS.items()])
    model = single("slow", ScriptedSpec(name="places", latency_s=0.6))
    with serving([model], keys=keys, most_runs=2) as server:

        async def call(name: str, client: httpx.AsyncClient) -> float:
            began = time.monotonic()
            answer = await client.post(CHAT, json=body("slow"), headers={"authorization": f"Bearer {name * 8}"})
            assert answer.status_code == 200
            return time.monotonic() - began

        async def all_at_once() -> list[float]:
            async with httpx.AsyncClient(base_url=server.url, timeout=20) as client:
                poor = [asyncio.create_task(call("p", client)) for _ in range(3)]
                await asyncio.sleep(0.2)
                rich = await call("r", client)
                return [rich, *await asyncio.gather(*poor)]

        rich, *poor = asyncio.run(all_at_once())
        assert rich < 1.1 < max(poor)
