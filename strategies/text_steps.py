"""Text as the states of a stepwise search: a partial candidate goes on by one step at a time."""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence

from ..orchestrator.context import Context
from ..orchestrator.draw import Ask
from ..orchestrator.engine import Sampling
from ..orchestrator.types import Candidate, Finish, Query
from ..orchestrator.verifier import Verifier
from .stop_strings import stopped


class TextSteps:
    """Steps of a text, each up to a separator, a leaf, the end token, or the most tokens of a step.

    Only what was generated is looked at, never the prompt. A step keeps the separator that ends it. Tokens of a path
    are those of all its steps.

    Args:
        query: what is asked.
        ctx: the door to effects.
        sampling: how a whole path is drawn: its `max_tokens` and `stop` are those of the path.
        engine: drawn from.
        separator: ends a step.
        step_tokens: most tokens of a step.
        leaf: a regular expression; a step in which it is found ends the path.
        verifier: judges partial paths; None leaves them unjudged.
        lookahead: greedy steps made after a path before it is judged, and then dropped.
    """

    def __init__(
        self,
        query: Query,
        ctx: Context,
        sampling: Sampling,
        *,
        engine: str = "generator",
        separator: str = "\n",
        step_tokens: int = 128,
        leaf: str = "",
        verifier: Verifier | None = None,
        lookahead: int = 0,
    ) -> None:
        self._query, self._ctx, self._sampling, self._engine = query, ctx, sampling, engine
        self._separator, self._step_tokens = separator, step_tokens
        self._leaf = re.compile(leaf) if leaf else None
        self._verifier, self._lookahead = verifier, lookahead
        self._then = None if lookahead else verifier

    @property
    def is_stopped(self) -> bool:
        return self._ctx.is_stopped

    async def extend(self, parents: Sequence[tuple[Candidate | None, int]]) -> list[list[Candidate]]:
        drawn = await self._ctx.draw(
            [self._ask(parent, count, self._sampling.temperature) for parent, count in parents]
        )
        return [[await self._ended(child) for child in group] for group in drawn]

    async def score(self, states: Sequence[Candidate]) -> list[tuple[Candidate, float | None]]:
        verifier = self._verifier
        if verifier is None or not states:
            return [(state, None) for state in states]
        seen = await self._looked_ahead(states) if self._lookahead else states
        scores = [each.scores[verifier.name] for each in await self._ctx.score(self._query, seen, verifier)]
        judged = [state.with_score(verifier.name, score) for state, score in zip(states, scores, strict=True)]
        return [(state, score.value) for state, score in zip(judged, scores, strict=True)]

    def is_terminal(self, state: Candidate) -> bool:
        return state.finish.is_terminal

    def key(self, state: Candidate) -> Hashable:
        return state.text

    def cost(self, state: Candidate) -> float:
        return state.usage.completion_tokens

    async def _looked_ahead(self, states: Sequence[Candidate]) -> list[Candidate]:
        """Each state after so many greedy steps more; it stands as far as it comes."""
        ends = list(states)
        for _ in range(self._lookahead):
            open_ends = [i for i, state in enumerate(ends) if not state.finish.is_terminal]
            drawn = await self._ctx.draw([self._ask(ends[i], 1, 0.0) for i in open_ends])
            for i, group in zip(open_ends, drawn, strict=True):
                ends[i] = await self._ended(group[0]) if group else ends[i]
        return ends

    def _ask(self, parent: Candidate | None, n: int, temperature: float) -> Ask:
        used = parent.generated_tokens if parent else 0
        changes = {
            "temperature": temperature,
            "max_tokens": min(self._step_tokens, self._sampling.max_tokens - used),
            "stop": tuple(dict.fromkeys((self._separator, *self._sampling.stop))),
        }
        return Ask(self._query, self._sampling.model_copy(update=changes), n, self._engine, parent, self._then)

    async def _ended(self, step: Candidate) -> Candidate:
        """The step with the reason why it ends as the search sees it, cut at a stop string that steps part."""
        at_stop = await stopped(step, self._sampling.stop, self._ctx, self._engine)
        return at_stop or step.with_finish(self._finish(step))

    def _finish(self, step: Candidate) -> Finish:
        if self._leaf is not None and self._leaf.search(_whole(step)):
            return Finish.STOP
        if step.finish is Finish.STOP:
            if step.piece.endswith(self._sampling.stop or ("\0",)) or not step.piece.endswith(self._separator):
                return Finish.STOP
            if _is_blank(step) and step.parent and _is_blank(step.parent):
                return Finish.ERROR
            return Finish.STEP if step.generated_tokens < self._sampling.max_tokens else Finish.TOTAL_LENGTH
        if step.finish is Finish.TOTAL_LENGTH and step.generated_tokens < self._sampling.max_tokens:
            return Finish.STEP_LENGTH
        return step.finish


def _is_blank(step: Candidate) -> bool:
    return not step.piece.strip()


def _whole(step: Candidate) -> str:
    """The text of a step, with the pieces before it where it was cut by its own limit."""
    text, before = step.piece, step.parent
    while before is not None and before.finish is Finish.STEP_LENGTH:
        text, before = before.piece + text, before.parent
    return text
