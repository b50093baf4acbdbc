"""From a finished run to judged draws, by rules alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ...orchestrator.budget import Budget, Ledger
from ...orchestrator.context import Context
from ...orchestrator.journal import Journal, Memory
from ...orchestrator.run_state import Run
from ...orchestrator.runtime import Done
from ...orchestrator.types import Candidate, Query, Score, Usage
from ...orchestrator.verifier import Verifier
from ...verifiers.answers import AnswerKey
from .arms import Arm
from .pool import Draw, Pool
from .thumbnails import thumbnail


class Judge:
    """Turns a finished task into a pool of judged draws.

    A rule that fails loses no draw: what it cannot read abstains, what it cannot tell is wrong and marked as unjudged.

    Args:
        checker: says whether an answer is right; asks no engine.
    """

    def __init__(self, checker: Verifier) -> None:
        self._checker = checker

    async def pool(self, arm: Arm, wanted: int, query: Query, done: Done) -> Pool:
        """The judged draws of a task: its first `wanted` candidates, or its answer where the arm is no pool.

        Draws that were lost count as wrong, and cost what was charged for them.
        """
        candidates = list(done.result.candidates[:wanted])
        if arm.is_pool:
            candidates.sort(key=lambda candidate: candidate.index)
        marks, answers = await self._read(query, candidates, arm.answer)
        draws = [
            Draw(
                answer=answer,
                correct=mark.value or 0.0,
                score=None if score is None else score.value,
                generation=candidate.usage if arm.is_pool else done.result.usage,
                judgement=Usage() if score is None else score.usage,
                is_unjudged=mark.value is None,
                thumbnail=thumbnail(candidate.image),
            )
            for candidate, answer, mark in zip(candidates, answers, marks, strict=True)
            for score in [_score(candidate, arm)]
        ]
        count = wanted - len(draws)
        lost = (
            [Draw(answer=None, correct=0.0, generation=_lost(arm, done, count), is_lost=True)] * count if count else []
        )
        return Pool(query.id, query.difficulty, (*draws, *lost))

    async def label(self, query: Query, candidate: Candidate) -> float:
        """How right one answer is; what cannot be told is wrong."""
        marks, _ = await self._read(query, [candidate], None)
        return marks[0].value or 0.0

    async def _read(
        self, query: Query, candidates: Sequence[Candidate], answer: AnswerKey | None
    ) -> tuple[list[Score], list[str | None]]:
        """What the checker says of each candidate, and each candidate's answer."""
        free = Ledger(Budget())
        run = Run(task="judge", engines={}, gates={}, ledger=free, account=free, journal=Journal(Memory()))
        ctx, bare = Context(run, "judge"), [replace(candidate, scores={}) for candidate in candidates]
        marks = [c.scores[self._checker.name] for c in await ctx.score(query, bare, self._checker)]
        answered = await ctx.answer(bare, answer) if answer else bare
        return marks, [candidate.answer for candidate in answered]


def _score(candidate: Candidate, arm: Arm) -> Score | None:
    return candidate.scores.get(arm.verifier.name) if arm.verifier else None


def _lost(arm: Arm, done: Done, count: int) -> Usage:
    """The share of each of `count` lost draws in what the task was charged beyond its candidates, rounded up."""
    judged = {c.seen: score.usage for c in done.result.candidates if (score := _score(c, arm))}
    known = Usage.total([c.usage for c in done.result.candidates] + list(judged.values())).as_dict()
    charged = done.result.usage.as_dict().items()
    return Usage(**{name: -(-max(0, amount - known.get(name, 0)) // count) for name, amount in charged})
