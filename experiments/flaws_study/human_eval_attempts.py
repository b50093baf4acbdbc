"""Attempts at HumanEval: right programs and programs with one mistake, run on every assert in the sandbox."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson

from ponder.orchestrator.data.humaneval import humaneval_queries
from ponder.orchestrator.types import Query
from ponder.verifiers import PythonCode
from ponder.verifiers.reliability import Judged

from .mutants import mutants, right_program
from .setting import Setting

WRONG_PROGRAMS = 16
ACCURACIES = (0.1, 0.3, 0.5, 0.7, 0.9)
ATTEMPTS = 64
AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Programs:
    """The programs of one task: of each the asserts it passes; those that pass all are right."""

    task: str
    passed: list[list[bool]]

    @property
    def right(self) -> list[list[bool]]:
        return [vector for vector in self.passed if all(vector)]

    @property
    def wrong(self) -> list[list[bool]]:
        return [vector for vector in self.passed if not all(vector)]


def tested(folder: Path) -> list[Programs]:
    """Every task's programs on all asserts; what was run before is read from `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    return asyncio.run(_tested(humaneval_queries(), folder))


async def _tested(queries: Sequence[Query], folder: Path) -> list[Programs]:
    places = asyncio.Semaphore(AT_ONCE)

    async def one(query: Query) -> Programs:
        file = folder / f"{query.id.replace('/', '-')}.json"
        if not file.is_file():
            async with places:
                file.write_bytes(orjson.dumps(await _passed(query)))
        return Programs(query.id, orjson.loads(file.read_bytes()))

    return list(await asyncio.gather(*map(one, queries)))


async def _passed(query: Query) -> list[list[bool]]:
    """For the right program and each of the others the asserts it passes; one that was never reached is not."""
    programs = [right_program(query), *mutants(query, WRONG_PROGRAMS)]
    found = await asyncio.gather(*(PythonCode().verdicts(query, program) for program in programs))
    vectors = [[each.outcome == "pass" for each in verdicts] for verdicts in found]
    return [vector + [False] * (len(vectors[0]) - len(vector)) for vector in vectors]


def settings(programs: Sequence[Programs], seed: int = 0) -> list[Setting]:
    """Test sets thinned to so many asserts of each task, for attempts of controlled accuracy."""
    usable = [each for each in programs if each.wrong and len(each.passed[0]) > 1]
    attempts = [_attempts(each, ACCURACIES[i % len(ACCURACIES)], seed) for i, each in enumerate(usable)]
    return [
        Setting("HumanEval", name, [_thinned(*each, kept, seed) for each in zip(usable, attempts, strict=True)])
        for name, kept in KEPT.items()
    ]


KEPT = {"1 assert": 1, "2 asserts": 2, "4 asserts": 4}


def _attempts(programs: Programs, accuracy: float, seed: int) -> list[list[bool]]:
    """Draws that are right with the chance `accuracy`; of the right and of the wrong programs each is as likely."""
    rng = np.random.default_rng([seed, *programs.task.encode()])
    sides = (programs.wrong, programs.right)
    chosen = [sides[int(is_right)] for is_right in rng.random(ATTEMPTS) < accuracy]
    return [side[rng.integers(len(side))] for side in chosen]


def _thinned(programs: Programs, attempts: Sequence[list[bool]], kept: int, seed: int) -> list[Judged]:
    """The attempts as a verifier judges them that knows `kept` of the asserts."""
    count = len(programs.passed[0])
    known = np.random.default_rng([seed + 1, *programs.task.encode()]).permutation(count)[: min(kept, count - 1)]
    return [Judged(programs.task, all(each), float(all(each[i] for i in known))) for each in attempts]
