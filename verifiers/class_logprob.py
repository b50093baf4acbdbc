"""The log-probability that a classifier of images gives the class that was asked for."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ..orchestrator.denoising import Looked
from ..orchestrator.engine import Engine
from ..orchestrator.shape import Medium
from ..orchestrator.types import Candidate, Query, Score, Usage
from ..orchestrator.verifier import Scale, Verifier
from .asked_engine import asked_engine
from .naming import name_of

if TYPE_CHECKING:
    from ..orchestrator.judging import Judging

NUMBER = re.compile(r"\d+")


class ClassLogprob(Verifier):
    """The logarithm of the probability of the class that is asked for, in nats, by a classifier of images.

    The class is the first whole number in the query's reference, or, without a reference, in its last message.

    Evidence: a learned classifier's logits.
    When to trust it: it was trained on images like these. A search can only get what the classifier tells apart, and
        with enough candidates finds images that mislead it; hold another one out.
    Cost: one look an image.
    Source: the classifier verifiers of Ma et al. 2025, arXiv 2501.09732, section 3.2.
    Departs: log-probabilities instead of logits, so that they compare between images.

    Args:
        engine: the classifier's name in the pipeline.
    """

    kind: Literal["class_logprob"] = "class_logprob"
    engine: Annotated[str, Field(min_length=1)] = "reward"

    @property
    def name(self) -> str:
        """The kind, and the engine where it is not the default."""
        return name_of(self, "engine")

    @property
    def judges(self) -> frozenset[Medium]:
        return frozenset({"image"})

    @property
    def score_scale(self) -> Scale:
        return "reward"

    def engine_names(self) -> tuple[str, ...]:
        return (self.engine,)

    def bound(
        self, engines: Mapping[str, Engine], prompt_tokens: int, completion_tokens: int, together: int = 1
    ) -> Usage:
        return asked_engine(self, engines, self.engine, looks=True).meter.looking()

    async def score(self, query: Query, candidates: Sequence[Candidate], ctx: Judging) -> list[Score]:
        looked = await ctx.look(query, [candidate.image for candidate in candidates], self.engine)
        named = NUMBER.search(query.reference or query.messages[-1].content)
        wanted = int(named[0]) if named else None
        return [ctx.unanswered(self.engine) if each is None else _score(each, wanted) for each in looked]


def _score(looked: Looked, wanted: int | None) -> Score:
    """The logarithm of the softmax of the class's logit."""
    logits = [logit for logit in looked.seen if logit is not None]
    if wanted is None or not wanted < len(looked.seen) == len(logits):
        rule = f"a query must name a class from 0 to {len(looked.seen) - 1}, and all logits be finite"
        return Score(None, scale="reward", detail=f"{rule}, got {wanted} and {looked.seen}", usage=looked.usage)
    highest = max(logits)
    total = highest + math.log(math.fsum(math.exp(logit - highest) for logit in logits))
    return Score(logits[wanted] - total, scale="reward", usage=looked.usage)
