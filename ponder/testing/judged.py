"""Judging candidates that are there already, as a run does it, with everything that the verifier said and did."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import PrivateAttr

from ..orchestrator.context import Context
from ..orchestrator.effects import covers
from ..orchestrator.plan import Plan
from ..orchestrator.shape import Medium, Shape
from ..orchestrator.strategy import Strategy
from ..orchestrator.types import Candidate, Query, Score, Usage
from ..orchestrator.verifier import Verifier
from ..verifiers import AnyVerifier
from .changed_knobs import subclassed
from .require import require
from .scene import Played, Scene, play

Round = tuple[int, ...]
"""The places of the candidates that are judged together."""


@dataclass(slots=True)
class Heard:
    """What a verifier said in each round, and what it raised."""

    scores: list[list[Score]] = field(default_factory=list)
    raised: list[BaseException] = field(default_factory=list)


class Judged(Strategy):
    """Judges its candidates, and passes them on in their order with the scores of the first round.

    Whatever the circumstances, each score must be sound, nothing may be raised, and the scores must tell what was
    spent.

    Args:
        verifier: judges.
    """

    kind: Literal["judged"] = "judged"
    verifier: AnyVerifier
    _candidates: tuple[Candidate, ...] = PrivateAttr(default=())
    _rounds: tuple[Round, ...] = PrivateAttr(default=())
    _at_once: bool = PrivateAttr(default=False)
    _heard: Heard = PrivateAttr(default_factory=Heard)

    @classmethod
    def of(cls, verifier: Verifier, candidates: Sequence[Candidate], rounds: Sequence[Round] | None = None) -> Judged:
        """Candidates judged in some rounds, each elsewhere in the pipeline; None judges them all together once."""
        heard = Heard()
        judged = cls(verifier=_listened(verifier, heard))
        judged._candidates, judged._heard = tuple(candidates), heard
        judged._rounds = (tuple(range(len(candidates))),) if rounds is None else tuple(rounds)
        return judged

    def engine_names(self) -> tuple[str, ...]:
        return self.verifier.engine_names()

    def infer(self, shape: Shape, plan: Plan) -> Shape:
        longest = max(map(_length, self._candidates), default=0)
        are_images = "text" not in self.verifier.judges or any(each.image for each in self._candidates)
        medium: Medium = "image" if are_images else "text"
        shape = Shape(medium=medium)
        for places in filter(None, self._rounds):
            given = Shape(len(places), len(places), longest=longest, drawn_by=frozenset({"generator"}), medium=medium)
            shape = plan.score(given, self.verifier, together=True)
        return shape

    async def run(self, query: Query, candidates: Sequence[Candidate], ctx: Context) -> list[Candidate]:
        told = self._heard.scores
        told.clear()
        if self._at_once:
            told += await asyncio.gather(*(self._judge(query, ctx, i) for i, _ in enumerate(self._rounds)))
        for number in range(len(told), len(self._rounds)):
            told.append(await self._judge(query, ctx, number))
            if not number:
                self._check(told[0], ctx._run.ledger.spent, ctx)
        first = zip(self._rounds[0], told[0], strict=True)
        return [self._candidates[i].with_score(self.verifier.name, score) for i, score in first]

    async def _judge(self, query: Query, ctx: Context, number: int) -> list[Score]:
        """What the verifier says in one round, at a place of its own."""
        given = [self._candidates[i] for i in self._rounds[number]]
        judging = ctx.child(str(number), self.kind)._judging(self.verifier, given)
        try:
            return await judging.scores(query, given, self.verifier)
        finally:
            judging.release()

    def _check(self, told: Sequence[Score], spent: Usage, ctx: Context) -> None:
        """Fail unless the scores of the first round are sound, and tell what was spent."""
        heard, run = self._heard, ctx._run
        require(not heard.raised, f"{self.verifier.name} must not raise", repr(heard.raised[:1]))
        for score in told:
            has_reason = score.value is not None or bool(score.detail)
            require(has_reason, f"a score of None must say why in its detail, whatever happens ({run.reason})", score)
        judged = [self._candidates[i] for i in self._rounds[0]]
        different = {c.seen: s for c, s in zip(judged, told, strict=True)}
        least, most = (Usage.total(score.usage for score in scores) for scores in (different.values(), told))
        rule = "the usage of the scores must add up to what judging has cost (equal candidates share it or repeat it)"
        require(covers(spent, least), rule, f"{least} at least for {spent}")
        if run.stopped != "deadline" and not run.failures:
            require(covers(most, spent), rule, f"{most} at most for {spent}")


def _length(candidate: Candidate) -> int:
    """The most tokens of what a candidate says."""
    return len(candidate.path_tokens) or len(candidate.text.encode(errors="replace"))


def _listened(verifier: Verifier, heard: Heard) -> Verifier:
    """A verifier of the same class, knobs and name that notes what it raises."""

    async def score(self: Verifier, *arguments: Any) -> list[Score]:
        try:
            return await verifier.score(*arguments)
        except Exception as error:
            heard.raised.append(error)
            raise

    listened: Verifier = subclassed(verifier, {"score": score})
    return listened


@dataclass(frozen=True, slots=True)
class Told:
    """What came of judging: the run, and the scores of each round."""

    played: Played
    rounds: tuple[tuple[Score, ...], ...]

    @property
    def scores(self) -> tuple[Score, ...]:
        """What the verifier said in the first round."""
        return self.rounds[0]

    @property
    def values(self) -> list[float | None]:
        """The values of the first round."""
        return [score.value for score in self.scores]


async def told(
    verifier: Verifier,
    candidates: Sequence[Candidate],
    scene: Scene,
    rounds: Sequence[Round] | None = None,
    at_once: bool = False,
) -> Told:
    """What a verifier says of candidates in a scene, in rounds one after the other or at once; see `Judged`.

    Raises:
        AssertionError: a score is not sound, or room is held afterwards.
    """
    judged = Judged.of(verifier, candidates, rounds)
    judged._at_once = at_once
    played = await play(judged, scene)
    require(not played.ledger.outstanding, "no reservation may be left", played.ledger.outstanding)
    return Told(played, tuple(map(tuple, judged._heard.scores)))
