"""Select by execution: programs that pass the same tests are told apart by inputs on which they differ."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Annotated, Literal

from pydantic import Field

from ..orchestrator.context import Context
from ..orchestrator.draw import Ask
from ..orchestrator.plan import Plan
from ..orchestrator.prompting import Template, asked, fenced, fill, numbered, question_of
from ..orchestrator.replies import listed
from ..orchestrator.shape import Shape
from ..orchestrator.types import Candidate, Query
from ..verifiers import AnyExecutor
from ..verifiers.tournaments.pairwise import Match, points, shares
from .asking import Asking, reading
from .execution_prompts import DISTINGUISH, INPUTS, JUDGE
from .output_clusters import ROW, Cluster, clustered, clusters_first, differences
from .placing import check_given
from .ranking import ranked

Pair = tuple[Cluster, Cluster]


class SelectByExecution(Asking):
    """Cluster candidates by what they put out, and have a judge choose between clusters.

    Only the candidates that pass all public tests are compared, or those that pass most. A model writes inputs, and who
    gives the same outputs stands together; who gives none stands apart and plays no match. For each two clusters a
    model writes distinguishing inputs for their best members; a judge sees these and the outputs, in both orders, see
    `pairwise`. Clusters are ordered by their share of the points (filed under ``select_by_execution``), then by size,
    then by their best by public score. Where all give the same outputs, or no inputs can be had, no pair is judged and
    the order by public score stands.

    Family: composition
    When it pays: programs pass the public tests and still differ: where they put out different things is where one is
        wrong. Where most are wrong alike, the largest cluster misleads.
    Cost: 1 call, and 3 for each two clusters; depth 3.
    Source: Li et al. 2025 (S*), arXiv 2502.14382, section 3.3.
    Departs: a cluster's points are divided by the matches it played, so that none gains by playing more.

    Args:
        executor: runs the candidates and scores them by public tests.
        inputs: inputs asked for at a time, 1 to 64.
        inputs_prompt: how inputs to cluster by are asked for.
        distinguish_prompt: how inputs that tell two programs apart are.
        judge_prompt: how the judge is asked.
    """

    kind: Literal["select_by_execution"] = "select_by_execution"
    executor: AnyExecutor
    inputs: Annotated[int, Field(ge=1, le=64)] = 6
    inputs_prompt: Annotated[str, Template("question", "count")] = INPUTS
    distinguish_prompt: Annotated[str, Template("question", "responses", "count")] = DISTINGUISH
    judge_prompt: Annotated[str, Template("question", "responses", "outputs")] = JUDGE

    def engine_names(self) -> tuple[str, ...]:
        """The engine that is asked and those that the executor asks."""
        return tuple(dict.fromkeys((self.engine, *self.executor.engine_names())))

    def infer(self, shape: Shape, plan: Plan) -> Shape:
        """The same candidates, scored by the public tests."""
        check_given(self, shape, plan)
        tested = plan.score(shape, self.executor)
        pairs = shape.most * (shape.most - 1) // 2
        telling = reading(plan, shape, self.engine, self.distinguish_prompt, 2)
        judging = reading(plan, shape, self.engine, self.judge_prompt, 2) + ROW * self.inputs
        with plan.maybe():
            plan.sample(min(pairs, 1), self.sampling, self.engine, reads=plan.template(self.inputs_prompt))
            plan.sample(pairs, self.sampling, self.engine, reads=telling)
            plan.sample(2 * pairs, self.sampling, self.engine, reads=judging)
        return tested

    async def run(self, query: Query, candidates: Sequence[Candidate], ctx: Context) -> list[Candidate]:
        """The candidates, those of the winning cluster first."""
        ordered = ranked(await ctx.score(query, candidates, self.executor), self.executor.name)
        values = [candidate.scores[self.executor.name].value for candidate in ordered]
        clusters = await self._clusters(query, [c for c, v in zip(ordered, values, strict=True) if v == values[0]], ctx)
        if len(clusters) < 2:
            return ordered
        won = shares(len(clusters), await self._matches(query, clusters, ctx))
        return clusters_first(ordered, clusters, won, self.kind)

    async def _clusters(self, query: Query, candidates: Sequence[Candidate], ctx: Context) -> list[Cluster]:
        """The clusters of `candidates`; none where there is nothing to tell apart, or no input to tell it by."""
        if len({candidate.text for candidate in candidates}) < 2 or ctx.is_stopped:
            return []
        text = fill(self.inputs_prompt, question=question_of(query), count=str(self.inputs))
        inputs = (await self._inputs(query, [text], ctx))[0]
        outputs = await ctx.execute(query, [(candidate, inputs) for candidate in candidates], self.executor)
        return clustered(candidates, inputs, outputs)

    async def _inputs(self, query: Query, texts: Sequence[str], ctx: Context) -> list[list[str]]:
        """The inputs that the model writes for each text; none where it fails."""
        drawn = await ctx.draw([Ask(asked(query, text), self.sampling, 1, self.engine) for text in texts])
        return [listed(group[0].text, self.inputs) if group else [] for group in drawn]

    async def _matches(self, query: Query, clusters: Sequence[Cluster], ctx: Context) -> list[Match]:
        """Each two clusters by their numbers, and the points of the match between their best members."""
        pairs = list(combinations(range(len(clusters)), 2))
        met = await self._told_apart(query, [(clusters[i], clusters[j]) for i, j in pairs], ctx)
        if ctx.is_stopped:
            return []
        orders = [order for one, other in met for order in ((one, other), (other, one))]
        drawn = await ctx.draw([self._judging(query, *order, ctx) for order in orders])
        replies = iter([group[0].text if group else "" for group in drawn])
        return [(*pair, points(next(replies), next(replies))) for pair in pairs]

    async def _told_apart(self, query: Query, pairs: Sequence[Pair], ctx: Context) -> list[Pair]:
        """The pairs, with what their best members put out for inputs written to tell these apart."""
        count = str(self.inputs)
        texts = [
            fill(self.distinguish_prompt, question=question_of(query), responses=_both(*pair, ctx), count=count)
            for pair in pairs
        ]
        inputs = await self._inputs(query, texts, ctx)
        sides = [(side, given) for pair, given in zip(pairs, inputs, strict=True) for side in pair]
        outputs = await ctx.execute(query, [(side.best, given) for side, given in sides], self.executor)
        told = [side.with_outputs(given, put) for (side, given), put in zip(sides, outputs, strict=True)]
        return list(zip(told[::2], told[1::2], strict=True))

    def _judging(self, query: Query, one: Cluster, other: Cluster, ctx: Context) -> Ask:
        table = fenced(differences(one.outputs, other.outputs, self.inputs), ctx)
        text = fill(self.judge_prompt, question=question_of(query), responses=_both(one, other, ctx), outputs=table)
        return Ask(asked(query, text), self.sampling, 1, self.engine)


def _both(one: Cluster, other: Cluster, ctx: Context) -> str:
    return numbered([one.best.text, other.best.text], ctx)
