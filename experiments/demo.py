"""The main job, whole, on the embedded models: search, report, serve the frontier, ask it.

Shows that a composition is searched for, confirmed and served for real: Ray and vLLM on CPU, 51 compositions on 120
held-out problems under a token budget, what to use at each cost with intervals, an HTML report, and one question
through the openai client. Takes under six minutes on two cores. Run again to resume or to see the report at once;
``rm -r runs/abacus_sweep*`` starts afresh.
Another sweep's file as the argument does the same for that sweep.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

SWEEP = Path(__file__).parent / "abacus_sweep.toml"
QUESTION = "63-25*2+14="
READY_S = 180.0


def main(sweep: Path = SWEEP) -> int:
    """Run the demo; the exit status tells whether every part worked."""
    started = time.monotonic()
    journal = Path("runs") / f"{sweep.stem}.db"
    step(f"1/3  Sweeping {sweep.name}, on Ray over vLLM (a few minutes)")
    run("sweep", str(sweep), "--journal", str(journal))
    frontier = journal.with_suffix(".frontier.toml")
    step(f"2/3  Serving the frontier, {frontier}, a model a point")
    answer = ask_served(frontier)
    step("3/3  The answer of its last, through the openai client")
    print(f"Q: {QUESTION}  (from left to right)\nA: {answer}")
    step(f"Done in {time.monotonic() - started:.0f} s. Next:")
    print(f"  open {journal.with_suffix('.html')}: the report, with the frontier and every interval")
    print(f"  ponder report {journal} --full: the same in the terminal")
    print(f"  ponder serve {frontier}: your own endpoint for any OpenAI client")
    print("  ponder sweep YOUR_SWEEP.toml: your models and your data, see docs/tutorial.md")
    return 0


def ask_served(frontier: Path) -> str:
    """Serve a frontier on a free port, ask its most expensive point one question, stop it."""
    command = [sys.executable, "-m", "ponder", "serve", str(frontier), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            url = server_url(server)
            print(f"serving at {url}")
            return chat(url)
        finally:
            server.terminate()


def server_url(server: subprocess.Popen[str]) -> str:
    """The base address that the server announces once it is ready."""
    assert server.stdout is not None
    for line in server.stdout:
        if " at http" in line:
            return line.rpartition(" at ")[2].split()[0]
    raise SystemExit("the server stopped before it was ready")


def chat(url: str) -> str:
    """One question to the last of the models, through the openai client."""
    from openai import OpenAI

    client = OpenAI(base_url=url, api_key="unused", timeout=READY_S)
    *_, model = (model.id for model in client.models.list())
    print(f"asking {model}")
    done = client.chat.completions.create(model=model, messages=[{"role": "user", "content": QUESTION}])
    if done.usage is not None:
        print(f"usage: {done.usage.prompt_tokens} prompt and {done.usage.completion_tokens} completion tokens")
    return done.choices[0].message.content or ""


def run(*arguments: str) -> None:
    """Run ponder; stop the demo where it fails."""
    if status := subprocess.run([sys.executable, "-m", "ponder", *arguments]).returncode:
        raise SystemExit(status)


def step(text: str) -> None:
    """Say what comes next."""
    print(f"\n== {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
