"""Rollover budget forcing: tries that one step of denoising does not need roll over to the next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ..orchestrator.context import Context
from ..orchestrator.plan import Plan
from ..orchestrator.shape import Shape
from ..orchestrator.types import Candidate, Query, Usage
from .denoising_steps import DenoisingSteps
from .drawing import Draws
from .rollover import Acceptance, Chain, Judged, merit
from .stochastic_denoising import StochasticDenoising

Tries = Annotated[int, Field(ge=1, le=1_000_000)]


class RolloverBudgetForcing(StochasticDenoising):
    """Spend `evaluations` on one chain of states, each step only as much as it takes to improve on the best so far.

    The best of `initial` noises begins the chain, and each step is granted an equal quota of tries. A step ends with
    its best proposal as soon as that, after `min_tries`, beats the best score of the whole chain by `margin`; the tries
    it did not need roll over to the next step. Otherwise it ends with its best when its quota is spent. What is left at
    the end goes back to an earlier step of the chain, as many steps as full quotas are left, and one at least: from
    there the chain is made anew, and the better end counts, until nothing is left.

    The published form is ``min_tries=1, margin=0, leftover="last"``, with ``steps=10, evaluations=500, initial=25,
    interpolant="variance_preserving", grid="exponential"`` for a distilled model. On others it is a
    poor allocator: what is expected of a state gets better anyway as its noise falls, so that early steps, which decide
    what the image shows, end after a try or two, and two thirds of all are left for the last, which decides nothing.

    Whoever watches a run is told what each step spent.

    Family: stepwise denoising
    When it pays: steps differ in how hard they are, and calls to the verifier are dear enough to be saved. Without that
        `svdd`, which spends alike on all, is as good and needs fewer rounds.
    Cost: `evaluations` and as many judgements, one more for the image, and what `speculation` drops; depth twice the
        rounds of proposals, which come `min_tries` first and then `speculation` at a time, and 4 more.
    Source: Kim et al. 2025, arXiv 2503.19385, section 5, and the authors' code.
    Departs: `min_tries`, `margin` and what is left over, as above. The quota is over the steps that have proposals, one
        fewer than `steps`, all `evaluations` are spent, and the image is whole: its score is that of itself.

    Args:
        evaluations: in all, guidance apart; at least one a step besides `initial` and `final_steps`.
        initial: noises to begin with.
        min_tries: of a step before it may end early; None for just over half its quota.
        margin: by how much a proposal must beat the best score so far for its step to end early.
        margin_unit: what `margin` counts: the unit of the ``score``, or its standard ``deviation`` among the tries of
            the step.
        speculation: proposals that are made at once. The image is the same; the step ends with the first, in order,
            that ends it, and those after it are charged besides `evaluations`.
        leftover: whether what is left goes back to an earlier step (``restart``), or all of it to the ``last`` one.
    """

    kind: Literal["rollover_budget_forcing"] = "rollover_budget_forcing"
    evaluations: Tries = 64
    initial: Draws = 8
    min_tries: Tries | None = None
    margin: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 2.0
    margin_unit: Literal["score", "deviation"] = "deviation"
    speculation: Draws = 1
    leftover: Literal["restart", "last"] = "restart"

    @model_validator(mode="after")
    def _covers_all_steps(self) -> Self:
        least = self.initial + self.final_evaluations + self.steps - 1
        if self.steps < 2 or self.evaluations < least:
            raise ValueError(
                f"there must be 2 steps or more and a try for each, so {least} evaluations for {self.initial} noises "
                f"and {self.steps} steps, got {self.evaluations}; raise evaluations, or take fewer noises"
            )
        return self

    @property
    def is_speculative(self) -> bool:
        """Whether proposals may be dropped."""
        return self.speculation > 1

    @property
    def tries(self) -> int:
        """Proposals in all, those that speculation drops apart."""
        return self.evaluations - self.initial - self.final_evaluations

    @property
    def quota(self) -> int:
        """Tries granted to each step."""
        return self.tries // (self.steps - 1)

    @property
    def acceptance(self) -> Acceptance:
        """When a step ends early."""
        least = self.quota // 2 + 1 if self.min_tries is None else min(self.min_tries, self.quota)
        return Acceptance(least, self.margin, self.margin_unit == "deviation")

    @property
    def most_visits(self) -> int:
        """The most steps that may end early: each but the very last takes the least tries."""
        return self.steps - 2 if self.leftover == "last" else -(-self.tries // self.acceptance.min_tries)

    @property
    def most_rounds(self) -> int:
        """The most rounds of proposals made one after another: of a step the least tries, and then so many at once."""
        least, at_once, visits = self.acceptance.min_tries, self.speculation, self.most_visits
        alone, tries, steps = 0, self.tries, self.steps - 1
        if self.leftover == "last":
            alone, tries, steps = 1, self.quota * visits, visits
        return alone + min(tries - steps * (least - 1), (tries + visits * (at_once - 1)) // at_once)

    def infer(self, shape: Shape, plan: Plan) -> Shape:
        """One image, judged."""
        self.check_first(shape, plan)
        dropped = self.most_visits * (self.speculation - 1)
        leaving = self.ending(plan, self.steps - 1 + self.final_evaluations, self.verifier)
        self._count(plan, self.initial, 1, 1, leaving)
        with plan.rounds(self.most_rounds):
            self._count(plan, self.tries + dropped, 1, self.steps - 1, Usage())
        with plan.maybe():
            return self._count(plan, 1, self.final_evaluations, 0, Usage())

    def _count(self, plan: Plan, n: int, evaluations: int, fewest: int, leaving: Usage) -> Shape:
        return plan.denoise(n, evaluations, self.flow(), self.engine, self.verifier, fewest=fewest, leaving=leaving)

    async def run(self, query: Query, candidates: Sequence[Candidate], ctx: Context) -> list[Candidate]:
        """The image of the chain; where the budget ends it, that of where it stands."""
        states = DenoisingSteps(query, ctx, self.way(ctx), self.engine, self.verifier)
        [noises] = await states.extend([(None, self.initial)])
        if not noises:
            return []
        first = max(await states.score(noises), key=merit)
        chain = Chain(states, self.acceptance, self.quota, self.speculation, first[1])
        line = await self._line(chain, first)
        for step in chain.profile:
            ctx.show(0, "steps", f"step {step.place}: {step.spent} of {step.quota} tries\n", "said")
        images = [image for image in await states.ended([line[-1][0]]) if image is not None]
        return [image for image, _ in await states.score(images)]

    async def _line(self, chain: Chain, first: Judged) -> list[Judged]:
        """The states of the chain, one a place; fewer where the budget ends it."""
        last, spends_all = self.steps - 1, self.leftover == "last"
        line = await chain.onward([first], last, self.tries, spends_all=spends_all)
        while len(line) > last and (left := self.tries - sum(step.spent for step in chain.profile)):
            back = min(last, max(1, left // self.quota))
            again = await chain.onward(line[:-back], last, left, spends_all=False)
            if len(again) <= last:
                break
            line = max(line, again, key=lambda states: merit(states[-1]))
        return line
