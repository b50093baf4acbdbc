"""What workers may cost that share one cache."""

from __future__ import annotations

from dataclasses import replace

from ..orchestrator.plan import Plan, SideBySide
from ..orchestrator.shape import Shape
from ..orchestrator.workspace import Layout, Separator
from .collaboration import Collaboration
from .concluding import closing, count_finisher, finishing


def count_side_by_side(knobs: Collaboration, layout: Layout, plan: Plan) -> Shape:
    """The shape of what they write, and of the finisher; only the first advance is certain."""
    workers, opened = knobs.workers, _opened(knobs, layout, plan)
    said = opened + workers * _said(knobs, layout, plan)
    whole = SideBySide(workers, most_advances(knobs, layout), workers * knobs.max_tokens, said)
    first = SideBySide(workers, 1, workers * min(knobs.chunk, knobs.max_tokens), opened)
    shape = plan.share(whole, first, knobs.engine, finishing(knobs, plan, first.drawn, first.said))
    with plan.maybe():
        count_finisher(knobs, plan, whole.drawn, whole.said)
    return replace(shape, longest=shape.longest + closing(knobs, plan) + knobs.finisher_tokens)


def most_advances(knobs: Collaboration, layout: Layout) -> int:
    """The most advances: each is a chunk, or ends early with a step or a cue of one worker, or as one ends its work.

    All but those in which a view was full at the start draw a token of each that writes.
    """
    chunks = -(-knobs.max_tokens // knobs.chunk)
    early = knobs.max_steps - 1 if layout.commits else knobs.most_cues
    return min(knobs.max_tokens, chunks + knobs.workers * early) + knobs.workers


def between(layout: Layout, plan: Plan) -> int:
    """The most tokens of what stands between the parts of a view."""
    return sum(plan.template(part.text) for part in layout.view if isinstance(part, Separator))


def _opened(knobs: Collaboration, layout: Layout, plan: Plan) -> int:
    """The most tokens, beyond the query's, that stand before the first token that is drawn."""
    told = sum(plan.template(knobs.told(i) + knobs.opens(i, 1)) for i in range(knobs.workers))
    return plan.template(knobs.rules) + told + knobs.workers * between(layout, plan)


def _said(knobs: Collaboration, layout: Layout, plan: Plan) -> int:
    """The most tokens that one worker is told later: how its other steps end and begin, and the cues."""
    if not layout.commits:
        return knobs.most_cues * plan.template(knobs.cue)
    steps = knobs.max_steps - 1
    longest = max(plan.template(knobs.opens(i, knobs.max_steps + 1)) for i in range(knobs.workers))
    each = longest + plan.template(knobs.step_ends[0])
    return steps * each + min(steps, knobs.most_cues) * plan.template(knobs.cue)
