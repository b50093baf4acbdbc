"""How often a judge takes for an answer what is none."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ...orchestrator.errors import UsageError
from ...orchestrator.intervals import Interval, accuracy_interval
from ...orchestrator.strategy import Strategy
from ...orchestrator.types import Query, Result, Score, Usage
from ...orchestrator.verifier import Verifier
from ..planted import Planted
from .canaries import CANARIES
from .labels import check_threshold
from .resampling_law import ResamplingLaw

LEAST_TOLD = 0.1
"""The least share of the judgements that a rate can rest on."""


class Runner(Protocol):
    """Runs one strategy over one query, as `ponder.Runtime` does."""

    async def run(self, strategy: Strategy, query: Query) -> Result: ...


@dataclass(frozen=True, slots=True)
class FalsePositives:
    """What a judge let pass.

    Args:
        rate: the share of the judged canaries that were accepted, with its interval over queries.
        by_canary: the same for each canary that was judged.
        unjudged: judgements that came back as "cannot tell"; no rate counts them.
        usage: what the measurement cost.
    """

    rate: Interval
    by_canary: Mapping[str, float]
    unjudged: int
    usage: Usage

    def ceiling(self, correct: float, accepts_correct: float = 1.0) -> Interval:
        """The most that drawing until the judge accepts can reach, if wrong draws fool it as often as canaries do.

        Args:
            correct: chance that a draw is right, 0 to 1.
            accepts_correct: chance that the judge accepts a right draw, 0 to 1.
        """
        rates = (self.rate.mean, self.rate.high, self.rate.low)
        return Interval(*(ResamplingLaw(correct, accepts_correct, rate).ceiling for rate in rates))


async def measured_false_positives(
    verifier: Verifier,
    queries: Sequence[Query],
    runner: Runner,
    *,
    attempts: Sequence[str] = (),
    canaries: Sequence[str] = CANARIES,
    threshold: float = 0.5,
) -> FalsePositives:
    """How often a judge accepts a canary, or, where it compares, prefers one to a real attempt.

    Each canary is laid before the judge as an answer to each query. A relative judge compares it with that query's
    attempt: a win is a false positive, and equal scores are half of one. Costs as many judgements as there are queries
    times canaries, twice that many candidates where the judge is relative.

    Args:
        verifier: the judge.
        queries: what the canaries are said to answer.
        runner: runs the judge, e.g. a `ponder.Runtime` with its engines.
        attempts: an honest attempt at each query, for a relative judge.
        canaries: texts that answer nothing.
        threshold: the score from which on a candidate is accepted.

    Raises:
        UsageError: there are no queries or canaries, a relative judge has not one attempt a query, the threshold is not
            finite, or the judge could tell of fewer than one in ten.

    >>> from ponder import Query, Runtime, SimulatedSpec
    >>> from ponder.verifiers import SelfEvaluation
    >>> async def measured():
    ...     queries = [Query.ask(f"Problem {i}?") for i in range(8)]
    ...     async with Runtime({"generator": SimulatedSpec()}) as runtime:
    ...         return await measured_false_positives(SelfEvaluation(form="question"), queries, runtime)
    >>> found = asyncio.run(measured())
    >>> round(found.rate.mean, 2), round(found.rate.low, 2), round(found.rate.high, 2)
    (0.45, 0.18, 0.75)
    >>> round(found.ceiling(correct=0.3).mean, 2)
    0.49
    """
    _check(verifier, queries, attempts, canaries)
    check_threshold(threshold)
    unique = tuple(dict.fromkeys(canaries))
    given: list[tuple[Query, tuple[str, ...]]] = [(query, unique) for query in queries]
    if verifier.is_relative:
        given = [(query, (text, attempt)) for query, attempt in zip(queries, attempts, strict=True) for text in unique]
    runs = [runner.run(Planted(verifier=verifier, texts=texts), query) for query, texts in given]
    results = await asyncio.gather(*runs)
    scores = [[each.scores[verifier.name] for each in result.candidates] for result in results]
    if verifier.is_relative:
        told = [_beats(*pair) for pair in scores]
    else:
        told = [_accepted(score, threshold) for group in scores for score in group]
    _check_told(verifier, told, [score for group in scores for score in group])
    return _summed(unique, told, Usage.total(result.usage for result in results))


def _summed(canaries: Sequence[str], told: Sequence[float | None], usage: Usage) -> FalsePositives:
    """What was told of each canary, query after query."""
    rows = [told[start : start + len(canaries)] for start in range(0, len(told), len(canaries))]
    by_query = [judged for row in rows if (judged := _judged(row))]
    by_canary = {
        text: sum(judged) / len(judged)
        for text, column in zip(canaries, zip(*rows, strict=True), strict=True)
        if (judged := _judged(column))
    }
    return FalsePositives(accuracy_interval(by_query), by_canary, list(told).count(None), usage)


def _check(verifier: Verifier, queries: Sequence[Query], attempts: Sequence[str], canaries: Sequence[str]) -> None:
    if not queries or not canaries:
        raise UsageError(f"there must be queries and canaries, got {len(queries)} and {len(canaries)}; add some")
    if verifier.is_relative and len(attempts) != len(queries):
        rule = f"{verifier.name} compares candidates, so attempts must be one for each of {len(queries)} queries"
        raise UsageError(f"{rule}, got {len(attempts)}; give an honest attempt at each")


def _check_told(verifier: Verifier, told: Sequence[float | None], scores: Sequence[Score]) -> None:
    judged = len(_judged(told))
    if judged < LEAST_TOLD * len(told):
        why = next((score.detail for score in scores if score.value is None), "")
        raise UsageError(
            f"a judge must tell of {LEAST_TOLD:.0%} of what is laid before it to be measured, but {verifier.name} told "
            f"of {judged} of {len(told)} ({why[:200]}); mend that first"
        )


def _judged(told: Sequence[float | None]) -> list[float]:
    return [value for value in told if value is not None]


def _accepted(score: Score, threshold: float) -> float | None:
    return None if score.value is None else float(score.value >= threshold)


def _beats(canary: Score, attempt: Score) -> float | None:
    """1 where the canary is preferred, 0.5 where both are equal; None where one was not judged."""
    if canary.value is None or attempt.value is None:
        return None
    return 0.5 if canary.value == attempt.value else float(canary.value > attempt.value)
