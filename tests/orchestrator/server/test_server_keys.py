"""Who may ask: nobody without a key, but on loopback, and no key ever shows."""

from __future__ import annotations

import hashlib
import logging
import subprocess
import sys
from pathlib import Path

import openai
import pytest
from scripted import SECRET
from serving import JSON, QUESTION, ask, serving, vote
from starlette.applications import Starlette

from ponder.orchestrator.errors import UsageError
from ponder.orchestrator.server.app import create_app
from ponder.orchestrator.server.auth import Keys, check_binding
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
    ("GET", "/v1/models"),
    ("GET", "/v1/models/vote"),
    ("POST", "/v1/chat/completions"),
    ("GET", "/v1/chat/completions"),
    ("GET", "/"),
    ("GET", "/docs"),
    ("GET", "/health/"),
    ("GET", "//health"),
    ("GET", "/health/../v1/models"),
    ("GET", "/metrics"),
    ("OPTIONS", "/v1/models"),
]


@pytest.fixture(scope="module")
def app() -> Starlette:
    return create_app({"vote": vote()}, keys=Keys.load(None, {"PONDER_API_KEYS": f"{KEY}, {OTHER}"}))


@pytest.mark.parametrize("sent", DENIED, ids=str)
async def test_every_route_is_shut_without_a_key(app: Starlette, sent: list[str]) -> None:
    for method, path in PATHS:
        headers = [*JSON, *(("authorization", value) for value in sent)]
        response = await ask(app, {"model": "vote", "messages": QUESTION}, method=method, path=path, headers=headers)
        assert response.status == 401, (method, path)
        assert response.error["code"] == "invalid_api_key"
        assert response.headers["www-authenticate"] == "Bearer"
        assert KEY.encode() not in response.body
    assert (await ask(app, method="GET", path="/health")).status == 503


@pytest.mark.parametrize("sent", [f"Bearer {KEY}", f"bearer {OTHER}", f"BEARER  {KEY} "])
async def test_each_key_opens(app: Starlette, sent: str) -> None:
    headers = [*JSON, ("authorization", sent)]
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


def test_reads_keys_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(f"# ours\n\n{KEY}\n  sha256:{hashlib.sha256(OTHER.encode()).hexdigest()}  \n")
    keys = Keys.load(path, {})
    assert keys.hold(KEY) and keys.hold(OTHER)
    assert not keys.hold("# ours") and not keys.hold("")
    assert KEY not in repr(vars(keys))


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "at least one key"),
        ("# none\n", "at least one key"),
        ("short\n", "line 1"),
        (f"{KEY}\ntwo words {OTHER}\n", "line 2"),
        ("clé-clé-clé\n", "visible ASCII"),
    ],
)
def test_refuses_a_file_without_sound_keys(tmp_path: Path, text: str, rule: str) -> None:
    path = tmp_path / "keys"
    path.write_text(text)
    with pytest.raises(UsageError, match=rule) as error:
        Keys.load(path, {})
    assert OTHER not in str(error.value)


def test_refuses_a_missing_file_and_an_unsound_variable(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="check the path"):
        Keys.load(tmp_path / "none", {})
    with pytest.raises(UsageError, match="PONDER_API_KEYS"):
        Keys.load(None, {"PONDER_API_KEYS": "short"})
    assert not Keys.load(None, {})


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
