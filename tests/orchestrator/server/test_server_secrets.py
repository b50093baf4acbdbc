"""Keys of clients and of servers upstream, through the whole of `ponder serve`: none shows but where it goes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import httpx
import orjson
import pytest
from serving import QUESTION, single

from ponder.orchestrator.engines.openai import OpenAISpec
from ponder.orchestrator.pipeline_file import save

CLIENT, OTHER, FAR = "pk-canary-7c41e0aa55", "pk-canary-99d2b1f003", "sk-canary-upstream-3d7f"
SECRETS = (CLIENT, OTHER, FAR)
CHAT = "/v1/chat/completions"


class Rude(BaseHTTPRequestHandler):
    """A server upstream that says the key that it was sent, and refuses it."""

    seen: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self._say(200, {"object": "list", "data": [{"id": "far", "max_model_len": 4096}]})

    def do_POST(self) -> None:
        sent = str(self.headers["authorization"])
        self.seen.append(sent)
        self._say(401, {"error": {"message": f"Incorrect API key provided: {sent}"}})

    def log_message(self, format: str, *given: Any) -> None:
        """Nothing."""

    def _say(self, status: int, told: dict[str, Any]) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(orjson.dumps(told))


@contextmanager
def rude() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Rude) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()


@contextmanager
def served(folder: Path, far: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """`ponder serve` in a process of its own: a model that answers, and one whose server refuses."""
    save(single("near"), folder / "near.toml")
    save(single("far", OpenAISpec(base_url=far, model="far", api_key_env="FAR_KEY")), folder / "far.toml")
    (folder / "keys.toml").write_text(f'[[keys]]\nname = "alice"\nkey = "{CLIENT}"\nbudget = {{calls = 100}}\n')
    files = ["near.toml", "far.toml", "--key-file", "keys.toml", "--accounts", "accounts"]
    command = [sys.executable, "-m", "ponder", "serve", "--port", "0", *files]
    variables = {**os.environ, "PONDER_API_KEYS": OTHER, "FAR_KEY": FAR}
    piped = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(command, cwd=folder, env=variables, **piped) as server:
        try:
            assert server.stdout is not None
            told = next(line for line in server.stdout if line.startswith("serving"))
            yield told.split(" at ")[1].split("/v1")[0], server
        finally:
            server.kill()


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Everything that a server told while it ran, and left behind."""
    folder, told = tmp_path_factory.mktemp("served"), {}
    with rude() as far, served(folder, far) as (url, server):
        for key in (CLIENT, OTHER, FAR):
            with httpx.Client(base_url=url, headers={"authorization": f"Bearer {key}"}, timeout=20) as client:
                for model in ("near", "far", key):
                    for stream in (False, True):
                        body = {"model": model, "messages": QUESTION, "stream": stream, "user": "u"}
                        answer = client.post(CHAT, json=body)
                        run = client.get(f"/v1/ponder/runs/{answer.headers.get('x-request-id')}")
                        told[f"{key} {model} {stream}"] = f"{answer.headers}{answer.text}{run.text}"
                for path in ("/v1/models", "/v1/models/far", "/metrics", "/health", f"/v1/ponder/runs/{key}"):
                    told[f"{key} {path}"] = f"{client.get(path).headers}{client.get(path).text}"
        told["command line"] = Path(f"/proc/{server.pid}/cmdline").read_text()
        server.send_signal(signal.SIGTERM)
        told["log"] = server.communicate(timeout=20)[0]
        assert server.returncode == 0
    for path in folder.iterdir():
        if path.name != "keys.toml":
            told[path.name] = path.read_bytes().decode("latin-1")
    return told


def test_requests_went_where_they_should(told: dict[str, str]) -> None:
    assert set(Rude.seen) == {f"Bearer {FAR}"}
    assert '"finish_reason":"stop"' in told[f"{CLIENT} near False"]
    assert "engine_refused" in told[f"{OTHER} far False"] and "FAR_KEY" in told["log"]
    assert "invalid_api_key" in told[f"{FAR} near False"]
    assert "alice" in told["accounts"] and "ponder_refusals" in told[f"{CLIENT} /metrics"]


def test_no_secret_shows_but_to_who_sent_it_as_a_name(told: dict[str, str]) -> None:
    for what, text in told.items():
        shown = [secret for secret in SECRETS if secret in text]
        sent = what.split()
        assert shown in ([], [sent[0]]) and (not shown or sent[1] in (sent[0], f"/v1/ponder/runs/{sent[0]}")), what
    assert not any(secret in told[what] for secret in SECRETS for what in ("log", "command line", "accounts"))
