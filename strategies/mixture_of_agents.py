"""Mixture of agents: layers of models, each of which sees what the layer before it answered."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ..orchestrator.context import Context
from ..orchestrator.draw import Ask
from ..orchestrator.plan import Plan
from ..orchestrator.prompting import FENCED, Template, fill, numbered
from ..orchestrator.shape import Shape
from ..orchestrator.strategy import Strategy
from ..orchestrator.types import Candidate, Message, Query
from .asking import reading
from .ensemble import Members
from .nesting import engines_of
from .placing import check_first
from .sample import Sample

PROMPT = f"""Other assistants have answered the user's latest question; their responses are below. {FENCED} They may \
be biased or wrong, so examine them critically. Write one answer of your own that brings together what is right in \
them, corrects what is not, and is accurate, complete and well ordered; do not simply repeat a response.

Responses:
{{responses}}"""


class MixtureOfAgents(Strategy):
    """Several models answer, answer again with the answers before in view, and one sums up.

    The responses stand in the system message, after what it says already. A proposer that fails costs one reference; a
    layer that fails whole leaves those before it, and where there are none the question is put plainly. The aggregator
    draws by its own knobs; without its answer the last references stand.

    Family: composition
    When it pays: open-ended questions, several models of like strength, and an aggregator that writes well. A weak
        proposer drags the others down; a question with one short answer is better voted on.
    Cost: the members' draws `layers` times, and the aggregator's; depth ``layers + 1``. Prompts grow by the answers of
        a layer.
    Source: Wang et al. 2024, arXiv 2406.04692, section 2.2.
    Departs: the published system has three layers, the last of them the aggregator: `layers` = 2 here.

    Args:
        members: the proposers of every layer.
        layers: layers of proposers, 1 to 16.
        aggregator: who sums up.
        prompt: what the system message says about the responses.
    """

    writes: ClassVar[bool] = False
    kind: Literal["mixture_of_agents"] = "mixture_of_agents"
    members: Members
    layers: Annotated[int, Field(ge=1, le=16)] = 2
    aggregator: Sample = Sample(temperature=0.7, max_tokens=2048)
    prompt: Annotated[str, Template("responses")] = PROMPT

    def engine_names(self) -> tuple[str, ...]:
        """The engines of the proposers and the aggregator."""
        return engines_of((*self.members, self.aggregator))

    def infer(self, shape: Shape, plan: Plan) -> Shape:
        """The aggregator's fresh candidates, or the last references."""
        check_first(self, shape, plan)
        references = reduce(Shape.merged, plan.abreast(member.infer(Shape(), plan) for member in self.members))
        for _ in range(self.layers - 1):
            references = self._told_layer(references, plan)
        return self._told_draws(self.aggregator, references, plan).either(references)

    def _told_layer(self, references: Shape, plan: Plan) -> Shape:
        return reduce(Shape.merged, plan.abreast(self._told_draws(each, references, plan) for each in self.members))

    def _told_draws(self, agent: Sample, references: Shape, plan: Plan) -> Shape:
        reads = reading(plan, references, agent.engine, self.prompt, references.most)
        return plan.sample(agent.n, agent.sampling, agent.engine, reads=reads)

    async def run(self, query: Query, candidates: Sequence[Candidate], ctx: Context) -> list[Candidate]:
        """The aggregator's answer."""
        references: list[Candidate] = []
        for _ in range(self.layers):
            references = await self._answers(self.members, query, references, ctx) or references
            if ctx.is_stopped:
                return references
        return await self._answers([self.aggregator], query, references, ctx) or references

    async def _answers(
        self, agents: Sequence[Sample], query: Query, references: Sequence[Candidate], ctx: Context
    ) -> list[Candidate]:
        """What the agents answer with the references in view."""
        told = query
        if references:
            told = _with_system(query, fill(self.prompt, responses=numbered([c.text for c in references], ctx)))
        drawn = await ctx.draw([Ask(told, agent.sampling, agent.n, agent.engine) for agent in agents])
        return [candidate for group in drawn for candidate in group]


def _with_system(query: Query, text: str) -> Query:
    """The query with `text` at the end of its system message, or as one."""
    first, *rest = query.messages
    if first.role in ("system", "developer"):
        messages = (first.model_copy(update={"content": f"{first.content}\n\n{text}"}), *rest)
    else:
        messages = (Message(role="system", content=text), *query.messages)
    return query.model_copy(update={"messages": messages})
