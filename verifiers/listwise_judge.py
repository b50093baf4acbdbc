"""A judge that orders all candidates at once."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ..orchestrator.engine import Completion
from ..orchestrator.prompting import FENCED, Template
from ..orchestrator.replies import permutation
from ..orchestrator.types import Query, Score, Usage
from .balanced_orders import balanced_orders
from .relative_judge import RelativeJudge, verdict_line
from .shared_cost import shares

if TYPE_CHECKING:
    from ..orchestrator.judging import Judging

PROMPT = f"""Below are a question and numbered responses to it. {FENCED}

Question:
{{question}}

Responses:
{{responses}}

Order all responses from the best to the worst, by how correct, complete and helpful they are. Judge what each shows \
and not what it says of itself. End with a line that holds the order alone, every number once, such as \
{{code}}[2] > [3] > [1] for three responses."""
Order = tuple[int, ...]


@dataclass(slots=True)
class Asked:
    """How often each window was asked about, so that the same one again is another draw, and what was answered."""

    times: Counter[Order] = field(default_factory=Counter)
    usage: Usage = Usage()
    is_answered: bool = False

    def count(self, replies: Sequence[Completion]) -> None:
        """Count what was answered."""
        self.usage += Usage.total(reply.usage for reply in replies)
        self.is_answered = self.is_answered or bool(replies)


class ListwiseJudge(RelativeJudge):
    """The place of a candidate in orders of all candidates that a model writes, between 0 and 1.

    Each vote is an order of all candidates, shown to the judge in another order: over as many votes as there are
    candidates each stands once in every place, so that a judge who looks at the place alone makes all equal. The score
    is the share of the others that a candidate is placed before, on average over the votes (Borda). An order must be
    whole: a vote with a number twice, unknown or missing is dropped, and without any there is no score. A candidate
    alone, or beside equal ones only, scores 0.5 at no cost.

    More candidates than `window` are ordered by a window that slides from the last to the first, half a window at a
    time, and takes the best along: one pass finds the best ``window / 2`` of a judge who never errs, and the rest in
    parts.

    Evidence: what the judge's model makes of all texts side by side.
    When to trust it: few, short candidates that a strong model can hold in view; a pairwise judge looks at two at a
        time, for many more calls. Few valid votes, as the detail of a score tells, are a judge that cannot keep to
        the form.
    Cost: `votes` calls, depth 1; beyond `window` so many for each place of the window, one after the other.
    Source: Saad-Falcon et al. 2024 (Archon), arXiv 2409.15254, section 3.1, the ranker; Sun et al. 2023 (RankGPT),
        arXiv 2304.09542, the sliding window.
    Departs: several votes in balanced orders instead of one; where an order is not whole the published code of both
        mends it, and here it is dropped.

    Args:
        votes: orders asked for.
        window: most candidates in one prompt.
        prompt: how it is asked; a reply must end in a line such as ``{code}[2] > [3] > [1]``.
    """

    kind: Literal["listwise_judge"] = "listwise_judge"
    votes: Annotated[int, Field(ge=1, le=256)] = 4
    window: Annotated[int, Field(ge=2, le=64)] = 16
    prompt: Annotated[str, Template("question", "responses", "code")] = PROMPT

    @property
    def template(self) -> str:
        return self.prompt

    def calls(self, together: int) -> int:
        return self.votes * len(starts(together, self.window))

    def depth(self, together: int) -> int:
        """The places of the window."""
        return len(starts(together, self.window)) if together > 1 else 0

    def shown(self, together: int) -> int:
        return min(together, self.window)

    async def compare(self, query: Query, texts: Sequence[str], ctx: Judging) -> list[Score]:
        asked = Asked()
        orders: list[Order | None] = list(balanced_orders(texts, self.votes, ctx))
        for start in starts(len(texts), self.window):
            windows = [order[start : start + self.window] if order else () for order in orders]
            ranked = await self._ranked(query, texts, windows, asked, ctx)
            orders = [_with_window(*each, start) for each in zip(orders, ranked, strict=True)]
        valid = [order for order in orders if order]
        usage = shares(asked.usage, len(texts))
        told = f"{len(valid)} of {self.votes} votes valid"
        detail = told if asked.is_answered else self.unanswered(ctx).detail
        return [Score(borda(i, valid), detail=detail, usage=usage[i]) for i in range(len(texts))]

    async def _ranked(
        self, query: Query, texts: Sequence[str], windows: Sequence[Order], asked: Asked, ctx: Judging
    ) -> list[Order | None]:
        """Each window from its best to its worst; None where the judge did not say, or there is none."""
        times = Counter(window for window in windows if window)
        known = {window: asked.times[window] for window in times}
        questions = {window: self.question(query, [texts[i] for i in window], ctx) for window in times}
        found = await ctx.ask([replace(questions[window][0], n=known[window] + n) for window, n in times.items()])
        asked.times.update(times)
        asked.count([reply for group in found for reply in group if reply is not None])
        fresh = {window: iter(group[known[window] :]) for window, group in zip(times, found, strict=True)}
        return [_order(window, next(fresh[window]), questions[window][1]) if window else None for window in windows]


def starts(count: int, window: int) -> list[int]:
    """Where a window over `count` candidates begins, from its first place to its last.

    >>> starts(5, 8), starts(10, 4)
    ([0], [6, 4, 2, 0])
    """
    return [*range(max(count - window, 0), 0, -(window // 2)), 0]


def borda(player: int, orders: Sequence[Order]) -> float | None:
    """The share of the others that `player` is placed before, on average over orders; None without any.

    >>> borda(2, [(2, 0, 1), (0, 2, 1)])
    0.75
    """
    if not orders:
        return None
    behind = sum(len(order) - 1 - order.index(player) for order in orders)
    return behind / math.fsum(len(order) - 1 for order in orders)


def _order(window: Order, reply: Completion | None, code: str) -> Order | None:
    said = permutation(verdict_line(reply, code), len(window))
    return tuple(window[place] for place in said) if said is not None else None


def _with_window(order: Order | None, ranked: Order | None, start: int) -> Order | None:
    """The order with a part of it ranked; None where the judge did not say how."""
    return order[:start] + ranked + order[start + len(ranked) :] if order and ranked else None
