"""Who may ask: nobody without a key, but on loopback, and no key ever shows."""

from __future__ import annotations

import hashlib
import logging
import re
import subprocess
import sys
from pathlib import Path

import openai
import pytest
from scripted import SECRET
from serving import JSON, QUESTION, ask, serving, vote
from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from ponder.orchestrator.errors import UsageError
from ponder.orchestrator.server.app import create_app
from ponder.orchestrator.server.auth import KEY_IN_SCOPE, OPEN_PATH, Gate, check_binding
from ponder.orchestrator.server.keys import Key, Keys
from ponder.orchestrator.server.redaction import Redaction
from ponder.orchestrator.server.serve import listen, serve

KEY = "pk-canary-5f0c2d9b7e61"
OTHER = "pk-second-8843aa10"
DENIED = [
    [],
    [""],
    [KEY],
    ["Bearer"],
    ["Bearer "],
    ["Bearer wrong-key-wrong-key"],
    [f"Bearer {KEY[:-1]}"],
    [f"Bearer {KEY}x"],
    [f"Bearer {KEY.upper()}"],
    [f"Basic {KEY}"],
    [f"Bearer {KEY}, Bearer {OTHER}"],
    [f"Bearer {KEY}", f"Bearer {KEY}"],
    ["Bearer wrong-key-wrong-key", f"Bearer {KEY}"],
    [f"Bearer {hashlib.sha256(KEY.encode()).hexdigest()}"],
    ["Bearer \u00ff\u00fe\u0000"],
]
PATHS = [
    ("GET", "/metrics"),
    ("POST", "/v1/completions"),
    ("POST", "/v1/responses"),
    ("GET", "/v1/ponder/runs/chatcmpl-1"),
    ("GET", "/v1/chat/completions"),
    ("GET", "/"),
    ("GET", "/docs"),
    ("POST", "/invocations"),
    ("GET", "/health/"),
    ("GET", "/HEALTH"),
    ("GET", "//health"),
    ("GET", "/health/../v1/models"),
    ("OPTIONS", "/v1/models"),
]
"""What some server offers somewhere, whether this one does or not."""


def routes(app: Starlette) -> list[tuple[str, str]]:
    """Every route of the application but the open one, by method and a path that leads there."""
    made = [(route.methods, re.sub(r"{\w+(:\w+)?}", "vote", route.path)) for route in app.routes]
    return [(method, path) for methods, path in made for method in methods or () if path != OPEN_PATH]


@pytest.fixture(scope="module")
def app() -> Starlette:
    return create_app({"vote": vote()}, keys=Keys.load(None, {"PONDER_API_KEYS": f"{KEY}, {OTHER}"}))


def test_knows_its_routes(app: Starlette) -> None:
    assert {("GET", "/v1/models"), ("GET", "/v1/models/vote"), ("POST", "/v1/chat/completions")} <= set(routes(app))


@pytest.mark.parametrize("sent", DENIED, ids=str)
async def test_every_route_is_shut_without_a_key(app: Starlette, sent: list[str]) -> None:
    for method, path in {*routes(app), *PATHS}:
        headers = [*JSON, *(("authorization", value) for value in sent)]
        response = await ask(app, {"model": "vote", "messages": QUESTION}, method=method, path=path, headers=headers)
        assert response.status == 401, (method, path)
        assert response.error["code"] == "invalid_api_key"
        assert response.headers["www-authenticate"] == "Bearer"
        assert KEY.encode() not in response.body
    assert (await ask(app, method="GET", path=OPEN_PATH)).status == 503


async def test_a_request_carries_its_key() -> None:
    seen = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope.get(KEY_IN_SCOPE))

    keys = Keys.load(None, {"PONDER_API_KEYS": f"{KEY}, {OTHER}"})
    for sent in (OTHER, KEY):
        await ask(Gate(app, keys), path="/any", headers=[("authorization", f"Bearer {sent}")])
    await ask(Gate(app, keys), path=OPEN_PATH)
    await ask(Gate(app, Keys()), path="/any")
    first, second = keys
    assert seen == [second, first, None, Key.anyone()]


@pytest.mark.parametrize("sent", [f"Bearer {KEY}", f"bearer {OTHER}", f"BEARER  {KEY} "])
async def test_each_key_opens(app: Starlette, sent: str) -> None:
    headers = [*JSON, ("authorization", sent)]
    await app.state.models.open()
    assert (await ask(app, method="GET", path="/v1/models", headers=headers)).status == 200


def test_the_real_client_shows_its_key() -> None:
    with serving([vote()], keys=Keys.load(None, {"PONDER_API_KEYS": KEY})) as server:
        with openai.OpenAI(base_url=f"{server.url}/v1", api_key=KEY) as client:
            assert client.chat.completions.create(model="vote", messages=QUESTION).choices
        with openai.OpenAI(base_url=f"{server.url}/v1", api_key="sk-wrong-wrong") as client:
            with pytest.raises(openai.AuthenticationError, match="one known key"):
                client.models.list()
            with pytest.raises(openai.AuthenticationError):
                list(client.chat.completions.create(model="vote", messages=QUESTION, stream=True))


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "10.0.0.1", "", "[::2]:80"])
async def test_a_server_without_keys_answers_only_to_loopback_names(host: str) -> None:
    app = create_app({"vote": vote()})
    response = await ask(app, method="GET", path="/v1/models", headers=[("host", host)])
    assert (response.status, response.error["code"]) == (403, "host_not_allowed")


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost", "LOCALHOST:1", "[::1]:8080", "127.1.2.3"])
async def test_a_server_without_keys_takes_any_key_on_loopback(host: str) -> None:
    app = create_app({"vote": vote()})
    await app.state.models.open()
    for sent in ([], [("authorization", "Bearer ")], [("authorization", "Bearer any")]):
        response = await ask(app, method="GET", path="/v1/models", headers=[("host", host), *sent])
        assert response.status == 200


