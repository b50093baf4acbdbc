"""Arms: what a search really runs, so that compositions which differ only in how they choose share their draws."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...orchestrator.canonical import stable_id
from ...orchestrator.engine import Sampling
from ...orchestrator.strategy import Strategy
from ...orchestrator.verifier import Verifier
from ...strategies import BestOfN, RandomNoiseSearch, Sample, SelfConsistency
from ...verifiers.answers import AnswerKey

UNDRAWN = {"n", "verifier"}
"""Knobs of a random search over noises that no image of it depends on."""


@dataclass(frozen=True, slots=True, eq=False)
class Arm:
    """Independent draws of one kind, judged and read in one way, at any number; or one composition, run as it stands.

    Draws are named by what is asked, so arms that draw alike share them whatever judges and reads them. Arms of one id
    are equal.

    Args:
        strategy: what is run; its own number of draws says nothing.
        is_pool: whether its draws are pooled; else the answer itself is the outcome.
        answer: how a pooled draw's answer is read.
        verifier: whose scores the pooled draws carry.
        id: twelve hexadecimal digits that name all of this.
        stream: twelve hexadecimal digits that name the draws alone, unjudged.
    """

    strategy: Strategy
    is_pool: bool = False
    answer: AnswerKey | None = None
    verifier: Verifier | None = None
    id: str = field(init=False)
    stream: str = field(init=False)

    def __post_init__(self) -> None:
        id = stable_id((self.strategy, self.answer)) if self.is_pool else self.strategy.id
        stream = id
        if self.is_pool and isinstance(self.strategy, Sample | BestOfN):
            sampling = self.strategy.sampling
            drawn = sampling if self.verifier is None else self.verifier.sampling(sampling)
            stream = stream_of(self.strategy.engine, drawn)
        if self.is_pool and isinstance(self.strategy, RandomNoiseSearch):
            stream = stable_id(self.strategy.model_dump(mode="json", exclude=UNDRAWN))
        object.__setattr__(self, "id", id)
        object.__setattr__(self, "stream", stream)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Arm) and self.id == other.id

    def __hash__(self) -> int:
        return hash(self.id)

    def at(self, draws: int) -> Strategy:
        """What is run for a pool of so many draws; an arm that is no pool runs as it stands."""
        return self.strategy.model_copy(update={"n": draws}) if self.is_pool else self.strategy

    def serves(self, other: Arm) -> bool:
        """Whether a pool of this arm tells what compositions of `other` would answer."""
        if not (self.is_pool and other.is_pool) or self.stream != other.stream:
            return self.id == other.id
        return other.answer in (None, self.answer) and other.verifier in (None, self.verifier)


def arm_of(composition: Strategy) -> Arm:
    """The arm that measures a composition.

    >>> from ponder.verifiers import ProcessReward
    >>> judged = [arm_of(BestOfN(n=n, verifier=ProcessReward())) for n in (4, 16)]
    >>> judged[0] == judged[1], judged[0].stream == arm_of(SelfConsistency(n=8)).stream
    (True, True)
    """
    if not is_pooled(composition):
        return Arm(composition)
    match composition:
        case SelfConsistency(answer=answer):
            return _pool(composition, answer, None)
        case BestOfN(n=n, verifier=verifier, weighted=weighted, answer=answer) if n > 1:
            return _pool(composition, answer if weighted else None, verifier)
        case RandomNoiseSearch(n=n, verifier=verifier):
            judged = composition.model_copy(update={"n": min(n, 2), "final_steps": None})
            return Arm(judged, True, None, verifier if n > 1 else None)
    assert isinstance(composition, Sample | BestOfN)
    return _pool(composition, None, None)


def stream_of(engine: str, sampling: Sampling) -> str:
    """Twelve hexadecimal digits that name the draws of an engine from a query's own prompt."""
    return stable_id((engine, sampling))


def draws_of(composition: Strategy) -> int:
    """How many pooled draws a composition chooses from; 1 where it is run as it stands."""
    if is_pooled(composition) and isinstance(composition, SelfConsistency | BestOfN | RandomNoiseSearch):
        return composition.n
    return 1


def is_pooled(composition: Strategy) -> bool:
    """Whether a composition only chooses from independent draws; a subclass may do more, so none counts."""
    if isinstance(composition, BestOfN | RandomNoiseSearch) and composition.verifier.is_relative:
        return False
    if isinstance(composition, RandomNoiseSearch) and composition.final_steps not in (None, composition.steps):
        return False
    return type(composition) in (Sample, SelfConsistency, BestOfN, RandomNoiseSearch)


def _pool(composition: Sample | SelfConsistency | BestOfN, answer: AnswerKey | None, verifier: Verifier | None) -> Arm:
    knobs = {**composition.sampling.model_dump(include=set(Sample.model_fields)), "engine": composition.engine}
    if verifier is None:
        return Arm(Sample(**knobs), True, answer)
    return Arm(BestOfN(**knobs, verifier=verifier), True, answer, verifier)
