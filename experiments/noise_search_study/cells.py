"""What every method made of every prompt: run through the product's runtime, and kept in a file a cell."""

from __future__ import annotations

import asyncio
import json
import os
import re
import time
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from digits.data import Images

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.engine import EngineSpec
from ponder.orchestrator.journal import Memory
from ponder.orchestrator.run_state import Watcher, Written
from ponder.orchestrator.runtime import Runtime, Task
from ponder.orchestrator.strategy import Strategy
from ponder.orchestrator.types import Query, Result

from .methods import Method

CLASSES = 10
STEP = re.compile(r"step (\d+): (\d+) of ")


@dataclass(frozen=True, slots=True)
class Cell:
    """One method at one size on the prompts of one seed.

    Args:
        method: what is run.
        nfe: network evaluations that each prompt may cost.
        seed: of all its noises.
        prompts: how many; they ask for 0 to 9 in turn.
    """

    method: Method
    nfe: int
    seed: int
    prompts: int

    @property
    def name(self) -> str:
        return f"{self.method.name}-{self.nfe}-{self.seed}"


@dataclass(frozen=True, slots=True)
class Made:
    """The images that a cell ended with, and what they cost.

    Args:
        images: pixels in [-1, 1], ``[prompts, 64]``.
        nfe: evaluations spent on each.
        calls: looks of the verifier spent on each.
        seconds: of one processor, a prompt, as if nothing had been made before; 0 where all had been.
        tries: proposals at each place of the grid after the first, a prompt, where the strategy tells; else none.
    """

    images: Images
    nfe: Sequence[int]
    calls: Sequence[int]
    seconds: float
    tries: Sequence[float] = ()

    @property
    def wanted(self) -> np.ndarray:
        """The digit that each should show."""
        return np.arange(len(self.images)) % CLASSES


def prompt(digit: int) -> Query:
    """What is asked."""
    return Query.ask(f"a handwritten {digit}", id=str(digit))


async def worked(cells: Sequence[Cell], engines: Mapping[str, EngineSpec], folder: Path) -> None:
    """Run the cells that the folder does not hold. Neighbours of one family and seed share a journal: the noises that
    they have in common are denoised once."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = [cell for cell in cells if not _file(cell, folder).exists()]
    for (_, seed), group in groupby(missing, key=lambda cell: (cell.method.family or cell.name, cell.seed)):
        async with Runtime(engines, store=Memory(), seed=seed) as runtime:
            for cell in group:
                if not _file(cell, folder).exists():
                    _save(await _made(cell, runtime), _file(cell, folder))
                    print(f"{time.strftime('%H:%M:%S')} {cell.name}", flush=True)


async def _made(cell: Cell, runtime: Runtime) -> dict[str, Any]:
    strategy, budget = cell.method.strategy(cell.nfe), Budget(nfe=cell.nfe)
    start, said = time.process_time(), list[str]()

    def hear(written: Written) -> None:
        said.append(written.text)

    watcher = Watcher(wrote=hear)
    done = await asyncio.gather(
        *(runtime.execute(_task(strategy, number, budget), budget, watcher) for number in range(cell.prompts))
    )
    seconds = time.process_time() - start
    paid = sum(each.paid.nfe for each in done)
    share = sum(each.result.usage.nfe for each in done) / paid if paid else 0.0
    results = [each.result for each in done]
    return {
        "images": [_pixels(result) for result in results],
        "nfe": [result.usage.nfe for result in results],
        "calls": [result.usage.verifier_calls for result in results],
        "seconds": round(seconds * share / cell.prompts, 5),
        "tries": [each / cell.prompts for each in tries(said)],
    }


def tries(said: Sequence[str]) -> list[int]:
    """Proposals at each place of the grid, by what rollover budget forcing says of its steps.

    >>> tries(["step 1: 4 of 8 tries\\n", "step 2: 8 of 12 tries\\n", "step 1: 2 of 8 tries\\n"])
    [6, 8]
    """
    told = [(int(step[1]), int(step[2])) for text in said if (step := STEP.match(text))]
    return [sum(spent for place, spent in told if place == at) for at in range(1, 1 + max(dict(told), default=0))]


def _task(strategy: Strategy, number: int, budget: Budget) -> Task:
    """The n-th prompt; a digit that is asked again is another replicate, with noises of its own."""
    query = prompt(number % CLASSES)
    return Task(id=str(number), strategy=strategy, query=query, budget=budget, replicate=number // CLASSES)


def _pixels(result: Result) -> str:
    """The image that the strategy puts first."""
    if result.best is None or result.best.image is None:
        raise RuntimeError(f"each prompt must end with an image, but one has none: {result.summary()}")
    return b64encode(result.best.image.pixels).decode()


def read(cell: Cell, folder: Path) -> Made | None:
    """What the folder holds of a cell."""
    file = _file(cell, folder)
    if not file.exists():
        return None
    told = json.loads(file.read_text())
    levels = np.stack([np.frombuffer(b64decode(each), np.uint8) for each in told["images"]])
    return Made(
        (levels / 127.5 - 1).astype(np.float32), told["nfe"], told["calls"], told["seconds"], told.get("tries", ())
    )


def gathered(cells: Sequence[Cell], folder: Path) -> dict[tuple[str, int], list[Made]]:
    """What there is of each method at each size, a part a seed."""
    found: dict[tuple[str, int], list[Made]] = {}
    for cell in cells:
        made = read(cell, folder)
        if made is not None:
            found.setdefault((cell.method.name, cell.nfe), []).append(made)
    return found


def _file(cell: Cell, folder: Path) -> Path:
    return folder / f"{cell.name}.json"


def _save(told: dict[str, Any], file: Path) -> None:
    """Written whole or not at all."""
    part = file.with_suffix(".part")
    part.write_text(json.dumps(told))
    os.replace(part, file)
