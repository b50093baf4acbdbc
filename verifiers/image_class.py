"""Whether a classifier of images, held in this process, sees the class that was asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Literal

from ..orchestrator.asked_class import asked_class, unclassed
from ..orchestrator.denoising import Seen
from ..orchestrator.engines.image_models import AnyImageModel, ImageModel
from ..orchestrator.engines.image_models.image_model import told
from ..orchestrator.errors import EngineError, EngineRefused, UsageError
from ..orchestrator.images import Image
from ..orchestrator.shape import Medium
from ..orchestrator.types import Candidate, Query, Score
from ..orchestrator.verifier import Scale, Verifier
from .naming import name_of

if TYPE_CHECKING:
    from ..orchestrator.judging import Judging

LOOKING = Lock()
"""Held while a model looks: models are asked from one thread at a time."""


class ImageClass(Verifier):
    """1 for an image in which a classifier sees the class that is asked for, 0 for any other.

    The class is the first whole number in the query's reference, or, without a reference, in its last message. The
    classifier is held here and no engine, and its looks cost nothing: it is for judging what came of a search, as the
    checker of a sweep. A search that chose by it would not be charged; give that `class_logprob`.

    Evidence: the largest of a learned classifier's logits.
    When to trust it: the classifier is good on images like these, and no search has seen it.
    Cost: none.
    Source: held-out classifiers as judges of what is made, e.g. Ma et al. 2025, arXiv 2501.09732, section 3.
    Departs: nowhere.

    Args:
        model: the classifier.
    """

    kind: Literal["image_class"] = "image_class"
    model: AnyImageModel

    @property
    def name(self) -> str:
        """The kind, and digits that name the classifier."""
        return name_of(self)

    @property
    def judges(self) -> frozenset[Medium]:
        return frozenset({"image"})

    @property
    def score_scale(self) -> Scale:
        return "binary"

    def check(self) -> None:
        """Load the classifier.

        Raises:
            UsageError: it cannot be loaded here.
        """
        try:
            _ = self._loaded
        except EngineError as error:
            raise UsageError(str(error)) from None

    async def score(self, query: Query, candidates: Sequence[Candidate], ctx: Judging) -> list[Score]:
        images = {number: each.image for number, each in enumerate(candidates) if each.image is not None}
        try:
            logits = await asyncio.to_thread(self._logits, list(images.values()), query.prompt)
        except EngineRefused as error:
            return [Score(None, scale="binary", detail=str(error))] * len(candidates)
        seen = dict(zip(images, logits, strict=True))
        wanted = asked_class(query)
        return [_score(seen.get(number), wanted) for number in range(len(candidates))]

    @cached_property
    def _loaded(self) -> ImageModel:
        return self.model.load()

    def _logits(self, images: Sequence[Image], prompt: str) -> list[Seen]:
        if not images:
            return []
        with LOOKING:
            return told(self._loaded, images, prompt)


def _score(told: Seen | None, wanted: int | None) -> Score:
    if not told:
        return Score(None, scale="binary", detail="there is no image that the classifier can look at")
    if why := unclassed(told, wanted):
        return Score(None, scale="binary", detail=why)
    logits = [logit for logit in told if logit is not None]
    seen = logits.index(max(logits))
    return Score(float(seen == wanted), scale="binary", detail=f"the classifier sees {seen}")
