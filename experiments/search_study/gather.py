"""Run trials on all cores; what is done is kept line by line, and never done again."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from .plan import ARCHON, Plan, Trial
from .trials import run
from .truths import truth

T = TypeVar("T")
R = TypeVar("R")
Record = dict[str, Any]
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def gathered(
    trials: Iterable[Trial], study: Plan, folder: Path, workers: int, say: Callable[[str], None]
) -> list[Record]:
    """The records of all trials, in their order: those kept under `folder`, and those run now."""
    file = folder / "trials.jsonl"
    folder.mkdir(parents=True, exist_ok=True)
    if file.exists() and not file.read_bytes().endswith(b"\n"):  # a line was cut off
        file.write_bytes(file.read_bytes() + b"\n")
    wanted = {_key(trial): trial for trial in trials}
    known = {key: record for record in _kept(file) if (key := _key_of(record)) in wanted}
    missing = [trial for key, trial in wanted.items() if key not in known]
    with file.open("a", encoding="utf-8") as kept:
        for done, record in enumerate(_ran(missing, partial(run, study=study, folder=folder), workers), start=1):
            kept.write(json.dumps(record) + "\n")
            kept.flush()
            known[_key_of(record)] = record
            if done % 50 == 0 or done == len(missing):
                say(f"{done} of {len(missing)} searches")
    return [known[key] for key in wanted]


def truth_errors(study: Plan, folder: Path, workers: int) -> list[float]:
    """Work out the truth of each world, to be kept under `folder`; the mean standard error in each."""
    return list(_ran(study.worlds, partial(_truth_error, study=study, folder=folder), workers))


def _truth_error(seed: int, study: Plan, folder: Path) -> float:
    return float(truth(ARCHON, seed, study, folder)[1].mean())


def _ran(given: Sequence[T], task: Callable[[T], R], workers: int) -> Iterable[R]:
    """The results, in the order they come in."""
    if workers == 1 or len(given) < 2:
        yield from map(task, given)
        return
    os.environ.update(dict.fromkeys(THREADS, "1"))  # read by NumPy as each process starts: a search keeps one core
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        for future in as_completed([pool.submit(task, each) for each in given]):
            yield future.result()


def _kept(file: Path) -> Iterable[Record]:
    """The whole lines of the file; a line that was cut off is left out."""
    if file.exists():
        for line in file.read_text(encoding="utf-8").splitlines():
            try:
                yield json.loads(line)
            except json.JSONDecodeError:
                continue


def _key(trial: Trial) -> tuple[object, ...]:
    cell = trial.cell
    return cell.kind, cell.world, cell.level, cell.items, trial.method, trial.budget, trial.allowed, trial.seed


def _key_of(record: Record) -> tuple[object, ...]:
    cell = (record["cell"][name] for name in ("kind", "world", "level", "items"))
    return *cell, *(record[name] for name in ("method", "budget", "allowed", "seed"))
