"""The main job, whole, on the embedded models: sweep, report, serve the winner, ask it.

Shows that a pipeline is measured, chosen and served for real: Ray and vLLM on CPU, 48 compositions on 120 held-out
problems under a token budget, the frontier with intervals, an HTML report, and one question through the openai client.
Takes under six minutes on two cores. Run again to resume or to see the report at once;
``rm -r runs/abacus_sweep*`` starts afresh.
Another sweep's file as the argument does the same for that sweep.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

SWEEP = Path(__file__).parent / "abacus_sweep.toml"
QUESTION = "37+52*4-19="
READY_S = 180.0


def main(sweep: Path = SWEEP) -> int:
    """Run the demo; the exit status tells whether every part worked."""
    started = time.monotonic()
    journal = Path("runs") / f"{sweep.stem}.db"
    step(f"1/3  Sweeping {sweep.name}, on Ray over vLLM (a few minutes)")
    run("sweep", str(sweep), "--journal", str(journal))
    winner = max(journal.with_suffix("").glob("*.toml"), key=lambda path: int(path.stem.rpartition("-")[2]))
    step(f"2/3  Serving the most accurate of the frontier, {winner}")
    answer = ask_served(winner)
    step("3/3  Its answer, through the openai client")
    print(f"Q: {QUESTION}\nA: {answer}")
    step(f"Done in {time.monotonic() - started:.0f} s. Next:")
    print(f"  open {journal.with_suffix('.html')}: the report, with the frontier and every interval")
    print(f"  ponder report {journal}: the same in the terminal")
    print(f"  ponder serve {winner}: your own endpoint for any OpenAI client")
    print("  ponder sweep YOUR_SWEEP.toml: your models and your data, see docs/sweeps.md")
    return 0


def ask_served(pipeline: Path) -> str:
    """Serve a pipeline on a free port, ask it one question, stop it."""
    command = [sys.executable, "-m", "ponder", "serve", str(pipeline), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            url = server_url(server)
            print(f"serving at {url}")
            return chat(url, pipeline.stem)
        finally:
            server.terminate()


def server_url(server: subprocess.Popen[str]) -> str:
    """The base URL that the server announces once it is ready."""
    assert server.stdout is not None
    for line in server.stdout:
        if " at http" in line:
            return line.rpartition(" at ")[2].split()[0]
    raise SystemExit("the server stopped before it was ready")


def chat(url: str, model: str) -> str:
    """One question through the openai client."""
    from openai import OpenAI

    client = OpenAI(base_url=url, api_key="unused", timeout=READY_S)
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
