"""First accepted: draw until a verifier accepts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ..orchestrator.context import Context
from ..orchestrator.plan import Plan
from ..orchestrator.shape import Shape
from ..orchestrator.types import Candidate, Query
from ..verifiers import AnyVerifier
from ..verifiers.reliability import WorthTrying
from .abstention import abstention
from .drawing import Draws, FormedDrawing
from .ranking import ranked


class FirstAccepted(FormedDrawing):
    """Draw until the verifier accepts a candidate, `n` times at most.

    A score of at least `threshold` accepts; what cannot be judged is not accepted. The accepted candidate comes first;
    where none was, the best scored does. A single draw is not judged at all.

    With `abstain`, where none was accepted there is no answer: an empty candidate without an answer comes first, whose
    score says why, and those that were rejected follow it. A single draw is then judged too. With `stopping`, no more
    attempts are made than are worth it: the more were rejected, the likelier the task is one of those on which the next
    that is accepted is wrong. A rule by which even the first is not worth making is refused.

    Family: adaptive stopping
    When it pays: the verifier is nearly free of error (tests, a proof checker): the cost of Best-of-N falls to that of
        the first success. A verifier that errs bounds what can be reached, however many draws there are: see
        `ResamplingLaw`. Where a wrong answer costs more than none, `abstain` and `stopping` pay as well.
    Cost: at most `n` draws and `n` judgements; depth 2 for each round.
    Source: Stroebl, Kapoor and Narayanan 2024, arXiv 2411.17501, resampling with an imperfect verifier.
    Departs: a round may draw several at once.

    Args:
        verifier: judges each candidate.
        threshold: the least score that accepts; from 0 to 1 where the verifier's scores are verdicts or probabilities.
        round: candidates drawn at once; those of a round are all paid, also where the first of them is accepted.
        abstain: whether there is no answer where none is accepted.
        stopping: how many attempts are worth making; it counts no answer where none is accepted, so needs `abstain`.
    """

    kind: Literal["first_accepted"] = "first_accepted"
    n: Draws = 8
    verifier: AnyVerifier
    threshold: Annotated[float, Field(allow_inf_nan=False)] = 0.5
    round: Draws = 1
    abstain: bool = False
    stopping: WorthTrying | None = None

    @model_validator(mode="after")
    def _can_accept_what_is_worth_it(self) -> Self:
        if self.stopping is not None and not self.abstain:
            raise ValueError("abstain must be true where stopping is set, which counts on it; set it, or drop stopping")
        scale = self.verifier.score_scale
        if scale in ("binary", "probability") and not 0 <= self.threshold <= 1:
            raise ValueError(
                f"threshold must be from 0 to 1, as {self.verifier.name} scores on the scale {scale!r}, got "
                f"{self.threshold:g}; beyond that none is accepted, or all are"
            )
        if not self.most:
            raise ValueError(
                "stopping must leave one attempt that is worth making, but a wrong answer or a call costs too much for "
                "so weak a verifier; do not ask, or use a better one"
            )
        return self

    @property
    def most(self) -> int:
        """The most attempts: `n`, or fewer where more are not worth making."""
        return self.n if self.stopping is None else self.stopping.most(self.n)

    def engine_names(self) -> tuple[str, ...]:
        """The engine drawn from and those the verifier asks."""
        return (self.engine, *self.verifier.engine_names())

    def infer(self, shape: Shape, plan: Plan) -> Shape:
        """At most `n` fresh candidates, judged, and perhaps the one that abstains."""
        self.check_first(shape, plan)
        most = self.most
        judge = self.verifier if most > 1 or self.abstain else None
        with plan.rounds(-(-most // self.round)):
            drawn = plan.sample(most, self.sampling, self.engine, judge, fewest=min(self.round, most))
        return replace(drawn, most=most + self.abstain)

    async def run(self, query: Query, candidates: Sequence[Candidate], ctx: Context) -> list[Candidate]:
        """The draws, the accepted one first."""
        most = self.most
        if most == 1 and not self.abstain:
            return await ctx.sample(query, 1, self.sampling, engine=self.engine)
        judged: list[Candidate] = []
        for first in range(0, most, self.round):
            count = min(self.round, most - first)
            drawn = await ctx.sample(query, count, self.sampling, engine=self.engine, then=self.verifier)
            latest = await ctx.score(query, drawn, self.verifier)
            judged += latest
            if ctx.is_stopped or any(map(self._accepts, latest)):
                break
        best_first = ranked(judged, self.verifier.name)
        if self.abstain and judged and not any(map(self._accepts, judged)):
            return [abstention(self.verifier.name, "no attempt was accepted", ctx), *best_first]
        return best_first

    def _accepts(self, candidate: Candidate) -> bool:
        score = candidate.scores.get(self.verifier.name)
        return score is not None and score.value is not None and score.value >= self.threshold
