"""From a search over ways to make digits to images that the openai client asks for, in evaluations and in seconds.

The sweep of ``digits_sweep.toml`` is run twice over one journal: with levels in evaluations of the network, and in the
seconds that these and the looks of the verifier take. Both frontiers are served by ``ponder serve``, and the openai
client asks each point of the first for every digit.

Goals: at most 5 minutes for the first sweep on two cores; a choice that beats random search of no greater cost on
queries that no search saw; an image from every point of both frontiers. The last line sums up; the exit status is 1
where a goal is missed. Writes ``experiments/results/digits_frontier.md`` and ``.png`` (a row a point, a column a digit)
and both frontiers. Run again, it pays for nothing; ``rm runs/digits_frontier*`` starts afresh.

    python experiments/digits_frontier.py
"""

from __future__ import annotations

import asyncio
import base64
import io
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import openai
from PIL import Image as Pillow
from rich.console import Console

from ponder.orchestrator.image_grid import image_grid
from ponder.orchestrator.images import Image
from ponder.search.progress import show_progress
from ponder.search.reports.outputs import Outputs, write_outputs
from ponder.search.reports.report import terminal
from ponder.search.run_sweep import run_sweep
from ponder.search.sweep import Sweep

HERE = Path(__file__).parent
RESULTS = HERE / "results"
JOURNAL = Path("runs") / "digits_frontier.db"
MOST_MINUTES = 5.0
EVALUATIONS = Sweep.load(HERE / "digits_sweep.toml")
ROW_SECONDS = EVALUATIONS.engines["generator"].model_dump()["row_seconds"]
SECONDS = Sweep.model_validate(
    {
        **dict(EVALUATIONS),
        "name": "digits_seconds",
        "by": "compute_seconds",
        "levels": tuple(round(level * ROW_SECONDS * 1.1, 6) for level in EVALUATIONS.levels),
    }
)


def main() -> int:
    """Search twice, serve, ask, write the results; the exit status."""
    RESULTS.mkdir(exist_ok=True)
    begun = time.monotonic()
    first, is_fresh = searched(EVALUATIONS)
    minutes = (time.monotonic() - begun) / 60
    second, _ = searched(SECONDS)
    asked = made((first, second), range(10))
    image_grid([asked[name] for name in asked if name.startswith(EVALUATIONS.name)], zoom=4, gap=4).save(
        RESULTS / "digits_frontier.png"
    )
    write((first, second))
    wins = sum(level.contest is not None and level.contest.standing == "beats" for level in first.report.levels)
    goals = {
        f"{minutes:.1f} minutes" if is_fresh else "minutes not measured": minutes <= MOST_MINUTES or not is_fresh,
        f"{wins} levels beat random search": wins > 0,
        f"images from {len(asked)} models": len(asked) == len(first.frontier.points) + len(second.frontier.points),
    }
    print("; ".join(f"{told}: {'PASS' if is_met else 'MISS'}" for told, is_met in goals.items()))
    return 0 if all(goals.values()) else 1


def searched(sweep: Sweep) -> tuple[Outputs, bool]:
    """What a sweep leaves, and whether it was run now."""
    with show_progress(Console(stderr=True)) as observe:
        record, progress = asyncio.run(run_sweep(sweep, JOURNAL, observe))
    outputs = write_outputs(record, JOURNAL.with_name(f"{sweep.name}.db"))
    terminal(outputs.report, Console(width=160))
    return outputs, progress.replayed == 0 and progress.batches > 0


def made(found: tuple[Outputs, ...], digits: range) -> dict[str, list[Image]]:
    """The images of digits that each model gives, by its name, as the openai client gets them from the server."""
    with served([outputs.toml for outputs in found]) as url, openai.OpenAI(base_url=url, api_key="none") as client:
        names = [model.id for model in client.models.list()]
        return {name: [asked(client, name, digit) for digit in digits] for name in names}


def asked(client: openai.OpenAI, model: str, digit: int) -> Image:
    """The best image that a model makes of a digit."""
    answer = client.images.generate(model=model, prompt=f"a handwritten {digit}", extra_body={"seed": 0})
    assert answer.data is not None and answer.data[0].b64_json is not None
    with Pillow.open(io.BytesIO(base64.b64decode(answer.data[0].b64_json))) as opened:
        return Image(opened.width, opened.height, 1, opened.convert("L").tobytes())


@contextmanager
def served(files: list[Path]) -> Iterator[str]:
    """The address of a server of frontiers, which ends with the block."""
    command = [sys.executable, "-m", "ponder", "serve", *map(str, files), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield server.stdout.readline().split(" at ")[1].split()[0]
        finally:
            server.terminate()


def write(found: tuple[Outputs, ...]) -> None:
    """The reports and the frontiers, beside those of other studies."""
    text = ["# A search over ways to make digits\n"]
    for outputs in found:
        told = io.StringIO()
        terminal(outputs.report, Console(file=told, width=160))
        text.append(f"## By {outputs.frontier.by}\n\n```\n{told.getvalue()}```\n")
        outputs.frontier.save(RESULTS / f"{outputs.frontier.name}.frontier.toml")
    (RESULTS / "digits_frontier.md").write_text("\n".join(text), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
