"""Verifiers in moods: the strategy's own, but they fail, abstain or cannot tell candidates apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, TypeVar, get_args

from pydantic import BaseModel

from ..orchestrator.canonical import digest
from ..orchestrator.judging import Judging
from ..orchestrator.types import Candidate, Query, Score
from ..orchestrator.verifier import Verifier
from .changed_knobs import changed, subclassed

Mood = Literal["raises", "abstains", "abstains_now_and_then", "loses_one", "is_level"]
MOODS: tuple[Mood, ...] = get_args(Mood)
LEVEL = 0.5
S = TypeVar("S", bound=BaseModel)


def in_mood(strategy: S, mood: Mood) -> S:
    """The strategy with each of its verifiers in a mood; also those of the nodes of a pipeline."""
    moved: S = changed(strategy, Verifier, lambda verifier: moody(verifier, mood))
    return moved


def verifiers_of(value: Any) -> Iterator[Verifier]:
    """The verifiers among the knobs of a strategy, and of the nodes of a pipeline."""
    if isinstance(value, Verifier):
        yield value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from verifiers_of(getattr(value, name))
    elif isinstance(value, Mapping):
        yield from verifiers_of(list(value.values()))
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from verifiers_of(part)


def moody(verifier: Verifier, mood: Mood) -> Verifier:
    """A verifier of the same class, knobs and name, in a mood."""

    async def score(self: Verifier, query: Query, candidates: Sequence[Candidate], ctx: Judging) -> list[Score]:
        if mood == "raises":
            raise RuntimeError("a verifier in this mood must fail, to show that its failure costs its part alone")
        scores = await verifier.score(query, candidates, ctx)
        return scores[:-1] if mood == "loses_one" else list(map(_distorted, scores, candidates, [mood] * len(scores)))

    moved: Verifier = subclassed(verifier, {"score": score})
    return moved


def _distorted(score: Score, candidate: Candidate, mood: Mood) -> Score:
    if mood == "is_level" and score.value is not None:
        return replace(score, value=LEVEL, steps=(LEVEL,) * len(score.steps))
    is_silent = mood == "abstains" or (
        mood == "abstains_now_and_then" and digest(candidate.text or candidate.image)[0] % 2
    )
    return Score(None, usage=score.usage) if is_silent else score
