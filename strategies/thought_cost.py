"""What a level of a tree of thoughts may cost: lists of thoughts, greedy steps after them, words and votes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ..orchestrator.plan import Plan
from ..orchestrator.prompting import NUMBERING
from ..orchestrator.shape import Shape

if TYPE_CHECKING:
    from .tree_of_thoughts import TreeOfThoughts


def count_lists(knobs: TreeOfThoughts, plan: Plan, level: int) -> Shape:
    """Count the lists that the thoughts after `level` others come from; the shape of the states they make."""
    length = knobs.list_sampling.max_tokens + len(knobs.separator.encode())
    before = Shape(most=knobs.n, longest=level * length, drawn_by=frozenset({knobs.engine}))
    reads = plan.template(knobs.propose_prompt) + plan.reads(before, knobs.engine) + NUMBERING
    lists = 1 if level == 0 else knobs.states
    plan.sample(lists, knobs.list_sampling, knobs.engine, fewest=1 if level == 0 else 0, reads=reads)
    return Shape(most=knobs.n, longest=before.longest + length, drawn_by=before.drawn_by)


def count_judgement(knobs: TreeOfThoughts, plan: Plan, made: Shape, level: int) -> Shape:
    """Count the judgement of states of the shape `made`, where drawing them has not counted it; their shape then."""
    if knobs.n == 1 or (knobs.evaluate == "verifier" and knobs.generate == "sample"):
        return made
    with plan.maybe():
        if knobs.evaluate == "verifier":
            plan.score(_looked_ahead(knobs, plan, made), knobs.verifier)
        else:
            _count_words(knobs, plan, made, level)
    return replace(made, scored_by=made.scored_by | {knobs.judged_by})


def _looked_ahead(knobs: TreeOfThoughts, plan: Plan, made: Shape) -> Shape:
    """Count the greedy steps after states of the shape `made`; the shape that is judged."""
    step = knobs.sampling.model_copy(update={"max_tokens": min(knobs.step_tokens, knobs.max_tokens)})
    for _ in range(knobs.lookahead):
        made = plan.sample(knobs.n, step, knobs.engine, fewest=0, after=made.longest)
    return made


def _count_words(knobs: TreeOfThoughts, plan: Plan, made: Shape, level: int) -> None:
    """Count what is said about the states of one level, and on the last one the vote on all that ended."""
    one, rounds = plan.reads(made, knobs.evaluator) + NUMBERING, 1
    if knobs.evaluate == "value":
        replies, reads = knobs.n * knobs.evaluations, plan.template(knobs.value_prompt) + one
    else:
        rounds += 0 < level == knobs.max_steps - 1
        replies, reads = knobs.evaluations * rounds, plan.template(knobs.vote_prompt) + knobs.n * one
    with plan.rounds(rounds):
        plan.sample(replies, knobs.evaluation_sampling, knobs.evaluator, reads=reads)
