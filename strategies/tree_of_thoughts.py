"""Tree of thoughts: search over steps of reasoning that the model proposes and judges itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ..orchestrator.context import Context
from ..orchestrator.engine import Sampling
from ..orchestrator.errors import UsageError
from ..orchestrator.plan import Plan
from ..orchestrator.prompting import Template
from ..orchestrator.shape import Shape
from ..orchestrator.types import Candidate, Query
from ..orchestrator.verifier import Verifier
from ..verifiers import AnyVerifier, ProcessReward
from .breadth_first import BreadthFirst
from .drawing import SAMPLED, Draws
from .level_search import search
from .stepwise import Stepwise
from .thought_cost import count_judgement, count_lists
from .thought_prompts import PROPOSE, VALUE, VALUES, VOTE, Words
from .thoughts import Thoughts


class TreeOfThoughts(Stepwise):
    """Keep the best states of each level and continue each with some thoughts, breadth first.

    A thought is a step of the answer: sampled after what there is, or proposed in a list, each line of which is one. A
    state is judged by the verifier, by the word that the model says about it (``value``: the mean of the words' values
    over `evaluations`), or by the part of `evaluations` that choose it among all of its level (``vote``). Equal
    states count as one; ties go to the shorter, then to the earlier. Paths that have ended take their place out of the
    width; those of different levels meet in one last vote. Proposed thoughts count as drawn ones do against
    `max_tokens`, and need a `leaf` to end.

    Family: stepwise search
    When it pays: steps can be judged by thinking about them where no reward model is at hand, as in puzzles whose dead
        ends are seen early. Values cost more than the thoughts: a reward model, or samples and a vote, often pay more.
    Cost: `n` thoughts a level, in `states` lists where proposed, and `n * evaluations` values or `evaluations` votes,
        and as many votes at the end; depth ``2 + lookahead`` a level, and 1 for votes at the end.
    Source: Yao et al. 2023, arXiv 2305.10601, algorithm 1.
    Departs: a value is the mean over the replies that tell one, not the sum; states are drawn without replacement;
        duplicates share one judgement.

    Args:
        n: thoughts a level, and paths that end at most; a multiple of `states`.
        states: states that go on, each with ``n / states`` thoughts.
        generate: whether thoughts are drawn one by one, or proposed in one list a state.
        evaluate: what judges a state.
        select: whether the best states go on, or states drawn in proportion to their value.
        evaluations: words asked for a state, or votes a level.
        evaluator: the name of the engine that says words and votes.
        evaluation_tokens: most tokens of a word's or a vote's reply.
        values: what each word is worth.
        propose_prompt: asks for `{count}` steps after `{answer}`.
        value_prompt: asks for a word about `{answer}`, in square brackets on the last line.
        vote_prompt: asks for the number of the best of `{responses}`, in square brackets on the last line.
        verifier: judges partial and whole paths, where `evaluate` says so.
    """

    kind: Literal["tree_of_thoughts"] = "tree_of_thoughts"
    n: Draws = 25
    verifier: AnyVerifier = ProcessReward()
    states: Draws = 5
    generate: Literal["sample", "propose"] = "sample"
    evaluate: Literal["verifier", "value", "vote"] = "verifier"
    select: Literal["greedy", "sample"] = "greedy"
    evaluations: Draws = 3
    evaluator: Annotated[str, Field(min_length=1)] = "generator"
    evaluation_tokens: Annotated[int, Field(ge=1, le=100_000)] = 256
    values: Words = VALUES
    propose_prompt: Annotated[str, Template("question", "answer", "count")] = PROPOSE
    value_prompt: Annotated[str, Template("question", "answer")] = VALUE
    vote_prompt: Annotated[str, Template("question", "responses")] = VOTE

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        if self.n % self.states:
            enough = -(-self.n // self.states) * self.states
            raise UsageError(
                f"n of tree_of_thoughts must be a multiple of states {self.states}, got {self.n}; take {enough}"
            )
        if self.lookahead and self.evaluate != "verifier":
            raise UsageError(
                f"lookahead must be 0 where words or votes judge a state as it stands, got {self.lookahead}; "
                "leave it out, or evaluate by the verifier"
            )
        if self.generate == "propose" and not self.leaf:
            raise UsageError("proposed thoughts must have a leaf to end by, got none; name what an answer's line holds")
        return self

    @property
    def follows(self) -> frozenset[str]:
        """A list of thoughts is no answer that could end by strings."""
        return SAMPLED - {"stop"} if self.generate == "propose" else SAMPLED

    @property
    def first(self) -> int:
        """The thoughts that follow one state; there is one before the first level."""
        return self.n // self.states

    @property
    def judge(self) -> Verifier | None:
        """The verifier, where it is what decides."""
        return super().judge if self.evaluate == "verifier" else None

    @property
    def judged_by(self) -> str:
        """What the scores that decide are filed under."""
        return self.verifier.name if self.evaluate == "verifier" else f"thought_{self.evaluate}"

    @property
    def list_sampling(self) -> Sampling:
        """How a list of thoughts is drawn."""
        return self.sampling.model_copy(update={"max_tokens": min(self.step_tokens, self.max_tokens) * self.first})

    @property
    def evaluation_sampling(self) -> Sampling:
        """How a word or a vote is drawn."""
        return Sampling(temperature=self.temperature, top_p=self.top_p, max_tokens=self.evaluation_tokens)

    def engine_names(self) -> tuple[str, ...]:
        """The engine drawn from and those that judge."""
        return (self.engine, *(self.verifier.engine_names() if self.evaluate == "verifier" else [self.evaluator]))

    def plan_level(self, plan: Plan, level: int) -> Shape:
        """Count the thoughts after `level` others, and their judgement."""
        made = count_lists(self, plan, level) if self.generate == "propose" else super().plan_level(plan, level)
        return count_judgement(self, plan, made, level)

    def allocator(self) -> BreadthFirst:
        """The best states, or some by their value, go on."""
        return BreadthFirst(self.first, self.select)

    def steps(self, query: Query, ctx: Context) -> Thoughts:
        """The states searched over."""
        return Thoughts(self, super().steps(query, ctx), query, ctx)

    async def run(self, query: Query, candidates: Sequence[Candidate], ctx: Context) -> list[Candidate]:
        """The paths that ended, best first; where none is complete, also the partial ones, marked as cut."""
        thoughts = self.steps(query, ctx)
        found = await search(thoughts, self.allocator(), n=self.n, depth=self.max_steps, rng=ctx.rng, first=self.first)
        ended = await thoughts.compared([node.state for node in found.ended])
        if not any(path.finish.is_complete for path in ended):
            ended += self.paths(replace(found, ended=[]), ctx)
        return await self.ordered(ended, self.judged_by, ctx)