def test_only_loopback_may_stand_open() -> None:
    keys = Keys.load(None, {"PONDER_API_KEYS": KEY})
    for host in ("127.0.0.1", "localhost", "::1", "127.8.8.8"):
        check_binding(host, Keys())
    for host in ("0.0.0.0", "::", "", "192.168.1.4", "example.org", "localhost.example.org"):
        check_binding(host, keys)
        with pytest.raises(UsageError, match=r"bind 127\.0\.0\.1"):
            check_binding(host, Keys())
    with pytest.raises(UsageError, match="not loopback"):
        serve([vote()], host="0.0.0.0", port=0)


def test_blots_keys_out_of_records(caplog: pytest.LogCaptureFixture) -> None:
    redaction = Redaction(Keys.load(None, {"PONDER_API_KEYS": KEY}))
    logger = logging.getLogger("ponder.server")
    logger.addFilter(redaction)
    try:
        logger.warning("got %s and {'key': '%s'}", f"Authorization: Bearer {OTHER}", KEY)
        try:
            raise ValueError(f"url=http://x/?key={KEY}&y=1")
        except ValueError:
            logger.exception("failed (%s)", KEY)
    finally:
        logger.removeFilter(redaction)
    assert KEY not in caplog.text and OTHER not in caplog.text
    assert caplog.text.count("[redacted]") >= 4
    assert "ValueError" in caplog.text


def test_blots_keys_of_tables(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    digest = hashlib.sha256(OTHER.encode()).hexdigest()
    path.write_text(f'[[keys]]\nname = "a"\nkey = "{KEY}"\n[[keys]]\nname = "b"\nsha256 = "{digest}"\n')
    keys = Keys.load(path, {})
    redaction = Redaction(keys)
    assert redaction.blot(f"x={KEY}; {OTHER}") == f"x=[redacted]; {OTHER}"
    assert keys.find(OTHER) is not None
    assert redaction.blot(f"x={KEY}; {OTHER}") == "x=[redacted]; [redacted]"


CHILD = """
import asyncio, sys, threading, httpx, openai
sys.path.insert(0, {here!r})
from ponder.orchestrator.server.serve import serve
from scripted import ScriptedSpec
from serving import QUESTION, single
import os, signal

def drive(url):
    client = openai.OpenAI(base_url=url + "/v1", api_key={key!r}, max_retries=0)
    for fault in ("crash", "refused", "unavailable"):
        for stream in (False, True):
            try:
                list(client.chat.completions.create(model=fault, messages=QUESTION, stream=stream))
            except openai.APIError as error:
                print(error)
    os.kill(os.getpid(), signal.SIGTERM)

models = [single(fault, ScriptedSpec(name=fault, fault=fault)) for fault in ("crash", "refused", "unavailable")]
serve(models, port=0, key_file={file!r}, on_ready=lambda url: threading.Thread(target=drive, args=[url]).start())
print("served")
"""


def test_no_key_reaches_log_or_client(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(f"{KEY}\n{SECRET}\n")
    script = CHILD.format(here=str(Path(__file__).parent), key=KEY, file=str(path))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 7 and done.stdout.endswith("served\n")
    assert "10.0.0.9" not in done.stdout
    for secret in (KEY, SECRET):
        assert secret not in done.stdout + done.stderr
    assert "RuntimeError: crashed with [redacted]" in done.stderr


def test_a_taken_port_is_a_usage_error() -> None:
    with listen("127.0.0.1", 0) as door, pytest.raises(UsageError, match="choose another port"):
        listen("127.0.0.1", door.getsockname()[1])
    for port in (-1, 70_000):
        with pytest.raises(UsageError, match="choose another port"):
            listen("127.0.0.1", port)
    with pytest.raises(UsageError, match="choose another port"):
        listen("no.such.host.invalid", 0)


@pytest.fixture(autouse=True)
def _no_keys_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PONDER_API_KEYS", raising=False)


def test_an_accounts_file_needs_keys_and_budgets_want_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(UsageError, match="keeps what keys spend, but there are none; give a key file too, or neither"):
        serve([vote()], accounts_file=tmp_path / "accounts")
    (tmp_path / "keys.toml").write_text(f'[[keys]]\nname = "alice"\nkey = "{KEY}"\nbudget = {{ calls = 1 }}\n')
    for accounts, is_told in ((None, True), (tmp_path / "accounts", False)):
        caplog.clear()
        with pytest.raises(UsageError, match="a port must be"):
            serve([vote()], key_file=tmp_path / "keys.toml", accounts_file=accounts, port=-1)
        assert ("what alice spends of its budget is forgotten when the server stops" in caplog.text) is is_told
