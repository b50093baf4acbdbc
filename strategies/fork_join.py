"""A main thread and those that go on from it side by side, joined before it goes on."""

from __future__ import annotations

from ..orchestrator.context import Context
from ..orchestrator.plan import Plan
from ..orchestrator.shape import Shape
from ..orchestrator.types import Query
from .collaboration import Collaboration
from .common_text import CommonText
from .step_cost import count_steps, most_steps
from .worker import Work


async def write_forked(knobs: Collaboration, step_tokens: int, asked: Query, ctx: Context) -> Work:
    """What a main thread and its forks write, until enough of them agree or all have ended.

    The first worker that still writes draws a step; the others go on from it, none of which sees another; their steps
    are joined in the order of their numbers, and the first goes on from all of them.

    Source: ThreadWeaver, arXiv 2512.07843. Its model is trained to say where to fork and what each thread is to do;
        here every worker forks at every step, and the words of the step say who does what.
    """
    async with CommonText(knobs, step_tokens, asked, ctx) as common:
        while main := common.writing[:1]:
            await _drawn(common, main)
            await _drawn(common, [number for number in common.writing if number not in main])
        return common.work


def count_forked(knobs: Collaboration, step_tokens: int, plan: Plan) -> Shape:
    """The shape of what they write, and of the finisher."""
    return count_steps(knobs, step_tokens, plan, min(2, knobs.workers) * most_steps(knobs))


async def _drawn(common: CommonText, numbers: list[int]) -> None:
    """Let workers draw a step each from the same text, then take these into it."""
    for number in numbers:
        if number in common.writing:
            await common.begin(number)
    for flight in list(common.flights.values()):
        while not flight.is_over:
            await flight.moved()
    for flight in list(common.flights.values()):
        await common.land(flight)
