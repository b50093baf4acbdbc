"""Where the key of the openai engine goes, and where it does not."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from scripted_server import (
    ScriptedServer,
    request,
    say,
    serving,
)

from ponder.orchestrator.engines.openai import OpenAISpec
from ponder.orchestrator.errors import EngineRefused, EngineUnavailable, UsageError

CANARY = "sk-canary-4711"


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with serving() as scripted:
        yield scripted


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
    ],
)
def test_knobs_out_of_range_are_told_without_the_key(wrong: dict[str, str]) -> None:
    with pytest.raises(UsageError) as caught:
        OpenAISpec(**{"base_url": "http://host/v1", "model": "m", **wrong})
    assert CANARY not in str(caught.value)
