"""Workers that finish their steps into one text and go on from all that is in it: no barrier, no timer, any engine."""

from __future__ import annotations

from ..orchestrator.context import Context
from ..orchestrator.plan import Plan
from ..orchestrator.shape import Shape
from ..orchestrator.types import Query
from .collaboration import Collaboration
from .common_text import CommonText
from .step_cost import count_steps, most_steps
from .worker import Work


async def write_in_steps(knobs: Collaboration, step_tokens: int, asked: Query, ctx: Context) -> Work:
    """What workers write who see one another's finished steps, until enough of them agree or all have ended.

    A worker's clock is the tokens that it has drawn. Steps come into the text in the order of these clocks, of equals
    that of the lower number first: one that ended at t once every other that is being drawn has ended later, or has
    told that it is past t. So the text depends on what is drawn alone, and never on which draw was faster. An engine
    that does not stream tells nothing before a draw ends; then the others wait for that.

    Once the work is decided no step begins any more, and those that are being drawn end: they are paid for.

    Source: Rodionov et al. 2025, arXiv 2504.06261, section 3.3 ("interleaved"), of which each step is here a draw of
        its own; what the others write of unfinished steps is not seen.
    """
    async with CommonText(knobs, step_tokens, asked, ctx) as common:
        for number in range(knobs.workers):
            if number in common.writing:
                await common.begin(number)
        while common.flights:
            flight = min(common.flights.values(), key=lambda each: each.earliest)
            if not flight.is_over:
                await flight.moved()
                continue
            await common.land(flight)
            if flight.number in common.writing:
                clock = common.work.workers[flight.number].drawn
                await common.begin(flight.number, sum(clock - other.begun for other in common.flights.values()))
        return common.work


def count_in_steps(knobs: Collaboration, step_tokens: int, plan: Plan) -> Shape:
    """The shape of what they write, and of the finisher; in the worst order each step waits for another."""
    return count_steps(knobs, step_tokens, plan, knobs.workers * most_steps(knobs))
