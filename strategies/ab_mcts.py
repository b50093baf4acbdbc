"""AB-MCTS: at every answer, ask afresh or refine one of those there are, by Thompson sampling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from typing import Annotated, Literal

from pydantic import Field

from ..orchestrator.context import Ask, Context
from ..orchestrator.plan import Plan
from ..orchestrator.prompting import NUMBERING, Template, asked, fill, numbered, question_of
from ..orchestrator.shape import Shape
from ..orchestrator.types import Candidate, Query
from ..verifiers import AnyVerifier
from .adaptive_branching import AdaptiveBranching
from .drawing import Draws, FormedDrawing
from .posteriors import Gaussian, Posterior
from .ranking import ranked
from .reward import note_cut, reward

REFINE = """{question}

Somebody answered:

{answer}

A judge's score of this answer, from 0 to 1: {score}

Find what is wrong or missing in it, if anything is. Then write a better answer to the question, whole and in the form \
the question asks for."""
UNKNOWN = "unknown"


class ABMCTS(FormedDrawing):
    """Search over whole answers, deciding by Thompson sampling between a new answer and a better old one.

    The tree's nodes are whole answers. A child of the root is a fresh draw, a child of an answer refines it. Which node
    gets the next child, and from which engine, is drawn from posteriors; see `AdaptiveBranching`. All answers come
    back, best score first. Scores become rewards in [0, 1] as `reward` says; a lost draw is no child.

    Family: tree search
    When it pays: a score is dependable (tests to run, say), and it is not known beforehand whether fresh draws,
        refinement or another model helps. With a noisy score it refines what is wrong.
    Cost: `n` draws and at most `n` judgements; depth 2 for each round of `parallel`. Prompts below the root hold an
        answer.
    Source: Inoue et al. 2025, arXiv 2503.04412, AB-MCTS-A (node aggregation).
    Departs: answers asked for at once are chosen before any of them is judged, and only by chance apart.

    Args:
        verifier: judges each answer.
        engines: the engines to choose among; empty for `engine` alone.
        parallel: answers asked for at once. They are chosen before any of them is judged, and only by chance apart.
        prior: what each posterior starts from: ``gaussian`` or ``beta``.
        prompt: asks for a refinement, from {question}, {answer} and {score}.
    """

    kind: Literal["ab_mcts"] = "ab_mcts"
    n: Draws = 16
    verifier: AnyVerifier
    engines: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    parallel: Draws = 1
    prior: Posterior = Gaussian()
    prompt: Annotated[str, Template("question", "answer", "score")] = REFINE

    @property
    def arms(self) -> tuple[str, ...]:
        """The engines drawn from."""
        return self.engines or (self.engine,)

    def engine_names(self) -> tuple[str, ...]:
        """The engines drawn from and those the verifier asks."""
        return (*self.arms, *self.verifier.engine_names())

    def infer(self, shape: Shape, plan: Plan) -> Shape:
        """At most `n` answers, judged."""
        self.check_first(shape, plan)
        ways = [plan.fork() for _ in self.arms]
        found = [self._plan_one(way, arm) for way, arm in zip(ways, self.arms, strict=True)]
        plan.join(ways)
        return replace(reduce(Shape.merged, found), fewest=1, most=self.n)

    def _plan_one(self, plan: Plan, arm: str) -> Shape:
        """The case that one engine draws everything; only the first round is certainly of the question alone."""
        first = min(self.parallel, self.n)
        found = plan.sample(first, self.sampling, arm, self.verifier)
        if first == self.n:
            return found
        earlier = Shape(most=self.n, longest=self.max_tokens, drawn_by=frozenset(self.arms))
        reads = plan.template(self.prompt) + plan.reads(earlier, arm) + NUMBERING + len(UNKNOWN)
        with plan.rounds(-(-(self.n - first) // self.parallel)):
            later = plan.sample(self.n - first, self.sampling, arm, self.verifier, fewest=0, reads=reads)
        return found.merged(later)

    async def run(self, query: Query, candidates: Sequence[Candidate], ctx: Context) -> list[Candidate]:
        """The answers, best first."""
        tree: AdaptiveBranching[Candidate | None] = AdaptiveBranching(None, len(self.arms), self.prior, ctx.rng("tree"))
        found: list[Candidate] = []
        for first in range(0, self.n, self.parallel):
            places = [tree.ask() for _ in range(min(self.parallel, self.n - first))]
            drawn = await ctx.draw([self._ask(query, node.state, arm, ctx) for node, arm in places])
            judged = await ctx.score(query, [each for group in drawn for each in group], self.verifier)
            came = [place for place, group in zip(places, drawn, strict=True) if group]
            for (node, arm), answer in zip(came, judged, strict=True):
                tree.tell(node, arm, answer, reward(answer, self.verifier.name))
            found += judged
            if ctx.is_stopped:
                break
        note_cut(found, self.verifier.name, ctx)
        return ranked(found, self.verifier.name)

    def _ask(self, query: Query, answer: Candidate | None, arm: int, ctx: Context) -> Ask:
        """One draw: of the question alone, or of a better answer than the one there is."""
        if answer is not None:
            known = answer.scores[self.verifier.name].value is not None
            score = f"{reward(answer, self.verifier.name):.2f}" if known else UNKNOWN
            laid = numbered([answer.text], ctx)
            query = asked(query, fill(self.prompt, question=question_of(query), answer=laid, score=score))
        return Ask(query, self.sampling, 1, self.arms[arm], then=self.verifier)
