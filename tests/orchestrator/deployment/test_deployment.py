"""Two replicas on one machine: what one of them knows the other does, and nothing is lost with either."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import socket
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from one_ray import one_ray
from ray_actors import actors

from ponder.orchestrator.deployment import FRONT, VARIABLE
from ponder.orchestrator.types import Usage

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("ray"), pytest.mark.timeout(240)]
PAGE = Path(__file__).parents[3] / "docs" / "deploy.md"
BLOCK = re.compile(r"^```(toml|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)
ALICE, BOB = "the-key-of-alice", "the-key-of-bob"
BOBS_BUDGET = 12_000
MOST_TOKENS = 64
"""Of one answer, as the page has it."""
REQUESTS, AT_ONCE = 320, 80
CLEAR = {"budget_exceeded", "replica_lost"}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """What the page deploys."""
    folder, names = tmp_path_factory.mktemp("deployed"), dict[str, Any]()
    with contextlib.ExitStack() as held, pytest.MonkeyPatch.context() as patch, socket.socket() as door:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv(VARIABLE, FRONT)
        patch.chdir(folder)
        door.bind(("127.0.0.1", 0))
        port = str(door.getsockname()[1])
        door.close()
        held.enter_context(one_ray())
        for language, code in BLOCK.findall(PAGE.read_text()):
            if language == "toml":
                Path(code.partition("\n")[0].removeprefix("# ")).write_text(code)
            else:
                exec(code.replace("8000", port), names)
        yield names["url"]
        from ray import serve

        serve.shutdown()


def asked(number: int) -> list[dict[str, str]]:
    return [{"role": "user", "content": f"Problem {number:03d}: which number do the steps lead to?"}]


def replicas() -> list[int]:
    return actors("ServeReplica:ponder")


def spent(key: str) -> Usage:
    import ray

    found: Usage = ray.get(ray.get_actor("ponder-hub", namespace="ponder").spent.remote(key), timeout=30)
    return found


async def until(holds: Callable[[], Any], limit_s: float = 60.0) -> None:
    deadline = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < deadline, "it took too long"
        await asyncio.sleep(0.1)


async def copies(http: httpx.AsyncClient, number: int, count: int) -> list[Awaitable[httpx.Response]]:
    """One request, and so many copies of it as the SDK sends again, all in flight."""
    body = {"model": "thinker", "messages": asked(number)}
    sent = [asyncio.create_task(http.post("/v1/chat/completions", json=body))]
    await asyncio.sleep(0.3)
    again = {"x-stainless-retry-count": "1"}
    for _ in range(count):
        await asyncio.sleep(0.02)  # for the proxy to see who is busy
        sent.append(asyncio.create_task(http.post("/v1/chat/completions", json=body, headers=again)))
    return [*sent]


def speaking(url: str, key: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=url, headers={"authorization": f"Bearer {key}"}, timeout=60)


def test_no_other_address_is_promised_than_the_one_that_stands(url: str) -> None:
    import ponder

    host, port = url.removeprefix("http://").split(":")
    served = [ponder.load("thinker.toml")]
    for asked in ({"host": "0.0.0.0", "port": int(port)}, {"host": host, "port": int(port) + 1}):
        with pytest.raises(ponder.UsageError, match=f"listens already, host '127.0.0.1', port {port}, got"):
            ponder.deploy(served, ponder.Deployment(key_file="keys.toml", accounts_file="a.db"), **asked)
    with pytest.raises(ponder.UsageError, match="nope"):
        ponder.deploy(served, ponder.Deployment(allow=("nope",)))


async def test_a_request_sent_again_meets_its_run_on_any_replica_and_is_paid_once(url: str) -> None:
    before = spent("alice")
    async with speaking(url, ALICE) as http:
        answers = [each.json() for each in await asyncio.gather(*await copies(http, 3, 6))]
        ids = {answer["id"] for answer in answers}
        assert len(ids) == 1 and len({str(answer["choices"]) for answer in answers}) == 1
        usage = answers[0]["usage"]
        await until(lambda: spent("alice").total_tokens - before.total_tokens == usage["total_tokens"])
        reports = [(await http.get(f"/v1/ponder/runs/{ids.copy().pop()}")).json() for _ in range(8)]
    assert {report["status"] for report in reports} == {"done"}
    assert all(len(report["steps"]) == 1 for report in reports)
    assert {report["usage"]["completion_tokens"] for report in reports} == {usage["completion_tokens"]}


async def test_one_idempotency_key_is_one_run_whichever_replica_is_asked(url: str) -> None:
    before = spent("alice")
    body, named = {"model": "thinker", "messages": asked(6)}, {"idempotency-key": "once"}
    async with speaking(url, ALICE) as http:
        sent = [http.post("/v1/chat/completions", json=body, headers=named) for _ in range(8)]
        answers = [each.json() for each in await asyncio.gather(*sent)]
        assert len({answer["id"] for answer in answers}) == 1
        total = answers[0]["usage"]["total_tokens"]
        await until(lambda: spent("alice").total_tokens - before.total_tokens == total)


async def test_metrics_tell_of_all_replicas(url: str) -> None:
    async with speaking(url, ALICE) as http:
        for _ in range(20):
            await http.get("/v1/models")
        page = (await http.get("/metrics")).text
    counted = re.findall(r'ponder_requests_total\{.*endpoint="/v1/models".*replica="(\w+)".*\} (\d+)', page)
    assert len(counted) == 2 and sum(int(count) for _, count in counted) == 20


async def test_a_run_shows_to_its_own_key_alone(url: str) -> None:
    async with speaking(url, ALICE) as alice, speaking(url, BOB) as bob:
        id = (await alice.post("/v1/chat/completions", json={"model": "thinker", "messages": asked(4)})).json()["id"]
        assert {(await bob.get(f"/v1/ponder/runs/{id}")).status_code for _ in range(4)} == {404}


async def test_nobody_comes_in_without_a_key(url: str) -> None:
    async with httpx.AsyncClient(base_url=url) as http:
        found = {path: (await http.get(path)).status_code for path in ("/health", "/v1/models", "/metrics", "/none")}
    assert found == {"/health": 200, "/v1/models": 401, "/metrics": 401, "/none": 401}


class Load:
    """Requests through the real client, and how each ended.

    Every third one is never sent again, and every fourth one is a stream.
    """

    def __init__(self, url: str) -> None:
        base, often = f"{url}/v1", {True: {"max_retries": 0}, False: {}}
        self._clients = {
            (key, is_once): openai.AsyncOpenAI(base_url=base, api_key=key, timeout=60, **often[is_once])
            for key in (ALICE, BOB)
            for is_once in (True, False)
        }
        self._room = asyncio.Semaphore(AT_ONCE)
        self.ends: Counter[tuple[str, bool, bool, str]] = Counter()
        self.delivered: Counter[str] = Counter()

    @property
    def done(self) -> int:
        return self.ends.total()

    async def one(self, number: int) -> None:
        key, is_once, is_stream = (ALICE, BOB)[number % 2], number % 3 == 0, number % 8 < 2
        async with self._room:
            end = "answered"
            try:
                tokens = await self._tokens(self._clients[key, is_once], number, is_stream)
                self.delivered[key] += tokens
            except openai.APIError as error:
                assert isinstance(error.body, dict) and error.body["message"], repr(error)
                end = str(error.code)
            self.ends[key, is_once, is_stream, end] += 1

    async def _tokens(self, client: openai.AsyncOpenAI, number: int, is_stream: bool) -> int:
        create = client.chat.completions.create
        if not is_stream:
            whole = await create(model="thinker", messages=asked(number))  # type: ignore[arg-type]
            return whole.usage.total_tokens
        usage = {"include_usage": True}
        chunks = await create(model="thinker", messages=asked(number), stream=True, stream_options=usage)  # type: ignore[call-overload]
        return [chunk async for chunk in chunks][-1].usage.total_tokens


async def test_a_replica_killed_under_load_loses_no_request_without_an_answer_or_a_clear_error(url: str) -> None:
    before = spent("alice")
    load, two = Load(url), replicas()
    assert len(two) == 2
    async with speaking(url, ALICE) as http:
        work = [asyncio.create_task(load.one(number)) for number in range(REQUESTS)]
        await until(lambda: load.done >= REQUESTS // 4)
        same = await copies(http, 555, 8)
        await asyncio.sleep(0.1)
        os.kill(two[0], signal.SIGKILL)
        await asyncio.gather(*work)
        together = [each.json() for each in await asyncio.gather(*same)]
    ended = {end for _, _, _, end in load.ends}
    lost = {each[:3] for each in load.ends if each[3] == "replica_lost"}
    assert load.done == REQUESTS and ended <= {"answered", *CLEAR}
    assert lost, "nothing was in flight where the kill fell"
    assert all(is_once or is_stream for _, is_once, is_stream in lost), "what may be sent again is answered"
    assert not any(key == ALICE and end == "budget_exceeded" for key, _, _, end in load.ends)
    assert len({each["id"] for each in together if "id" in each}) <= 1, "the others met the run, or began it anew"
    assert {each["error"]["code"] for each in together if "error" in each} <= {"replica_lost"}
    bob = spent("bob").total_tokens
    assert load.delivered[BOB] <= bob <= BOBS_BUDGET
    assert load.ends[BOB, False, False, "budget_exceeded"], "the budget binds"
    assert load.delivered[ALICE] < spent("alice").total_tokens - before.total_tokens
    await until(lambda: len(replicas()) == 2 and two[0] not in replicas())


async def test_a_hub_that_dies_comes_back_with_its_accounts_and_runs_go_on(url: str) -> None:
    import ray

    before = spent("alice")
    async with speaking(url, ALICE) as http:
        body = {"model": "thinker", "messages": asked(7)}
        ways = [asyncio.create_task(http.post("/v1/chat/completions", json=body)) for _ in range(4)]
        await asyncio.sleep(0.5)
        ray.kill(ray.get_actor("ponder-hub", namespace="ponder"), no_restart=False)
        assert [each.status_code for each in await asyncio.gather(*ways)] == [200] * 4
        while (answer := await http.post("/v1/chat/completions", json=body)).status_code != 200:
            assert answer.json()["error"]["code"] == "accounts_unavailable"
            await asyncio.sleep(0.2)
    usage = answer.json()["usage"]
    leased = 4 * (usage["prompt_tokens"] + MOST_TOKENS)
    await until(lambda: spent("alice").total_tokens == before.total_tokens + leased + usage["total_tokens"])
