"""Thoughts as the states of a stepwise search: proposed in lists, and judged in words."""

from __future__ import annotations

import math
import re
from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ..orchestrator.context import Ask, Context
from ..orchestrator.engine import Sampling
from ..orchestrator.prompting import asked, fenced, fill, numbered, question_of
from ..orchestrator.replies import verdict
from ..orchestrator.types import Candidate, Finish, Query, Score, Usage
from .level_search import Domain
from .limited_append import limited_append

if TYPE_CHECKING:
    from .tree_of_thoughts import TreeOfThoughts

MARK = re.compile(r"^(?:[-*]|\d+[.)])\s+")
CHOICE = re.compile(r"\[(\d+)\]")


class Thoughts:
    """Steps that go on and are judged as a tree of thoughts says; what it does not say is left to `steps`."""

    def __init__(self, knobs: TreeOfThoughts, steps: Domain[Candidate], query: Query, ctx: Context) -> None:
        self._knobs, self._steps, self._query, self._ctx = knobs, steps, query, ctx
        self._proposed = 0

    @property
    def is_stopped(self) -> bool:
        return self._ctx.is_stopped

    def is_terminal(self, state: Candidate) -> bool:
        return self._steps.is_terminal(state)

    def key(self, state: Candidate) -> Hashable:
        return self._steps.key(state)

    def cost(self, state: Candidate) -> float:
        return self._steps.cost(state)

    async def extend(self, parents: Sequence[tuple[Candidate | None, int]]) -> list[list[Candidate]]:
        if self._knobs.generate == "sample":
            return await self._steps.extend(parents)
        sampling = self._knobs.list_sampling
        asks = [self._ask(self._proposal(parent, count), sampling, 1, self._knobs.engine) for parent, count in parents]
        replies = await self._ctx.draw(asks)
        return [
            [await self._thought(parent, line) for line in thoughts(group[0].text)[:count]] if group else []
            for (parent, count), group in zip(parents, replies, strict=True)
        ]

    async def score(self, states: Sequence[Candidate]) -> list[tuple[Candidate, float | None]]:
        if self._knobs.evaluate == "verifier" or self._knobs.n == 1:
            return await self._steps.score(states)
        texts = list(dict.fromkeys(state.text for state in states))
        if self._ctx.is_stopped:
            found = [Score(None, detail="the run has ended")] * len(texts)
        else:
            found = await (self._valued(texts) if self._knobs.evaluate == "value" else self._voted(texts))
        scores = dict(zip(texts, found, strict=True))
        name = self._knobs.judged_by
        return [(state.with_score(name, scores[state.text]), scores[state.text].value) for state in states]

    async def compared(self, ended: Sequence[Candidate]) -> list[Candidate]:
        """States that have ended, by one vote on all of them where those that they have are of different levels."""
        levels = {sum(1 for _ in state.path()) for state in ended}
        if self._knobs.evaluate != "vote" or len(levels) < 2 or self.is_stopped:
            return list(ended)
        judged = await self.score(ended)
        is_told = any(share is not None for _, share in judged)
        return [state for state, _ in judged] if is_told else list(ended)

    def _proposal(self, parent: Candidate | None, count: int) -> str:
        answer = fenced(parent.text if parent else "", self._ctx)
        return fill(self._knobs.propose_prompt, question=question_of(self._query), answer=answer, count=str(count))

    async def _thought(self, parent: Candidate | None, line: str) -> Candidate:
        """The state after a proposed step, of which no more is taken than the path may hold."""
        knobs = self._knobs
        thought, is_full = await limited_append(
            parent, line + knobs.separator, knobs.max_tokens, self._ctx, knobs.engine
        )
        self._proposed += 1
        finish = Finish.TOTAL_LENGTH if is_full else Finish.STEP
        if thought.piece.startswith(line) and re.search(knobs.leaf, line):
            finish = Finish.STOP
        return replace(thought, index=self._proposed - 1, finish=finish)

    async def _valued(self, texts: Sequence[str]) -> list[Score]:
        """The mean value of each text, of the replies that tell one."""
        question = question_of(self._query)
        prompts = [fill(self._knobs.value_prompt, question=question, answer=fenced(text, self._ctx)) for text in texts]
        return [self._value(group) for group in await self._ctx.draw([self._judgement(each) for each in prompts])]

    def _value(self, replies: Sequence[Candidate]) -> Score:
        values = self._knobs.values
        told = [values[word] for reply in replies if (word := verdict(reply.text, list(values)))]
        mean = math.fsum(told) / len(told) if told else None
        detail = f"{len(told)} of {len(replies)} replies tell a value"
        return Score(mean, kind="self", scale="reward", detail=detail, usage=Usage.total(r.usage for r in replies))

    async def _voted(self, texts: Sequence[str]) -> list[Score]:
        """The part of the votes that each text got, of those that name one; the only text has them all."""
        if len(texts) == 1:
            return [Score(1.0, kind="self")]
        laid = numbered(texts, self._ctx)
        prompt = fill(self._knobs.vote_prompt, question=question_of(self._query), responses=laid)
        (replies,) = await self._ctx.draw([self._judgement(prompt)])
        votes = [vote for reply in replies if (vote := choice(reply.text, len(texts))) is not None]
        usage = Usage.total(reply.usage for reply in replies)
        if not votes:
            return [Score(None, kind="self", detail="no reply names one", usage=usage)] * len(texts)
        return [Score(votes.count(i) / len(votes), kind="self", usage=usage) for i in range(len(texts))]

    def _judgement(self, prompt: str) -> Ask:
        knobs = self._knobs
        return self._ask(prompt, knobs.evaluation_sampling, knobs.evaluations, knobs.evaluator)

    def _ask(self, prompt: str, sampling: Sampling, n: int, engine: str) -> Ask:
        return Ask(asked(self._query, prompt), sampling, n, engine)


def thoughts(reply: str) -> list[str]:
    r"""The steps that a reply lists, one a line, none twice; marks of a list are dropped. There is one at least.

    >>> thoughts("1. 2 + 8 = 10\n- 8 / 2 = 4\n\n2 + 8 = 10\n")
    ['2 + 8 = 10', '8 / 2 = 4']
    """
    return list(dict.fromkeys(step for line in reply.split("\n") if (step := MARK.sub("", line.strip())))) or [""]


def choice(reply: str, count: int) -> int | None:
    r"""The place, from 0, that the last line names in square brackets; None where it names none, or several.

    >>> choice("[2] is wrong.\nThe best is [1].", 3), choice("[1] or [2]", 3), choice("[7]", 3)
    (0, None, None)
    """
    named = {int(number[:9]) for number in CHOICE.findall(reply.strip().rpartition("\n")[2])}
    place = named.pop() if len(named) == 1 else 0
    return place - 1 if 1 <= place <= count else None
