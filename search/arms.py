"""Arms: what a sweep really runs, so that compositions which differ only in how they choose share their draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..orchestrator.canonical import stable_id
from ..orchestrator.engine import Sampling
from ..orchestrator.strategy import Strategy
from ..orchestrator.verifier import Verifier
from ..strategies import BestOfN, Sample, SelfConsistency
from ..verifiers.answers import AnswerKey


@dataclass(frozen=True, slots=True)
class Arm:
    """One strategy to run on every query, and the compositions estimated from what it draws.

    Args:
        strategy: what is run.
        compositions: what is estimated.
        draws: candidates pooled from a run; None where the run's answer itself is the outcome.
        answer: how a pooled candidate's answer is read.
        verifier: whose scores the pooled candidates carry.
    """

    strategy: Strategy
    compositions: tuple[Strategy, ...]
    draws: int | None = None
    answer: AnswerKey | None = None
    verifier: Verifier | None = None

    @property
    def id(self) -> str:
        """Twelve hexadecimal digits that name what is run and how its answers are read."""
        return self.strategy.id if self.answer is None else stable_id((self.strategy.id, self.answer))


@dataclass(frozen=True, slots=True)
class _Need:
    """What a composition needs of a pool; None is met by any."""

    engine: str
    sampling: Sampling
    draws: int
    answer: AnswerKey | None
    verifier: Verifier | None

    def joined(self, other: _Need) -> _Need | None:
        """The need of both together, where one pool can meet it."""
        if (self.engine, self.sampling) != (other.engine, other.sampling):
            return None
        for mine, theirs in ((self.answer, other.answer), (self.verifier, other.verifier)):
            if mine is not None and theirs is not None and mine != theirs:
                return None
        return replace(
            self,
            draws=max(self.draws, other.draws),
            answer=self.answer or other.answer,
            verifier=self.verifier or other.verifier,
        )


def arms(compositions: Sequence[Strategy]) -> list[Arm]:
    """The fewest runs that cover `compositions`, in their order: one pool for all N of all ways to choose from it."""
    pools: list[tuple[_Need, list[Strategy]]] = []
    alone: list[Arm] = []
    for composition in compositions:
        need = _need(composition)
        if need is None:
            alone.append(Arm(composition, (composition,)))
            continue
        for i, (held, members) in enumerate(pools):
            if (joined := held.joined(need)) is not None:
                pools[i] = (joined, [*members, composition])
                break
        else:
            pools.append((need, [composition]))
    return [_arm(need, members) for need, members in pools] + alone


def is_pooled(composition: Strategy) -> bool:
    """Whether a composition only chooses from independent draws; a subclass may do more, so none counts."""
    is_absolute = not (isinstance(composition, BestOfN) and composition.verifier.is_relative)
    return type(composition) in (Sample, SelfConsistency, BestOfN) and is_absolute


def _need(composition: Strategy) -> _Need | None:
    if not is_pooled(composition):
        return None
    match composition:
        case Sample():
            answer, verifier = None, None
        case SelfConsistency():
            answer, verifier = composition.answer, None
        case BestOfN():
            answer = composition.answer if composition.weighted else None
            verifier = composition.verifier if composition.n > 1 else None
        case _:
            return None
    return _Need(composition.engine, composition.sampling, composition.n, answer, verifier)


def _arm(need: _Need, members: list[Strategy]) -> Arm:
    knobs = {**need.sampling.model_dump(include=set(Sample.model_fields)), "n": need.draws, "engine": need.engine}
    strategy = Sample(**knobs) if need.verifier is None else BestOfN(**knobs, verifier=need.verifier)
    return Arm(strategy, tuple(members), need.draws, need.answer, need.verifier)
