"""What workers may cost that draw their steps from one common text."""

from __future__ import annotations

from ..orchestrator.plan import Plan
from ..orchestrator.shape import Shape
from .collaboration import Collaboration
from .concluding import closing, count_finisher, finishing


def most_steps(knobs: Collaboration) -> int:
    """The most steps of a worker."""
    return min(knobs.max_steps, knobs.max_tokens)


def count_steps(knobs: Collaboration, step_tokens: int, plan: Plan, path: int) -> Shape:
    """The shape of what they write, and of the finisher, where at most `path` steps wait for one another.

    Only the first step is certain. All together draw no more than each worker may, of which one token a step.
    """
    workers, steps = knobs.workers, most_steps(knobs)
    told = plan.template(knobs.rules) + max(plan.template(knobs.told(i)) for i in range(workers))
    opening = max(plan.template(knobs.opens(i, step)) for i in range(workers) for step in (1, steps))
    step = opening + plan.template(knobs.step_ends[0])
    cues = min(steps, knobs.most_cues)
    drawn, said = workers * knobs.max_tokens, workers * (steps * step + cues * plan.template(knobs.cue))
    first = knobs.max_tokens if steps == 1 else min(step_tokens, knobs.max_tokens)
    leaving = finishing(knobs, plan, first, told + step)
    plan.sample(1, knobs.sampling(first), knobs.engine, after=opening, reads=told, leaving=leaving)
    others = workers - (steps == 1)
    parts = ((others, knobs.max_tokens), (workers * steps - 1 - others, 1))
    with plan.maybe():
        with plan.rounds(path - 1):
            plan.abreast(
                plan.sample(n, knobs.sampling(most), knobs.engine, after=drawn, reads=told + said)
                for n, most in parts
                if n
            )
        count_finisher(knobs, plan, drawn, told + said)
    longest = drawn + said + closing(knobs, plan) + knobs.finisher_tokens
    return Shape(fewest=1, most=1, longest=longest, drawn_by=frozenset({knobs.engine}))
