"""Confidence stopping: attempts that the model writes less surely than its first ones are ended half-way."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from ..orchestrator.context import Ask, Context
from ..orchestrator.engine import Sampling
from ..orchestrator.plan import Plan
from ..orchestrator.shape import Shape
from ..orchestrator.types import Candidate, Finish, Query
from ..verifiers.trace_confidence import Window, trace_confidence
from .chunk_plan import parts
from .chunks import at_most, grown, is_open
from .confidence import CONFIDENCE, confidence_of, path_confidences, winners_share, with_confidence
from .confident_drawing import ConfidentDrawing, Share
from .cut import cut
from .drawing import Draws


class ConfidenceStopping(ConfidentDrawing):
    """Draw `n` candidates, end the unsure ones while they are written, stop once the vote is clear.

    The first `warmup` candidates are drawn whole. The least sure window of each gives its confidence, and the
    confidence that a share `keep` of them reach is the bar. Later ones are written chunk by chunk, and end as
    ``aborted`` once a window falls below the bar; what reaches the bar to its end votes, by its confidence. No more are
    begun once the winner has a share `consensus` of the votes. Where the engine gives no confidences nothing is ended
    and all vote alike.

    Family: adaptive stopping
    When it pays: answers are long, wrong ones waver while they are written, and the engine gives log-probabilities.
        Short answers are over before a window tells anything.
    Cost: at most `n` candidates, each of ``max_tokens / chunk`` calls after the warm-up; depth 1, and ``max_tokens /
        chunk`` more a round.
    Source: Fu et al. 2025 (DeepConf), arXiv 2508.15260, online thinking.
    Departs: the paper ends an attempt inside the engine at the token where it falls; here up to `chunk` - 1 tokens are
        written past it.

    Args:
        warmup: candidates drawn whole at first, `n` at most.
        keep: the share of them that reaches the bar; the paper keeps 0.1 or 0.9.
        window: tokens of a window; a candidate that ends with fewer is one window.
        chunk: tokens of one call, after which the windows are looked at.
        round: candidates begun at once after the warm-up.
        consensus: the winner's share of the votes that is enough.
    """

    kind: Literal["confidence_stopping"] = "confidence_stopping"
    n: Draws = 32
    warmup: Draws = 16
    keep: Share = 0.9
    chunk: Window = 256
    round: Draws = 16
    consensus: Annotated[float, Field(gt=0.5, le=1)] = 0.95

    def infer(self, shape: Shape, plan: Plan) -> Shape:
        """At most `n` fresh candidates with their confidence; some may be aborted."""
        self.answer.check()
        first = min(self.warmup, self.n)
        self.check_first(shape, plan)
        drawn = plan.sample(first, self.sampling, self.engine)
        with plan.rounds(-(-(self.n - first) // self.round)):
            self._count_written(plan, self.n - first)
        return replace(drawn, most=self.n, scored_by=drawn.scored_by | {CONFIDENCE})

    def _count_written(self, plan: Plan, count: int) -> None:
        """Count what it may cost to write so many candidates chunk by chunk."""
        for after, length, chunks in parts(self.max_tokens, self.chunk):
            with plan.rounds(chunks):
                plan.sample(count * chunks, at_most(self.sampling, length), self.engine, fewest=0, after=after)

    async def run(self, query: Query, candidates: Sequence[Candidate], ctx: Context) -> list[Candidate]:
        """The draws: the voters, those of the winning answer first, then the others."""
        drawn = await ctx.sample(query, min(self.warmup, self.n), self.sampling, engine=self.engine)
        traces = await self._judged(drawn, ctx)
        bar = self._bar(traces)
        for first in range(self.warmup, self.n, self.round):
            if ctx.is_stopped or winners_share([each for each in traces if _votes(each, bar)]) >= self.consensus:
                break
            written = await self._written(query, min(self.round, self.n - first), bar, ctx)
            traces += await self._judged(written, ctx)
        voters = [each for each in traces if _votes(each, bar)]
        others = [each for each in traces if not _votes(each, bar)]
        return self.chosen(voters, others)

    async def _written(self, query: Query, count: int, bar: float, ctx: Context) -> list[Candidate]:
        """Candidates written chunk by chunk until they end, fall below the bar, or are lost."""
        live: list[Candidate] = []
        ended: list[Candidate] = []
        for written, part in self._parts():
            asks = [Ask(query, part, 1, self.engine, each) for each in live]
            drawn = await ctx.draw(asks if written else [Ask(query, part, count, self.engine)])
            lost = [each for each, found in zip(live, drawn, strict=False) if not found]
            looked = [await self._looked_at(each, part, bar, ctx) for found in drawn for each in found]
            ended += [each.with_finish(Finish.ABORTED) for each in lost]
            ended += [each for each in looked if not is_open(each)]
            live = [each for each in looked if is_open(each)]
            if not live:
                break
        return ended + cut(live, ctx)

    async def _looked_at(self, drawn: Candidate, part: Sampling, bar: float, ctx: Context) -> Candidate:
        """A candidate after one more chunk: ended by itself, aborted below the bar, or to go on."""
        trace = await grown(drawn, self.sampling, ctx, self.engine)
        if not is_open(trace):
            return trace
        latest = path_confidences(trace)[-(self.window + part.max_tokens - 1) :]
        lowest = trace_confidence(latest, "min", self.window) if len(latest) >= self.window else None
        falls = lowest is not None and lowest < bar
        return trace.with_finish(Finish.ABORTED) if falls else trace

    async def _judged(self, traces: Sequence[Candidate], ctx: Context) -> list[Candidate]:
        """The candidates with their confidence, and their answer unless they were aborted."""
        whole = [each for each in traces if each.finish is not Finish.ABORTED]
        cut = [each for each in traces if each.finish is Finish.ABORTED]
        return with_confidence([*await ctx.answer(whole, self.answer), *cut], "min", self.window)

    def _bar(self, warm: Sequence[Candidate]) -> float:
        known = [value for each in warm if (value := confidence_of(each)) is not None]
        return float(np.percentile(known, 100 * (1 - self.keep))) if known else -math.inf

    def _parts(self) -> Iterator[tuple[int, Sampling]]:
        """The tokens written before each chunk, and how to draw it."""
        for written in range(0, self.max_tokens, self.chunk):
            length = min(self.chunk, self.max_tokens - written)
            yield written, self.sampling.model_copy(update={"max_tokens": length})


def _votes(trace: Candidate, bar: float) -> bool:
    value = confidence_of(trace)
    return trace.finish is not Finish.ABORTED and (value is None or value >= bar)
