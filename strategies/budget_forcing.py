"""Budget forcing: a model thinks no longer than it may, and no shorter than it should."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from ..orchestrator.context import Context
from ..orchestrator.draw import Ask
from ..orchestrator.engine import Sampling
from ..orchestrator.plan import Plan
from ..orchestrator.reopening import reopened
from ..orchestrator.shape import Shape
from ..orchestrator.types import Candidate, Finish, Query
from .chunks import Tokens, at_most
from .cut import cut
from .delimited import undelimited
from .drawing import Drawing
from .stop_strings import stopped
from .train_of_thought import TrainOfThought


class BudgetForcing(Drawing):
    """Cut thinking at a cap, and prolong it where it ends early.

    Upper bound: where thinking reaches `thinking_tokens`, its end and `answer_prefix` are put after it and the answer
    is drawn. Lower bound: where the model ends its thinking, or the whole text, the end is taken away and `wait` put in
    its place, up to `num_ignore` times. What is put in is prompt, not generated. An attempt whose continuation is lost
    comes back as the model last ended it.

    Family: sequential
    When it pays: a reasoning model stops too early on hard questions, or must answer within a fixed number of tokens.
        Prolonging soon saturates, and a model that was right may talk itself out of it.
    Cost: `num_ignore + 2` calls an attempt of `n`, `max_tokens` generated at most; depth `num_ignore + 2`.
    Source: Muennighoff et al. 2025 (s1), arXiv 2501.19393, section 3.1.
    Departs: the published harness gives each continuation the whole allowance and cuts the text later; here all
        continuations together think at most `thinking_tokens`, ends that were taken away included, and the whole
        attempt generates at most `max_tokens`.

    Args:
        max_tokens: most tokens generated for an attempt, thinking and answer.
        thinking_tokens: most tokens of thinking; the answer has what is left of `max_tokens`.
        num_ignore: how many ends of thinking are ignored; the paper has 2, 4 and 6.
        end_of_thinking: the text that ends thinking, which the engine must show; empty where only the end of the text
            does.
        wait: what stands in place of an ignored end.
        answer_prefix: what follows the end of thinking where it was cut.
    """

    chooses: ClassVar[bool] = False
    kind: Literal["budget_forcing"] = "budget_forcing"
    max_tokens: Tokens = 4096
    thinking_tokens: Tokens = 3072
    num_ignore: Annotated[int, Field(ge=0, le=64)] = 1
    end_of_thinking: str = "</think>"
    wait: Annotated[str, Field(min_length=1)] = "Wait"
    answer_prefix: str = "\nFinal Answer:"

    @model_validator(mode="after")
    def _answer_has_room(self) -> Self:
        if self.thinking_tokens > self.max_tokens:
            raise ValueError(
                f"thinking_tokens must be at most max_tokens ({self.max_tokens}), got {self.thinking_tokens}; "
                "raise max_tokens or lower thinking_tokens"
            )
        return self

    def capped(self, max_tokens: int) -> Self:
        """The same, with at most `max_tokens` of an attempt, thinking included."""
        thinking = min(self.thinking_tokens, max_tokens)
        return super().capped(max_tokens).model_copy(update={"thinking_tokens": thinking})

    def infer(self, shape: Shape, plan: Plan) -> Shape:
        """`n` fresh candidates; only their first draws are certain."""
        self.check_first(shape, plan)
        first = plan.sample(self.n, self._thinking(0), self.engine)
        waits = self.num_ignore * plan.template(self.wait)
        forced = waits + 1 + plan.template(self.end_of_thinking + self.answer_prefix)
        rest = max(1, self.max_tokens - self.thinking_tokens)
        with plan.maybe():  # all together generate no more than the first draw may, and one token each
            again = self.n * self.num_ignore
            with plan.rounds(self.num_ignore):
                plan.sample(again, at_most(self.sampling, 1), self.engine, after=self.thinking_tokens, reads=waits)
            answer = at_most(self.sampling, rest)
            plan.sample(self.n, answer, self.engine, after=self.thinking_tokens, reads=forced)
        return replace(first, longest=self.max_tokens + forced)

    async def run(self, query: Query, candidates: Sequence[Candidate], ctx: Context) -> list[Candidate]:
        """The attempts in the order of their index."""
        streams = [TrainOfThought()] * self.n
        for _ in range(self.num_ignore + 2):
            places = [i for i, each in enumerate(streams) if not each.is_over]
            if not places or ctx.is_stopped:
                break
            drawn = await ctx.draw([self._ask(query, streams[i]) for i in places])
            for i, found in zip(places, drawn, strict=True):
                gone = replace(streams[i], is_over=True)
                streams[i] = await self._next(streams[i], found[0], ctx) if found else gone
        return cut([best for each in streams if (best := each.best()) is not None], ctx, Finish.ABORTED)

    async def _next(self, stream: TrainOfThought, drawn: Candidate, ctx: Context) -> TrainOfThought:
        """The stream after a draw: over, answering, or thinking on."""
        if stream.node is not None and stream.node is stream.drawn:  # nothing was put in between
            drawn = await stopped(drawn, self.stop, ctx, self.engine) or drawn
        is_closed = not stream.is_answering and self._closes(drawn)
        if is_closed:
            has_room = drawn.generated_tokens < self.max_tokens
            drawn = drawn.with_finish(Finish.STEP if has_room else Finish.TOTAL_LENGTH)
        whole = drawn if drawn.finish.is_complete else stream.whole
        stream = replace(stream, drawn=drawn, whole=whole, thinking=stream.thinking + drawn.usage.completion_tokens)
        is_cut = drawn.finish is Finish.TOTAL_LENGTH
        may_wait = stream.ignored < self.num_ignore and stream.thinking < self.thinking_tokens
        if stream.is_answering or not (is_closed or is_cut or (may_wait and drawn.finish is Finish.EOS)):
            return replace(stream, is_over=True)
        if may_wait and not is_cut:
            is_eos = drawn.finish is Finish.EOS
            bare = reopened(drawn) if is_eos else await undelimited(drawn, self.end_of_thinking, ctx, self.engine)
            node = await ctx.append(bare, self.wait, self.engine)
            return replace(stream, node=node, ignored=stream.ignored + 1)
        line = "\n" if drawn.text and not drawn.text.endswith("\n") else ""
        forced = f"{line}{self.end_of_thinking}{self.answer_prefix}"
        node = await ctx.append(drawn, forced, self.engine) if is_cut else drawn
        return replace(stream, node=node, is_answering=True, is_over=drawn.generated_tokens >= self.max_tokens)

    def _ask(self, query: Query, stream: TrainOfThought) -> Ask:
        if stream.node is None or not stream.is_answering:
            return Ask(query, self._thinking(stream.thinking), 1, self.engine, stream.node)
        left = self.max_tokens - stream.node.generated_tokens
        return Ask(query, at_most(self.sampling, left), 1, self.engine, stream.node)

    def _thinking(self, spent: int) -> Sampling:
        """How thinking is drawn after `spent` tokens of it."""
        stop = (*self.stop, self.end_of_thinking) if self.end_of_thinking else self.stop
        return self.sampling.model_copy(update={"max_tokens": self.thinking_tokens - spent, "stop": stop})

    def _closes(self, drawn: Candidate) -> bool:
        """Whether the model ended its thinking."""
        end = self.end_of_thinking
        return bool(end) and drawn.finish is Finish.STOP and drawn.piece.endswith(end)
