"""Early pruning: many streams start, and at each checkpoint the least promising stop."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, field_validator

from ..orchestrator.context import Context
from ..orchestrator.draw import Ask
from ..orchestrator.plan import Plan
from ..orchestrator.shape import Shape
from ..orchestrator.types import Candidate, Finish, Query
from ..verifiers import AnyVerifier, SelfEvaluation
from .chunks import Tokens, at_most, grown, is_open
from .cut import cut
from .drawing import Drawing, Draws
from .pruning_schedule import PruningSchedule
from .ranking import ranked


class EarlyPruning(Drawing):
    """Draw `n` streams, prune the worse at each checkpoint, choose among those that end.

    At a checkpoint the unfinished streams are judged as they stand and the best ``ceil(keep * streams)`` go on. Where
    no later checkpoint can prune, the rest is drawn at once; so with `keep` = 1, or no checkpoint before `max_tokens`,
    this is Best-of-N, draw for draw. In mode ``pause`` no token past a checkpoint is drawn before the verdict. In mode
    ``speculate`` the next chunk is drawn meanwhile, and dropped where the verdict is against its stream: faster,
    charged, and the same answer; where the budget might not last, it pauses. Pruned streams are no answers; they come
    back, aborted, only where no stream ends.

    Family: self-evaluation
    When it pays: answers are long and a partial one shows already whether it will fail: most of Best-of-N at a part of
        its tokens. A judge that cannot read partial answers prunes by chance.
    Cost: `n` first chunks, fewer of each later one, and a judgement a chunk; depth 2 a chunk, or 1 a chunk and 1 more
        in mode ``speculate``.
    Source: Manvi, Singh and Ermon 2024, arXiv 2410.02725, early pruning.
    Departs: a stream that has ended by a checkpoint is not compared with partial ones and never pruned: the paper does
        not say which, and an ended stream's score is of another kind.

    Args:
        n: streams.
        verifier: judges streams, partial and ended.
        checkpoints: tokens generated, rising.
        keep: the share of unfinished streams that goes on; never fewer than one of them.
        mode: whether drawing waits for the verdict.
    """

    kind: Literal["early_pruning"] = "early_pruning"
    n: Draws = 8
    verifier: AnyVerifier = SelfEvaluation()
    checkpoints: tuple[Tokens, ...] = (64, 128, 256)
    keep: Annotated[float, Field(gt=0, le=1)] = 0.5
    mode: Literal["pause", "speculate"] = "pause"

    @field_validator("checkpoints")
    @classmethod
    def _rise(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if any(one >= other for one, other in pairwise(value)):
            raise ValueError(f"checkpoints must rise, got {list(value)}; sort them and drop doubles")
        return value

    def engine_names(self) -> tuple[str, ...]:
        """The engine drawn from and those the verifier asks."""
        return (self.engine, *self.verifier.engine_names())

    def infer(self, shape: Shape, plan: Plan) -> Shape:
        """Up to `n` fresh candidates, judged; only the first chunks are certain."""
        self.check_first(shape, plan)
        until = self._schedule.mark(0, self.n)
        first = plan.sample(self.n, at_most(self.sampling, until), self.engine, self.verifier if self.n > 1 else None)
        with plan.maybe():
            self._count_rest(plan, self.n, until)
        return replace(first, longest=self.max_tokens)

    def _count_rest(self, plan: Plan, streams: int, at: int) -> None:
        """Count what so many streams may yet cost from the checkpoint `at` on."""
        while at < self.max_tokens:
            left = self._schedule.quota(streams)
            until = self._schedule.mark(at, left)
            drawn = streams if self.mode == "speculate" else left
            plan.sample(drawn, at_most(self.sampling, until - at), self.engine, self.verifier, after=at)
            if self.mode == "speculate":
                plan.path -= min(1, self.verifier.depth(drawn))  # drawn beside the judging of the chunk before
            streams, at = left, until

    async def run(self, query: Query, candidates: Sequence[Candidate], ctx: Context) -> list[Candidate]:
        """The streams that ended, best first; where none did, what there is of the others."""
        if self.n == 1:
            return await ctx.sample(query, 1, self.sampling, engine=self.engine)
        until = self._schedule.mark(0, self.n)
        drawn = await ctx.sample(query, self.n, at_most(self.sampling, until), engine=self.engine, then=self.verifier)
        ended, left, pruned, name = [], [], [], self.verifier.name
        while drawn:
            drawn = [await grown(each, self.sampling, ctx, self.engine) for each in drawn]
            at, until = until, self._schedule.mark(until, self._schedule.quota(sum(map(is_open, drawn))))
            judged, ahead = await self._verdict(query, drawn, at, until, ctx)
            judged = [replace(each, index=_stream(each)) for each in judged]
            streams = [each for each in judged if is_open(each)]
            places = {each.index for each in ranked(streams, name)[: self._schedule.quota(len(streams))]}
            kept = [each for each in streams if each.index in places]
            if ahead is None:
                ahead = {} if ctx.is_stopped else await self._advance(query, kept, until - at, ctx)
            ended += [each for each in judged if not is_open(each)]
            pruned += [each.with_finish(Finish.ABORTED) for each in streams if each.index not in places]
            left += [each for each in kept if each.index not in ahead]
            drawn = [replace(ahead[each.index], parent=each) for each in kept if each.index in ahead]
        return ranked(ended, name) or cut(ranked(left, name), ctx, Finish.ABORTED) + ranked(pruned, name)

    async def _verdict(
        self, query: Query, drawn: list[Candidate], at: int, until: int, ctx: Context
    ) -> tuple[list[Candidate], dict[int, Candidate] | None]:
        """All judged; in mode ``speculate``, also what every open stream goes on with, by its place."""
        streams = [each for each in drawn if is_open(each)]
        is_ahead = self.mode == "speculate" and bool(streams)
        if is_ahead:
            plan = await ctx.plan(query)
            self._count_rest(plan, len(streams), at)
            is_ahead = not ctx.is_stopped and ctx.room().fits(plan.estimate.most)  # then nothing can end it meanwhile
        if not is_ahead:
            return await ctx.score(query, drawn, self.verifier), None
        try:
            async with asyncio.TaskGroup() as group:
                judging = group.create_task(ctx.score(query, drawn, self.verifier))
                drawing = group.create_task(self._advance(query, streams, until - at, ctx))
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        return judging.result(), drawing.result()

    async def _advance(
        self, query: Query, streams: Sequence[Candidate], tokens: int, ctx: Context
    ) -> dict[int, Candidate]:
        """What each stream goes on with for a chunk of `tokens`, by its place; none where its draw is lost."""
        sampling = at_most(self.sampling, max(1, tokens))
        asks = [Ask(query, sampling, 1, self.engine, each, self.verifier) for each in streams]
        drawn = await ctx.draw(asks) if asks else []
        return {_stream(stream): found[0] for stream, found in zip(streams, drawn, strict=True) if found}

    @property
    def _schedule(self) -> PruningSchedule:
        return PruningSchedule(self.checkpoints, self.keep, self.max_tokens)


def _stream(candidate: Candidate) -> int:
    """The place of its stream: the index of its first chunk."""
    return next(candidate.path()).index
