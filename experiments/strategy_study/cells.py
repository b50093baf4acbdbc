"""The measuring: each strategy, size and seed is a cell, computed once, kept in a file, and found there again."""

from __future__ import annotations

import asyncio
import gc
import json
import math
import multiprocessing
import os
import time
import traceback
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any
from zlib import crc32

import torch
from abacus.engine import AbacusEngine

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.canonical import stable_id
from ponder.orchestrator.data.abacus import MAX_STEPS, Problem, problems
from ponder.orchestrator.reopening import reopened
from ponder.orchestrator.runtime import Runtime, Task
from ponder.orchestrator.strategy import Strategy
from ponder.orchestrator.types import Candidate, Query, Result, Score
from ponder.verifiers.answers import AbacusAnswer

from .ladders import LADDERS, POOLS

COLUMNS = (
    "correct",
    "candidates",
    "failures",
    "calls",
    "verifier_calls",
    "prompt_tokens",
    "cached_tokens",
    "completion_tokens",
    "flops",
)
"""What is kept of a problem: whether the answer is right, how many candidates came back and parts failed, the usage."""

PROBLEM_SEED = 2026  # other held-out problems than those that the models were measured and the knobs chosen on
IN_FLIGHT = 8192  # draws of a worker at once, about
MEASURED = "measured.txt"
Row = list[float]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured: how many problems, which seeds, which rungs of which ladders, and how large the pools are.

    After `until`, in seconds of the epoch, no cell is begun any more.
    """

    problems: int
    seeds: tuple[int, ...]
    rungs: tuple[int, ...]
    pool: int
    device: str
    workers: int
    folder: str
    until: float = math.inf
    ladders: tuple[str, ...] = tuple(LADDERS)

    def asked(self) -> list[Problem]:
        """The problems, of one to eight steps in turn."""
        return list(islice(problems(range(1, MAX_STEPS + 1), PROBLEM_SEED, "test"), self.problems))

    def cells(self) -> list[Cell]:
        """Every cell, the largest first, so that no worker is left with a large one at the end."""
        pools = [Cell(name, 0, seed) for name in POOLS for seed in self.seeds]
        rungs = [Cell(name, rung, seed) for rung in self.rungs[::-1] for name in self.ladders for seed in self.seeds]
        return pools + rungs


@dataclass(frozen=True, slots=True)
class Cell:
    """One ladder (or pool) at one rung with one seed, over all problems."""

    ladder: str
    rung: int
    seed: int

    def strategy(self, plan: Plan) -> Strategy:
        """What runs."""
        if self.ladder in POOLS:
            return POOLS[self.ladder](plan.pool)
        ladder = LADDERS[self.ladder]
        return ladder.build(ladder.sizes[self.rung])

    def file(self, plan: Plan) -> Path:
        """Where its outcomes are kept; other knobs, problems or columns have another."""
        what = stable_id((self.strategy(plan).model_dump(mode="json"), plan.problems, PROBLEM_SEED, COLUMNS))
        return Path(plan.folder) / f"{self.ladder}-{self.rung}-{self.seed}-{what}.json"


def measure(plan: Plan) -> None:
    """Compute every cell that has no file yet; say how far it is."""
    Path(plan.folder).mkdir(parents=True, exist_ok=True)
    todo = [cell for cell in plan.cells() if not cell.file(plan).exists()]
    print(f"{len(plan.cells())} cells, {len(todo)} to compute on {plan.device} with {plan.workers} workers", flush=True)
    start, tokens = time.monotonic(), 0
    for done, (cell, count) in enumerate(_computed(plan, todo), start=1):
        tokens, seconds = tokens + (count or 0), time.monotonic() - start
        said = "left for another run" if count is None else f"{count:,} tokens"
        print(
            f"{done}/{len(todo)}  {cell.ladder} {cell.rung} seed {cell.seed}: {said}; "
            f"{tokens / seconds:,.0f} tokens/s, {seconds:.0f} s",
            flush=True,
        )
    if todo:
        _note(plan, tokens, time.monotonic() - start)


def has_pools(plan: Plan) -> bool:
    """Whether the pools are there, without which nothing can be compared."""
    return all(cell.file(plan).exists() for cell in plan.cells() if cell.ladder in POOLS)


def facts(plan: Plan) -> str:
    """How what is known was measured."""
    file = Path(plan.folder) / MEASURED
    return " ".join(file.read_text().splitlines()) if file.exists() else ""


def _note(plan: Plan, tokens: int, seconds: float) -> None:
    machine = torch.cuda.get_device_name(0) if plan.device == "cuda" else "no GPU"
    by = f"{plan.workers} process{'es' * (plan.workers > 1)} on {os.cpu_count()} cores with {machine}"
    said = f"{tokens:,} tokens in {seconds:.0f} s by {by}."
    with (Path(plan.folder) / MEASURED).open("a") as file:
        file.write(said + "\n")


def _computed(plan: Plan, todo: Sequence[Cell]) -> Iterator[tuple[Cell, int | None]]:
    """Each cell as it is done, with the tokens it generated; None where it failed or was not begun."""
    if plan.workers == 1:
        _begin(plan)
        yield from ((cell, _compute(cell)) for cell in todo)
        return
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(plan.workers, spawn, _begin, (plan,)) as pool:
        futures = {pool.submit(_compute, cell): cell for cell in todo}
        for future in as_completed(futures):
            yield futures[future], future.result()


class _Worker:
    """What a worker process keeps between cells."""

    plan: Plan
    engines: dict[str, AbacusEngine]
    asked: list[Problem]


def _begin(plan: Plan) -> None:
    torch.set_num_threads(1)
    torch.set_float32_matmul_precision("high")
    if plan.device == "cuda":
        torch.cuda.set_per_process_memory_fraction(0.8 / plan.workers)
    _Worker.plan, _Worker.asked = plan, plan.asked()
    names = {"generator": "abacus-generator", "reward": "abacus-prm"}
    _Worker.engines = {role: AbacusEngine(name, plan.device) for role, name in names.items()}


def _compute(cell: Cell) -> int | None:
    """Compute one cell; one that fails is told and left out."""
    if time.time() > _Worker.plan.until:
        return None
    gc.disable()  # a draw in flight is some fifty objects without cycles
    try:
        return _kept(cell)
    except Exception:
        traceback.print_exc()
        return None
    finally:
        gc.enable()
        gc.collect()


def _kept(cell: Cell) -> int:
    """Run one cell and keep its outcomes; the tokens it generated."""
    plan, strategy = _Worker.plan, cell.strategy(_Worker.plan)
    results = asyncio.run(_results(strategy, cell.seed, _width(cell, plan)))
    read = pooled if cell.ladder in POOLS else _row
    rows = [read(problem, result) for problem, result in zip(_Worker.asked, results, strict=True)]
    written = cell.file(plan).with_suffix(f".{os.getpid()}")
    written.write_text(json.dumps(rows, separators=(",", ":")))
    written.rename(cell.file(plan))
    return sum(result.usage.completion_tokens for result in results)


def _width(cell: Cell, plan: Plan) -> int:
    return plan.pool if cell.ladder in POOLS else LADDERS[cell.ladder].width(cell.rung)


async def _results(strategy: Strategy, seed: int, width: int) -> list[Result]:
    places = asyncio.Semaphore(max(8, IN_FLIGHT // width))
    limits = dict.fromkeys(_Worker.engines, 1 << 20)

    async def one(problem: Problem) -> Result:
        query = Query.ask(problem.prompt, reference=problem.answer, id=problem.prompt)
        task = Task(id=query.id, strategy=strategy, query=query, seed=seed)
        async with places:
            return (await runtime.execute(task, Budget())).result

    async with Runtime(_Worker.engines, in_flight=limits) as runtime:
        results = await asyncio.gather(*map(one, _Worker.asked))
    if failed := [result for result in results if result.stopped != "done" or result.failures]:
        print(f"{strategy.kind}: {len(failed)} problems had failures, the first: {failed[0].summary()}", flush=True)
    return list(results)


def _row(problem: Problem, result: Result) -> Row:
    used = result.usage
    counts = [getattr(used, name) for name in COLUMNS[3:]]
    return [float(is_right(problem, result.best)), len(result.candidates), result.failures, *counts]


def is_right(problem: Problem, candidate: Candidate | None) -> bool:
    """Whether the candidate's answer line gives the reference."""
    return candidate is not None and AbacusAnswer().key(candidate.text) == problem.answer


