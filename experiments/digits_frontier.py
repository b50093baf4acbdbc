"""From a search over ways to make digits to images that the openai client asks for, in evaluations and in seconds.

The sweep of ``digits_sweep.toml`` is run over one journal with levels in evaluations of the network, with levels in the
seconds that these and the looks of the verifier take, and over random search alone. The best of that at each level is
what the choices of the first must beat: a sweep spends little on what looks bad, and compares with a cheaper baseline.
The first two frontiers are served by ``ponder serve``, and the openai client asks each of their points for every digit.

Goals: at most 5 minutes for the first sweep on two cores; choices of some level that beat its best random search on
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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import openai
from PIL import Image as Pillow
from rich.console import Console

from ponder.orchestrator.image_grid import image_grid
from ponder.orchestrator.images import Image
from ponder.orchestrator.intervals import Comparison, compare
from ponder.search.progress import show_progress
from ponder.search.record import Chosen, Record
from ponder.search.reports.figures import points_more
from ponder.search.reports.measured import Measured
from ponder.search.reports.naming import name_of
from ponder.search.reports.outputs import Outputs, write_outputs
from ponder.search.reports.report import terminal
from ponder.search.run_sweep import run_sweep
from ponder.search.spaces.space import Space
from ponder.search.sweep import Sweep

HERE = Path(__file__).parent
RESULTS = HERE / "results"
JOURNAL = Path("runs") / "digits_frontier.db"
MOST_MINUTES = 5.0
EVALUATIONS = Sweep.load(HERE / "digits_sweep.toml")
ROW_SECONDS = EVALUATIONS.engines["generator"].model_dump()["row_seconds"]
RANDOM = Sweep.model_validate(
    {**dict(EVALUATIONS), "name": "digits_random", "space": Space(options=EVALUATIONS.space.options[:1])}
)
SECONDS = Sweep.model_validate(
    {
        **dict(EVALUATIONS),
        "name": "digits_seconds",
        "by": "compute_seconds",
        "levels": tuple(round(level * ROW_SECONDS * 1.1, 6) for level in EVALUATIONS.levels),
    }
)


def main() -> int:
    """Search, serve, ask, write the results; the exit status."""
    RESULTS.mkdir(exist_ok=True)
    first, minutes = searched(EVALUATIONS)
    second, _ = searched(SECONDS)
    alone, _ = searched(RANDOM)
    contests = against(first, alone)
    asked = made((first[1], second[1]), range(10))
    image_grid([asked[name] for name in asked if name.startswith(EVALUATIONS.name)], zoom=4, gap=4).save(
        RESULTS / "digits_frontier.png"
    )
    write((first[1], second[1]), contests)
    models = sum(len(outputs.frontier.points) for _, outputs in (first, second))
    wins = sum(contest.is_won for contest in contests)
    goals = {
        "minutes not measured" if minutes is None else f"{minutes:.1f} minutes": (minutes or 0) <= MOST_MINUTES,
        f"{wins} of {len(contests)} levels beat random search": wins > 0,
        f"images from {len(asked)} of {models} models": len(asked) == models,
    }
    print("; ".join(f"{told}: {'PASS' if is_met else 'MISS'}" for told, is_met in goals.items()))
    return 0 if all(goals.values()) else 1


def searched(sweep: Sweep) -> tuple[tuple[Record, Outputs], float | None]:
    """What a sweep leaves, and the minutes it took; None where a part of it was there."""
    begun = time.monotonic()
    with show_progress(Console(stderr=True)) as observe:
        record, progress = asyncio.run(run_sweep(sweep, JOURNAL, observe))
    minutes = (time.monotonic() - begun) / 60
    outputs = write_outputs(record, JOURNAL.with_name(f"{sweep.name}.db"))
    terminal(outputs.report, Console(width=160))
    return (record, outputs), minutes if progress.batches and not progress.replayed else None


@dataclass(frozen=True, slots=True)
class Contest:
    """The choice of a level against the best random search of that level, query by query."""

    level: float
    chosen: str
    random: str
    gap: Comparison

    @property
    def is_won(self) -> bool:
        return not self.gap.is_tied and self.gap.interval.low > 0


def against(found: tuple[Record, Outputs], alone: tuple[Record, Outputs]) -> list[Contest]:
    """A contest at each level, on the confirmation queries."""
    (theirs, their_measured), (ours, our_measured) = ((record, Measured.of(record)) for record, _ in (alone, found))
    contests = []
    for chosen, other in zip(chosen_of(ours), chosen_of(theirs), strict=True):
        mine = our_measured.confirmation[our_measured.numbers[chosen.composition]].by_query
        its = their_measured.confirmation[their_measured.numbers[other.composition]].by_query
        names = [
            name_of(record.members[each.composition].strategy) for record, each in ((ours, chosen), (theirs, other))
        ]
        gap = compare([mine[query] for query in mine], [its[query] for query in mine])
        contests.append(Contest(chosen.level, *names, gap))
    return contests


def chosen_of(record: Record) -> tuple[Chosen, ...]:
    """What a sweep chose, by level."""
    assert record.verdict is not None
    return record.verdict.chosen


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


def write(found: tuple[Outputs, ...], contests: Sequence[Contest]) -> None:
    """The reports and the frontiers, beside those of other studies."""
    text = ["# A search over ways to make digits\n", "![A row a point, a column a digit](digits_frontier.png)\n"]
    text += ["## Against the best random search of each level\n", "| evaluations | choice | random search | points |"]
    text += ["| --- | --- | --- | --- |"]
    for each in contests:
        told = f"{points_more(each.gap.interval.mean)} [{points_more(each.gap.interval.low)} to "
        told += f"{points_more(each.gap.interval.high)}]"
        text.append(f"| {each.level:g} | {each.chosen} | {each.random} | {told} |")
    text.append("")
    for outputs in found:
        told = io.StringIO()
        terminal(outputs.report, Console(file=told, width=160))
        text.append(f"## By {outputs.frontier.by}\n\n```\n{told.getvalue()}```\n")
        outputs.frontier.save(RESULTS / f"{outputs.frontier.name}.frontier.toml")
    (RESULTS / "digits_frontier.md").write_text("\n".join(text), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
