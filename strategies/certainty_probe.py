"""Certainty probe: ask a chain of thought for its answer as it grows, and stop once the answer stays the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ..orchestrator.context import Context
from ..orchestrator.draw import Ask
from ..orchestrator.engine import Sampling
from ..orchestrator.plan import Plan
from ..orchestrator.shape import Shape
from ..orchestrator.types import Candidate, Finish, Query
from ..verifiers.answers import AnyAnswer, NumberAnswer
from .certainty import Chain, hesitates
from .chunk_plan import parts
from .chunks import Tokens, at_most, grown, opened
from .cut import cut
from .drawing import Drawing
from .enclosed import enclosed

Text = Annotated[str, Field(min_length=1)]


class CertaintyProbe(Drawing):
    """Draw chains of thought that end early once their answer is certain.

    After each chunk the chain is followed by `probe` on a branch of its own, whose short completion up to `ends` is the
    answer so far. A chain leaves where its last `agreeing` probes gave one and the same answer without a word of
    `hesitation`; then `exit_text`, the probe and that answer end it. A chain never generates more than `max_tokens`:
    the last chunk is clipped; probes come on top.

    Family: adaptive stopping
    When it pays: long chains of thought have their answer well before they end. On short answers the probes cost more
        than they save.
    Cost: a chunk and a probe of `probe_tokens` for every `chunk` tokens of each of `n` chains; depth 2 a chunk.
    Source: Fu et al. 2024 (Dynasor), arXiv 2412.20993, Certaindex.
    Departs: the published code leaves also on answers that differ, finds its words within others ("no" in
        "denominator"), and probes before the chunk; here answers are compared by canonical key, words are whole, and
        the probe reads all that was drawn.

    Args:
        chunk: tokens between probes.
        agreeing: how many probes in a row must agree.
        probe: the text that asks for the answer.
        ends: the text that ends the answer; of closing brackets, the one that closes what the probe opened.
        exit_text: what stands between a chain that leaves and its answer.
        probe_tokens: most tokens of a probe's answer.
        probe_temperature: softmax temperature of probes.
        probe_top_p: nucleus mass kept of probes.
        hesitation: words that show doubt, in any case.
        answer: how the answer is read from what a probe drew.
    """

    chooses: ClassVar[bool] = False
    kind: Literal["certainty_probe"] = "certainty_probe"
    max_tokens: Tokens = 4096
    chunk: Tokens = 64
    agreeing: Annotated[int, Field(ge=1, le=4096)] = 3
    probe: Text = "\n\n**Final Answer**\n\\boxed{"
    ends: Text = "}"
    exit_text: str = "\n</think>"
    probe_tokens: Tokens = 20
    probe_temperature: Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)] = 0.6
    probe_top_p: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] = 0.95
    hesitation: tuple[Text, ...] = ("wait", "hold", "but", "okay", "no", "hmm")
    answer: AnyAnswer = NumberAnswer()

    def infer(self, shape: Shape, plan: Plan) -> Shape:
        """`n` fresh candidates; only their first chunks are certain."""
        self.check_first(shape, plan)
        self.answer.check()
        first = plan.sample(self.n, self._sampling(0), self.engine)
        with plan.maybe():
            for at, length, chunks in parts(self.max_tokens, self.chunk):
                with plan.rounds(chunks):
                    if at:
                        plan.sample(self.n * chunks, at_most(self.sampling, length), self.engine, after=at)
                    asked = plan.template(self.probe)
                    plan.sample(self.n * chunks, self._probing, self.engine, after=at + length, reads=asked)
        forced = plan.template(self.exit_text + self.probe + self.ends)
        return replace(first, longest=self.max_tokens + self.probe_tokens + forced)

    async def run(self, query: Query, candidates: Sequence[Candidate], ctx: Context) -> list[Candidate]:
        """The chains in the order of their index, each with its answer."""
        first = await ctx.sample(query, self.n, self._sampling(0), engine=self.engine)
        chains = [Chain(opened(each, self.max_tokens)) for each in first]
        for at in range(self.chunk, self.max_tokens + self.chunk, self.chunk):
            chains = await self._probed(query, chains, ctx)
            if ctx.is_stopped or at >= self.max_tokens:
                break
            chains = await self._advanced(query, chains, at, ctx)
        return await ctx.answer(cut([each.node for each in chains], ctx), self.answer)

    async def _probed(self, query: Query, chains: list[Chain], ctx: Context) -> list[Chain]:
        """The chains after a probe of each that is unfinished; those that are certain have left."""
        asks = {}
        for i, each in enumerate(chains):
            if each.is_unfinished:
                asked = await ctx.append(each.node, self.probe, self.engine)
                asks[i] = Ask(query, self._probing, 1, self.engine, asked)
        drawn = dict(zip(asks, await ctx.draw(list(asks.values())), strict=True)) if asks else {}
        written = {i: self._written(found[0]) if found else "" for i, found in drawn.items()}
        bare = [Candidate((), text, Finish.STOP) for text in written.values()]
        keys = dict(zip(written, await ctx.answer(bare, self.answer), strict=True))
        made = list(chains)
        for i, text in written.items():
            doubts = not drawn[i] or hesitates(drawn[i][0].piece, self.hesitation)
            answers = (*chains[i].answers, None if doubts else keys[i].answer)
            made[i] = Chain(chains[i].node, answers)
            if made[i].is_certain(self.agreeing):
                last_words = f"{self.exit_text}{self.probe}{text}{self.ends}"
                made[i] = Chain((await ctx.append(chains[i].node, last_words, self.engine)).with_finish(Finish.STOP))
        return made

    async def _advanced(self, query: Query, chains: list[Chain], at: int, ctx: Context) -> list[Chain]:
        """The chains after another chunk of each that goes on; one whose chunk is lost is aborted."""
        places = [i for i, each in enumerate(chains) if each.is_unfinished]
        asks = [Ask(query, self._sampling(at), 1, self.engine, chains[i].node) for i in places]
        made = list(chains)
        for i, found in zip(places, await ctx.draw(asks) if asks else [], strict=True):
            lost = chains[i].node.with_finish(Finish.ABORTED)
            node = await grown(found[0], self.sampling, ctx, self.engine) if found else lost
            made[i] = replace(chains[i], node=node)
        return made

    def _sampling(self, at: int) -> Sampling:
        """How the chunk after `at` tokens is drawn."""
        return at_most(self.sampling, min(self.chunk, self.max_tokens - at))

    @property
    def _probing(self) -> Sampling:
        return Sampling(temperature=self.probe_temperature, top_p=self.probe_top_p, max_tokens=self.probe_tokens)

    def _written(self, drawn: Candidate) -> str:
        """The answer in what a probe drew; empty where it does not end."""
        rest = drawn.piece if drawn.finish.is_complete else ""
        found = enclosed(drawn.piece, self.ends)
        return rest if found is None else found