def pooled(problem: Problem, result: Result) -> list[list[Any]]:
    """Each draw: answer, label, score, tokens, FLOPs of drawing and of judging, and a number for what was judged.

    What is equal is judged once; what judging one costs is worked out from its length, and must add up.
    """
    draws, judged = [], {}
    for candidate in result.candidates:
        score = next(iter(candidate.scores.values()))
        read = reopened(candidate).tokens if score.kind == "self" else candidate.text
        number = crc32(repr(read).encode())
        judged[number] = _judging(problem, candidate, score)
        draws.append(
            [
                AbacusAnswer().key(candidate.text),
                float(is_right(problem, candidate)),
                score.value,
                candidate.usage.completion_tokens,
                candidate.usage.flops,
                judged[number],
                number,
            ]
        )
    drawn = sum(candidate.usage.flops for candidate in result.candidates)
    if drawn + sum(judged.values()) != result.usage.flops:
        raise RuntimeError(f"the parts of a pool must cost what the whole did on {problem.prompt!r}")
    return draws


def _judging(problem: Problem, candidate: Candidate, score: Score) -> int:
    asked = len(problem.prompt)
    if score.kind == "self":
        length = asked + len(reopened(candidate).tokens)
        return _Worker.engines["generator"].meter.generation(length + 1, 1, length, judging=True).flops
    return _Worker.engines["reward"].meter.reading(asked + len(candidate.text.encode())).flops


def rows(plan: Plan, name: str, rung: int) -> Iterable[list[Any]]:
    """What is kept of a cell, seed by seed: one entry a problem.

    Raises:
        FileNotFoundError: it has not been computed.
    """
    for seed in plan.seeds:
        yield json.loads(Cell(name, rung, seed).file(plan).read_text())
