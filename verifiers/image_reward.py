"""What a reward model of images tells of an image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from ..orchestrator.denoising import Looked
from ..orchestrator.types import Candidate, Query, Score
from .looking import Looking

if TYPE_CHECKING:
    from ..orchestrator.judging import Judging


class ImageReward(Looking):
    """The one number that a reward model tells of an image: a CLIP score, say, or an aesthetic score.

    What the number means depends on the model; of a model that tells several, such as a classifier, there is no score.

    Evidence: what a learned model makes of the image, and of the last message where it reads that.
    When to trust it: it was trained on images like these, and for what is wanted: an aesthetic score does not look at
        the prompt. With enough candidates a search finds images that mislead it; hold another one out.
    Cost: one look an image.
    Source: the verifiers of images of prompts in Ma et al. 2025, arXiv 2501.09732.
    Departs: nowhere.

    Args:
        engine: the reward model's name in the pipeline.
    """

    kind: Literal["image_reward"] = "image_reward"

    async def score(self, query: Query, candidates: Sequence[Candidate], ctx: Judging) -> list[Score]:
        looked = await ctx.look(query, [candidate.image for candidate in candidates], self.engine)
        return [ctx.unanswered(self.engine) if each is None else _score(each) for each in looked]


def _score(looked: Looked) -> Score:
    if len(looked.seen) == 1 and looked.seen[0] is not None:
        return Score(looked.seen[0], scale="reward", usage=looked.usage)
    detail = f"the model must tell one finite number of an image, got {looked.seen}; use class_logprob for classes"
    return Score(None, scale="reward", detail=detail[:200], usage=looked.usage)
