"""The generator as its own judge: would it do better if it started over?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ..orchestrator.draw import ONE_TOKEN, Ask
from ..orchestrator.engine import Completion, Engine
from ..orchestrator.reopening import reopened
from ..orchestrator.types import Candidate, Message, Query, Score, Usage
from ..orchestrator.verifier import Verifier
from .asked_engine import asked_engine
from .label_chances import Label, TwoLabels
from .naming import name_of
from .reliability.platt import sigmoid

if TYPE_CHECKING:
    from ..orchestrator.judging import Judging

DEFAULT_ENGINE = "generator"
QUESTION = "Would you do better if you started over? Answer with one word, Yes or No."
TURNS = 64
"""Tokens, at most, that a chat template puts around two more turns."""
Finite = Annotated[float, Field(allow_inf_nan=False)]


class SelfEvaluation(Verifier):
    """The probability that no restart would be better, as the generator itself tells it.

    One decode step after a whole or partial attempt: ``sigmoid(slope * (log P(no) - log P(yes)) + offset)``. A model
    trained for it has a `suffix` that asks and two tokens that answer; any other is asked the `question` in a user
    turn.

    Evidence: what the model that wrote the attempt thinks of it, at any point of it.
    When to trust it: the model was trained for it, as in the paper. One that was not is poorly calibrated: fit slope
        and offset with `fit_platt` on attempts of known quality before comparing its scores with a threshold. A model
        that does not know that it errs does not say so.
    Cost: 1 call a candidate, one token deep.
    Source: Manvi, Singh and Ermon 2024, arXiv 2410.02725, self-evaluation.
    Departs: the log-odds have a slope and an offset, for models that were not trained to answer.

    Args:
        engine: the engine that judges, among the pipeline's.
        form: whether the suffix asks, within the attempt, or the question, in a turn after it.
        suffix: the text that asks, where `form` is ``"suffix"``.
        question: the user turn that asks, where `form` is ``"question"``.
        labels: "no" and "yes" as the model says them, each known by its first token; None takes those of the form.
        slope: how much the log-odds count.
        offset: log-odds added to them.
    """

    kind: Literal["self_evaluation"] = "self_evaluation"
    engine: Label = DEFAULT_ENGINE
    form: Literal["suffix", "question"] = "suffix"
    suffix: Label = "<eval>"
    question: Label = QUESTION
    labels: TwoLabels | None = None
    slope: Finite = 1.0
    offset: Finite = 0.0

    @property
    def name(self) -> str:
        """The kind, then the engine, the form and what else is not the default."""
        return name_of(self, "engine", "form")

    def engine_names(self) -> tuple[str, ...]:
        return (self.engine,)

    def bound(
        self, engines: Mapping[str, Engine], prompt_tokens: int, completion_tokens: int, together: int = 1
    ) -> Usage:
        judge = self._judge(engines)
        asking = len(self.suffix.encode()) if self.form == "suffix" else len(self.question.encode()) + TURNS
        return judge.meter.generation(prompt_tokens + completion_tokens + asking, 1, judging=True)

    def least(self, engines: Mapping[str, Engine], prompt_tokens: int) -> Usage:
        return self._judge(engines).meter.generation(prompt_tokens, 1, judging=True)

    async def score(self, query: Query, candidates: Sequence[Candidate], ctx: Judging) -> list[Score]:
        asks = [await self._ask(query, candidate, ctx) for candidate in candidates]
        labels = self.labels or (("<no>", "<yes>") if self.form == "suffix" else ("No", "Yes"))
        return [self._judged(*each, ctx) for each in zip(asks, await ctx.classify(asks, labels), strict=True)]

    async def _ask(self, query: Query, candidate: Candidate, ctx: Judging) -> Ask:
        if self.form == "suffix":
            after = await ctx.append(reopened(candidate), self.suffix, self.engine)
            return Ask(query, ONE_TOKEN, 1, self.engine, after)
        turns = (Message(role="assistant", content=candidate.text), Message(role="user", content=self.question))
        return Ask(query.model_copy(update={"messages": (*query.messages, *turns)}), ONE_TOKEN, 1, self.engine)

    def _judged(self, ask: Ask, found: Completion | None, ctx: Judging) -> Score:
        if found is None or found.label_logprobs is None:
            return ctx.unanswered(self.engine, "self", [ask])
        no, yes = found.label_logprobs
        if math.exp(no) + math.exp(yes) == 0:
            return Score(None, kind="self", detail="neither label can follow", usage=found.usage)
        return Score(sigmoid(self.slope * (no - yes) + self.offset), kind="self", usage=found.usage)

    def _judge(self, engines: Mapping[str, Engine]) -> Engine:
        return asked_engine(self, engines, self.engine, labels=True, continues=self.form == "suffix")
