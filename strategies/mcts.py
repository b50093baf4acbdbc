"""Monte Carlo tree search over the steps of an answer."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field

from ..orchestrator.context import Context
from ..orchestrator.plan import Plan
from ..orchestrator.shape import Shape
from ..orchestrator.types import Candidate, Query
from ..orchestrator.verifier import Verifier
from .drawing import Draws
from .level_search import Found, Growth, Node
from .lineage import lineage
from .reward import note_cut, reward
from .search_tree import Outcome, SearchTree, puct, uct
from .stepwise import Stepwise

RULES = {"uct": uct, "puct": puct}
Step = Node[Candidate]
Tree = SearchTree[Step | None]


class MCTS(Stepwise):
    """Monte Carlo tree search whose nodes are partial answers and whose moves are steps.

    A simulation goes down from the question by `rule` to a node without children, draws `expand` next steps, judges
    each and backs its reward up. A step drawn twice is one child, and PUCT's prior is the share of the draws that gave
    it. A path that has ended is not simulated again and a subtree that is explored is left, so that every simulation
    expands another node, and there may be fewer than `n`. Where no path has ended by then, the most visited one goes
    on, a step at a time. Scores become rewards in [0, 1] as `reward` says.

    Family: tree search
    When it pays: steps are few and hard, and a process reward is dependable enough that going back to an earlier step
        is worth the waiting. Beam search is far less deep at equal cost.
    Cost: at most ``n * expand + max_steps - 1`` steps and as many judgements; depth ``2 + lookahead`` for each round of
        `parallel` simulations and each step at the end, together ``max_steps + (n - 1) / parallel``, rounded up.
    Source: Kocsis and Szepesvári 2006, "Bandit based Monte-Carlo Planning" (UCT); Silver et al. 2017, "Mastering the
        Game of Go without Human Knowledge" (PUCT, a value instead of a playout).
    Departs: there is no playout: the verifier's score of a partial path takes its place.

    Args:
        n: simulations, each the expansion of one node.
        expand: next steps drawn at once after a node.
        rule: how children are selected, ``uct`` or ``puct``.
        exploration: its constant c; larger explores more. The square root of 2 suits rewards in [0, 1].
        parallel: simulations at once, kept apart by virtual loss: one that is not told yet counts as worth 0.
    """

    kind: Literal["mcts"] = "mcts"
    n: Draws = 32
    expand: Draws = 4
    rule: Literal["uct", "puct"] = "uct"
    exploration: Annotated[float, Field(ge=0, allow_inf_nan=False)] = math.sqrt(2)
    parallel: Draws = 1

    @property
    def judge(self) -> Verifier:
        """The verifier: there is always something to decide."""
        return self.verifier

    def infer(self, shape: Shape, plan: Plan) -> Shape:
        """At most as many paths as draws, judged; no simulation is more than one step deeper than those before it."""
        self.check_first(shape, plan)
        if self.choose != "score":
            self.answer.check()
        with plan.rounds(self._rounds):
            found = plan.abreast(self._plan_draws(plan, level) for level in range(self.max_steps))[-1]
        return replace(found, fewest=1, most=self.n * self.expand)

    def _plan_draws(self, plan: Plan, level: int) -> Shape:
        """Count all steps that may follow `level` others."""
        draws = self.expand
        if level:
            is_deepest = level == self.max_steps - 1
            simulations = max(0, self.n - level) if is_deepest else int(level < self.n)
            draws = simulations * self.expand + 1
        return self.model_copy(update={"n": draws}).plan_level(plan, level)

    @property
    def _rounds(self) -> int:
        """The most rounds of simulations and steps at the end.

        A round has fewer than `parallel` simulations only where it expands all leaves there are, which leaves a step
        less to the end.
        """
        return self.max_steps + -(-(self.n - 1) // self.parallel) if self.max_steps > 1 else 1

    async def run(self, query: Query, candidates: Sequence[Candidate], ctx: Context) -> list[Candidate]:
        """The paths that ended, best first; where none did, the partial ones, marked as cut."""
        growth, tree = Growth(self.steps(query, ctx)), Tree(None, RULES[self.rule], self.exploration)
        nodes = await self._simulate(growth, tree, ctx)
        if not any(node.is_terminal for node in nodes):
            nodes += await self._finish(growth, tree)
        note_cut([node.state for node in nodes], self.verifier.name, ctx)
        inner = {node.parent for node in nodes}
        ended = [node for node in nodes if node.is_terminal]
        return await self.chosen(Found(ended, [node for node in nodes if node not in inner]), ctx)

    async def _simulate(self, growth: Growth[Candidate], tree: Tree, ctx: Context) -> list[Step]:
        """Every step that the simulations make."""
        nodes, left = list[Step](), self.n
        while left and not ctx.is_stopped:
            leaves = [leaf for _ in range(min(self.parallel, left)) if (leaf := tree.ask()) is not None]
            if not leaves:
                break
            left -= len(leaves)
            made, _ = await growth.grow([(leaf.state, self.expand) for leaf in leaves])
            for leaf in leaves:
                is_last = sum(1 for _ in lineage(leaf)) == self.max_steps
                tree.tell(leaf, self._outcomes([node for node in made if node.parent is leaf.state], is_last))
            nodes += made
        return nodes

    def _outcomes(self, children: Sequence[Step], is_last: bool) -> list[Outcome[Step | None]]:
        """One outcome for children that are the same; nothing can follow those that are `is_last`."""
        kinds: dict[Hashable, list[Step]] = {}
        for child in children:
            kinds.setdefault((child.key, child.is_terminal), []).append(child)
        return [
            Outcome(
                state=alike[0],
                value=reward(alike[0].state, self.verifier.name),
                prior=len(alike) / len(children),
                is_terminal=is_last or alike[0].is_terminal,
            )
            for alike in kinds.values()
        ]

    async def _finish(self, growth: Growth[Candidate], tree: Tree) -> list[Step]:
        """The steps that the most visited partial path still takes."""
        leaf, nodes = tree.principal(), list[Step]()
        for _ in range(self.max_steps + 1 - sum(1 for _ in lineage(leaf))):
            made, _ = await growth.grow([(nodes[-1] if nodes else leaf.state, 1)])
            nodes += made
            if not made or made[0].is_terminal:
                break
        return nodes
