"""The log-probability that a classifier of images gives the class that was asked for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, cast

from ..orchestrator.asked_class import asked_class, unclassed
from ..orchestrator.denoising import Looked
from ..orchestrator.types import Candidate, Query, Score
from .looking import Looking

if TYPE_CHECKING:
    from ..orchestrator.judging import Judging


class ClassLogprob(Looking):
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

    async def score(self, query: Query, candidates: Sequence[Candidate], ctx: Judging) -> list[Score]:
        looked = await ctx.look(query, [candidate.image for candidate in candidates], self.engine)
        wanted = asked_class(query)
        return [ctx.unanswered(self.engine) if each is None else _score(each, wanted) for each in looked]


def _score(looked: Looked, wanted: int | None) -> Score:
    """The logarithm of the softmax of the class's logit."""
    if (why := unclassed(looked.seen, wanted)) or wanted is None:
        return Score(None, scale="reward", detail=why, usage=looked.usage)
    logits = cast(tuple[float, ...], looked.seen)
    highest = max(logits)
    total = highest + math.log(math.fsum([math.exp(logit - highest) for logit in logits]))
    return Score(logits[wanted] - total, scale="reward", usage=looked.usage)
