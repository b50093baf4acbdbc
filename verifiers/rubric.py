"""A list of requirements in words, each of which a model finds met or not."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from ..orchestrator.draw import ONE_TOKEN, Ask
from ..orchestrator.engine import Completion, Engine
from ..orchestrator.prompting import FENCED, Template, asked, fenced, fill, question_of
from ..orchestrator.shape import Medium
from ..orchestrator.types import Query, Score, Usage
from .asked_engine import asked_engine
from .judge import Judge, Response, laid, most, pictures
from .label_chances import TwoLabels, label_chances

if TYPE_CHECKING:
    from ..orchestrator.judging import Judging

PROMPT = f"""Below are a question and a response to it. {FENCED}

Question:
{{question}}

Response:
{{response}}

Does the response meet this requirement? Judge by what it shows and not by what it says of itself. Reply with one \
word, {{labels}}.
Requirement: {{item}}"""
Text = Annotated[str, Field(min_length=1)]
IMAGE_AXES = (
    "The image shows what was asked for, in every part.",
    "The image is original: it has an idea of its own.",
    "The image is of high visual quality: sharp, well composed, without flaws.",
    "The image is consistent in itself: nothing in it contradicts the rest.",
    "The image moves who looks at it, in the mood that was asked for.",
)
"""The axes of the language-model grader of Ma et al. 2025, arXiv 2501.09732, as items; it adds an overall mark to them,
which here is their mean."""


class Rubric(Judge):
    """How far a candidate meets a list of requirements, between 0 and 1.

    Of every item the judge is asked whether the candidate meets it, and what is read is the probability of its yes
    against its no. The score is their weighted mean. An item on which the judge would rather write something else is
    unknown, not failed: it is left out, and where all are unknown the candidate is not scored.

    Evidence: what the judge's model thinks of the candidate's text or image, item by item; the steps of the score are
        the items, where all of them are known. Images need an engine that sees; `IMAGE_AXES` are items for them.
    When to trust it: what a good answer must do can be said in checks that are answered at a glance. Items that miss
        the point rank by what does not matter, and a judge that says yes to everything ranks nothing.
    Cost: 1 call an item and candidate, one token deep; the items come last in the prompt, so that a prefix cache serves
        the rest of it.
    Source: Saad-Falcon et al. 2024 (Archon), arXiv 2409.15254, section 3.1, the unit test evaluator.
    Departs: probabilities of one word instead of written verdicts, which the published code searches for substrings; a
        missing verdict is unknown there too, but counts as failed.

    Args:
        items: the requirements, each a sentence.
        weights: how much each item counts, above 0; None counts all alike.
        labels: "yes" and "no" as the judge says them, each known by its first token.
        least_mass: probability that the labels must have together for an item to be known, 0 to 1.
        prompt: how an item is asked.
    """

    kind: Literal["rubric"] = "rubric"
    items: Annotated[tuple[Text, ...], Field(min_length=1, max_length=64)]
    weights: tuple[Annotated[float, Field(gt=0, allow_inf_nan=False)], ...] | None = None
    labels: TwoLabels = ("Yes", "No")
    least_mass: Annotated[float, Field(ge=0, le=1)] = 0.5
    prompt: Annotated[str, Template("question", "response", "item", "labels")] = PROMPT

    @model_validator(mode="after")
    def _check_items(self) -> Self:
        if len(set(self.items)) < len(self.items):
            raise ValueError("items must be all different, but one is there twice; give it a larger weight instead")
        if self.weights is not None and len(self.weights) != len(self.items):
            rule = f"weights must be one an item, got {len(self.weights)} for {len(self.items)}"
            raise ValueError(f"{rule}; add or remove some")
        return self

    @property
    def judges(self) -> frozenset[Medium]:
        return frozenset({"text", "image"})

    def bound(
        self, engines: Mapping[str, Engine], prompt_tokens: int, completion_tokens: int, together: int = 1
    ) -> Usage:
        engine = asked_engine(self, engines, self.engine, labels=True)
        reads = prompt_tokens + self.reads(self.prompt + self._choice, completion_tokens)
        return Usage.total(most(engine, reads + len(item.encode()), 1) for item in self.items)

    async def judge(self, query: Query, shown: Sequence[Response], ctx: Judging) -> list[Score]:
        asks = [self._ask(query, each, item, ctx) for each in shown for item in self.items]
        found = await ctx.classify(asks, self.labels)
        count = len(self.items)
        parts = [slice(start, start + count) for start in range(0, len(asks), count)]
        return [self._judged(asks[part], found[part], ctx) for part in parts]

    def _judged(self, asks: Sequence[Ask], found: Sequence[Completion | None], ctx: Judging) -> Score:
        """The weighted mean of the items that are known."""
        if not any(found):
            return self.unanswered(ctx, asks)
        chances = [self._met(each) for each in found]
        weights = self.weights or (1.0,) * len(found)
        known = [(weight, chance) for weight, chance in zip(weights, chances, strict=True) if chance is not None]
        usage = Usage.total(each.usage for each in found if each is not None)
        if not known:
            return Score(None, detail="the judge would write something else than a label on every item", usage=usage)
        value = math.fsum(weight * chance for weight, chance in known) / math.fsum(weight for weight, _ in known)
        steps = tuple(chance for _, chance in known) if len(known) == len(found) else ()
        detail = f"{len(known)} of {len(found)} items known"
        return Score(min(value, 1.0), steps, detail=detail, usage=usage)

    def _met(self, found: Completion | None) -> float | None:
        """The probability of yes against no; None where the judge says neither."""
        chances = label_chances(found.label_logprobs or (), self.least_mass) if found else None
        return chances[0] if chances else None

    @property
    def _choice(self) -> str:
        return " or ".join(self.labels)

    def _ask(self, query: Query, response: Response, item: str, ctx: Judging) -> Ask:
        shown = {"question": fenced(question_of(query), ctx), "response": laid(response, ctx)}
        text = fill(self.prompt, **shown, item=item, labels=self._choice)
        return Ask(asked(query, text), ONE_TOKEN, 1, self.engine, images=pictures(response))
