"""What ensembles of verifiers have in common: members, their weights, and that each is asked once."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from ..orchestrator.canonical import canonical_json
from ..orchestrator.effects import cancel
from ..orchestrator.engine import Engine, Sampling
from ..orchestrator.shape import Medium
from ..orchestrator.types import COUNTS, Candidate, Query, Score, Usage
from ..orchestrator.verifier import Scale, Verifier
from .naming import digits
from .nesting import AnyVerifier

if TYPE_CHECKING:
    from ..orchestrator.judging import Judging

Members = Annotated[tuple[AnyVerifier, ...], Field(min_length=1, max_length=64)]
Weight = Annotated[float, Field(ge=0, le=1e6)]
Missing = Literal["abstain", "skip"]
Row = Sequence[Score]
"""What one member says of each candidate."""


class VerifierEnsemble(Verifier):
    """Several verifiers as one: a subclass implements `combined`, which makes one score of theirs.

    Members of weight 0 are not asked. Equal members are asked once, wherever they stand in ensembles of ensembles, and
    their usage counts once.

    Args:
        members: the verifiers.
        weights: how much each counts; empty weighs all alike.
    """

    members: Members
    weights: tuple[Weight, ...] = ()

    @model_validator(mode="after")
    def _weighs_each(self) -> Self:
        if self.weights and (len(self.weights) != len(self.members) or not any(self.weights)):
            raise ValueError(
                f"weights must be one for each of the {len(self.members)} members, not all 0, got {self.weights}; "
                "leave them out to weigh all alike"
            )
        return self

    @property
    def weighed(self) -> list[tuple[Verifier, float]]:
        """The members that count, each with its weight."""
        weights = self.weights or (1.0,) * len(self.members)
        return [(member, weight) for member, weight in zip(self.members, weights, strict=True) if weight]

    def leaves(self) -> list[Verifier]:
        """The different verifiers that are asked, those of ensembles among the members included."""
        found: dict[bytes, Verifier] = {}
        for member, _ in self.weighed:
            for leaf in member.leaves() if isinstance(member, VerifierEnsemble) else [member]:
                found.setdefault(canonical_json(leaf), leaf)
        return list(found.values())

    @property
    def name(self) -> str:
        """The kind, the names of the members that count, and six digits for what else is not the default."""
        return f"{self.kind}({'+'.join(member.name for member, _ in self.weighed)}){digits(self, 'members')}"

    @property
    def score_scale(self) -> Scale:
        return "reward"

    @property
    def judges(self) -> frozenset[Medium]:
        """What every member that counts can judge."""
        return frozenset.intersection(*(member.judges for member, _ in self.weighed))

    @property
    def does_without(self) -> bool:
        """Whether it judges a candidate of which some members cannot tell."""
        return False

    @property
    def needs_reference(self) -> bool:
        needs = [member.needs_reference for member, _ in self.weighed]
        return all(needs) if self.does_without else any(needs)

    @property
    def is_relative(self) -> bool:
        return any(member.is_relative for member, _ in self.weighed)

    def engine_names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for leaf in self.leaves() for name in leaf.engine_names()))

    def check(self) -> None:
        for leaf in self.leaves():
            leaf.check()

    def sampling(self, sampling: Sampling) -> Sampling:
        for leaf in self.leaves():
            sampling = leaf.sampling(sampling)
        return sampling

    def bound(
        self, engines: Mapping[str, Engine], prompt_tokens: int, completion_tokens: int, together: int = 1
    ) -> Usage:
        return Usage.total(leaf.bound(engines, prompt_tokens, completion_tokens, together) for leaf in self.leaves())

    def least(self, engines: Mapping[str, Engine], prompt_tokens: int) -> Usage:
        """The most that one of the members costs at least: what one has asked may be what another asks."""
        each = [leaf.least(engines, prompt_tokens) for leaf in self.leaves()]
        return Usage(**{name: max(getattr(usage, name) for usage in each) for name in COUNTS})

    def depth(self, together: int) -> int:
        """The sum of the members': they are asked in turn."""
        return sum(leaf.depth(together) for leaf in self.leaves())

    async def score(self, query: Query, candidates: Sequence[Candidate], ctx: Judging) -> list[Score]:
        told = await self._asked(query, candidates, ctx)
        spent = [Usage.total(score.usage for score in scores) for scores in zip(*told.values(), strict=True)]
        return [replace(score, usage=usage) for score, usage in zip(self._judged(told), spent, strict=True)]

    def combined(self, rows: Sequence[Row]) -> list[Score]:
        """One score a candidate, from a row of scores for each of the members that count."""
        raise TypeError(f"{type(self).__name__} must implement combined")

    async def _asked(self, query: Query, candidates: Sequence[Candidate], ctx: Judging) -> dict[bytes, Row]:
        """What each different verifier says.

        Those that ask engines do so in turn: where the budget ends, the first are served, whatever is fast.
        """

        async def in_turn(leaves: Sequence[Verifier]) -> dict[bytes, Row]:
            return {canonical_json(leaf): await ctx.scores(query, candidates, leaf) for leaf in leaves}

        leaves = self.leaves()
        groups = [
            [leaf for leaf in leaves if leaf.engine_names()],
            *([leaf] for leaf in leaves if not leaf.engine_names()),
        ]
        begun = [asyncio.create_task(in_turn(group)) for group in groups]
        try:
            found = await asyncio.gather(*begun)
        except BaseException:
            await cancel(begun)
            raise
        return {key: row for rows in found for key, row in rows.items()}

    def _judged(self, told: Mapping[bytes, Row]) -> list[Score]:
        """The scores of this ensemble, from those of the verifiers that were asked."""
        rows = [
            member._judged(told) if isinstance(member, VerifierEnsemble) else told[canonical_json(member)]
            for member, _ in self.weighed
        ]
        return self.combined(rows)


def kind_of(scores: Sequence[Score]) -> Literal["exact", "learned", "self"]:
    """What the evidence of several scores is: of one kind where all told are, else learned."""
    kinds = {score.kind for score in scores if score.value is not None}
    return kinds.pop() if len(kinds) == 1 else "learned"


def mean_of(values: Sequence[float], weights: Sequence[float]) -> float:
    """The weighted mean, within the range of the values, whatever the order in which they come."""
    total = math.fsum(weights)
    mean = math.fsum(value * (weight / total) for value, weight in zip(values, weights, strict=True))
    return min(max(mean, min(values)), max(values))


def mean_score(
    scores: Sequence[Score], values: Sequence[float | None], weighed: Sequence[tuple[Verifier, float]], missing: Missing
) -> Score:
    """The weighted mean of what several verifiers say of one candidate, as a score of no particular scale.

    Args:
        scores: what each says.
        values: what of it is averaged; None where it cannot tell.
        weighed: the verifiers and their weights.
        missing: whether one that cannot tell makes the whole untold, or is left out.
    """
    kept = [(value, weight) for value, (_, weight) in zip(values, weighed, strict=True) if value is not None]
    if not kept or (missing == "abstain" and len(kept) < len(values)):
        mute = values.index(None)
        detail = f"{weighed[mute][0].name} cannot tell: {scores[mute].detail}"[:200]
        return Score(None, kind=kind_of(scores), scale="reward", detail=detail)
    value = mean_of([value for value, _ in kept], [weight for _, weight in kept])
    return Score(value, kind=kind_of(scores), scale="reward")
