"""Rank: judge the candidates of earlier nodes and keep the best."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from ..orchestrator.context import Context
from ..orchestrator.plan import Plan
from ..orchestrator.shape import Medium, Shape
from ..orchestrator.strategy import Strategy
from ..orchestrator.types import Candidate, Query
from ..verifiers import AnyVerifier
from .drawing import Draws
from .ranking import ranked


class Rank(Strategy):
    """Judge each candidate of earlier nodes and keep the `keep` best.

    It is Best-of-N over whatever was drawn before, by one model or several. Equal candidates are judged once.

    Family: selection
    When it pays: a verifier should choose among candidates of several sources, or cut their number before something
        dearer looks at them.
    Cost: a judgement a candidate; depth 1.
    Source: Cobbe et al. 2021, arXiv 2110.14168, section 4.2, for the choice by score.
    Departs: a candidate whose score is missing comes after all that have one.

    Args:
        verifier: judges each candidate.
        keep: candidates to pass on; None passes all on, best first.
    """

    takes: ClassVar[frozenset[Medium]] = frozenset({"text", "image"})
    writes: ClassVar[bool] = False
    kind: Literal["rank"] = "rank"
    verifier: AnyVerifier
    keep: Draws | None = None

    def engine_names(self) -> tuple[str, ...]:
        """The engines the verifier asks."""
        return self.verifier.engine_names()

    def infer(self, shape: Shape, plan: Plan) -> Shape:
        """At most `keep` candidates, judged."""
        if shape.is_empty:
            raise plan.refuse(
                "rank chooses among candidates, but nothing before it draws any", "put a sample before it"
            )
        judged = plan.score(shape, self.verifier, together=True)
        return judged if self.keep is None else judged.narrowed(self.keep)

    async def run(self, query: Query, candidates: Sequence[Candidate], ctx: Context) -> list[Candidate]:
        """The best candidates, best first."""
        return ranked(await ctx.score(query, candidates, self.verifier), self.verifier.name)[: self.keep]
