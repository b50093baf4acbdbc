"""Verifiers that read their scores from the text of the candidate: one column of numbers each."""

import asyncio
from collections.abc import Sequence
from typing import Literal

from judging import judged

from ponder.orchestrator.types import Candidate, Query, Score
from ponder.orchestrator.verifier import Scale, Verifier
from ponder.verifiers.ensemble import VerifierEnsemble


class Column(Verifier):
    """The number in column `at` of the text; a dash is what it cannot tell."""

    kind: Literal["column"] = "column"
    at: int = 0
    scale: Literal["binary", "probability", "logit", "reward"] = "probability"
    evidence: Literal["exact", "learned", "self"] = "learned"
    recorded: bool = False
    relative: bool = False
    declared: Literal["binary", "probability", "logit", "reward"] | None = None

    @property
    def name(self) -> str:
        return f"column {self.at}"

    @property
    def score_scale(self) -> Scale:
        return self.declared or self.scale

    @property
    def is_recorded(self) -> bool:
        return self.recorded

    @property
    def is_relative(self) -> bool:
        return self.relative

    async def score(self, query: Query, candidates: Sequence[Candidate], ctx: object) -> list[Score]:
        asked.append((self.at, len(candidates)))
        return [self._score(each.text.split()[self.at]) for each in candidates]

    def _score(self, said: str) -> Score:
        if said == "-":
            return Score(None, kind=self.evidence, scale=self.scale, detail="a dash")
        return Score(float(said), kind=self.evidence, scale=self.scale)


class Broken(Verifier):
    """Raises."""

    kind: Literal["broken"] = "broken"

    async def score(self, query: Query, candidates: Sequence[Candidate], ctx: object) -> list[Score]:
        raise RuntimeError("out of order")


asked: list[tuple[int, int]] = []


def columns(count: int, **knobs: object) -> tuple[Column, ...]:
    """So many verifiers, one a column."""
    return tuple(Column(at=at, **knobs) for at in range(count))


def table(*rows: Sequence[float | None]) -> list[str]:
    """The texts of candidates with these scores."""
    return [" ".join("-" if value is None else repr(value) for value in row) + f" #{i}" for i, row in enumerate(rows)]


def scored(verifier: Verifier, *rows: Sequence[float | None]) -> list[Score]:
    """What a verifier says of candidates with these scores."""
    return asyncio.run(judged(verifier, table(*rows), "1"))


def values(verifier: Verifier, *rows: Sequence[float | None]) -> list[float | None]:
    return [score.value for score in scored(verifier, *rows)]


def combined(ensemble: VerifierEnsemble, *rows: Sequence[float | None]) -> list[float | None]:
    """What an ensemble of columns makes of these scores, without a run."""
    told = [
        [member._score("-" if row[at] is None else repr(row[at])) for row in rows]
        for at, member in enumerate(ensemble.members)
    ]
    return [score.value for score in ensemble.combined(told)]
