"""How much an image agrees with what its own denoising expected before."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ..orchestrator.engine import Engine
from ..orchestrator.images import Image
from ..orchestrator.shape import Medium
from ..orchestrator.types import Candidate, Query, Score, Usage
from ..orchestrator.verifier import Scale, Verifier
from .asked_engine import asked_engine
from .naming import name_of

if TYPE_CHECKING:
    from ..orchestrator.judging import Judging

Features = NDArray[np.float64]
Known = tuple[Features, Usage]
"""What an image is compared by, and what it cost to know."""


class PreviewAgreement(Verifier):
    """The cosine between an image and the last preview of it that its denoising made, from -1 to 1.

    A preview is the data that was expected at a stop on the way, at time `latest` or nearer to data. What is compared
    are the values that a model tells of both, such as a classifier's logits, or, without an `engine`, their pixels,
    each less their mean. An image without a preview has no score, as at the first stop of a stepwise search, or
    where images are made in one go.

    Evidence: the image and its own past; no prompt, no label and no other image.
    When to trust it: hardly ever by itself. It says how settled an image is, not whether it is good or what was asked
        for: in the paper's table 8 a search by such verifiers changes other scores of images to prompts next to
        nothing. Without an engine it looks at nothing but tones.
    Cost: no tokens; two looks an image with an `engine`, each paid once.
    Source: the self-supervised verifiers of Ma et al. 2025, arXiv 2501.09732.
    Departs: the preview is one that the search has made already, instead of one at a set noise level; features are
        those of any image model, or pixels, instead of DINO's or CLIP's.

    Args:
        engine: an image model's name in the pipeline; None compares pixels.
        latest: the time of a preview, 0 data to 1 noise, at most.
    """

    kind: Literal["preview_agreement"] = "preview_agreement"
    engine: Annotated[str, Field(min_length=1)] | None = None
    latest: Annotated[float, Field(gt=0, lt=1)] = 0.5

    @property
    def name(self) -> str:
        """The kind, then the engine and what else is not the default."""
        return name_of(self, "engine")

    @property
    def judges(self) -> frozenset[Medium]:
        return frozenset({"image"})

    @property
    def score_scale(self) -> Scale:
        return "reward"

    def engine_names(self) -> tuple[str, ...]:
        return () if self.engine is None else (self.engine,)

    def bound(
        self, engines: Mapping[str, Engine], prompt_tokens: int, completion_tokens: int, together: int = 1
    ) -> Usage:
        if self.engine is None:
            return Usage()
        return asked_engine(self, engines, self.engine, looks=True).meter.looking().times(2)

    def least(self, engines: Mapping[str, Engine], prompt_tokens: int) -> Usage:
        """Nothing: an image without a preview is not looked at."""
        return Usage()

    async def score(self, query: Query, candidates: Sequence[Candidate], ctx: Judging) -> list[Score]:
        pairs = [self._pair(candidate) for candidate in candidates]
        known = iter(await self._features(query, [image for pair in pairs for image in pair], ctx))
        return [self._score(next(known), next(known), ctx) if pair else self._alone() for pair in pairs]

    def _pair(self, candidate: Candidate) -> tuple[Image, ...]:
        """What was expected last before the image, and the image; nothing where that was not late enough."""
        made = [(node.latent.t, node.image) for node in candidate.path() if node.latent and node.image]
        is_seen = len(made) > 1 and candidate.image is made[-1][1] and made[-2][0] <= self.latest
        return (made[-2][1], made[-1][1]) if is_seen else ()

    async def _features(self, query: Query, images: Sequence[Image], ctx: Judging) -> list[Known | None]:
        if self.engine is None:
            return [(image.array.ravel().astype(float), Usage()) for image in images]
        looked = await ctx.look(query, images, self.engine)
        return [None if each is None else (np.array(each.seen, float), each.usage) for each in looked]

    def _score(self, one: Known | None, other: Known | None, ctx: Judging) -> Score:
        usage = Usage.total(each[1] for each in (one, other) if each)
        if one is None or other is None:
            return replace(ctx.unanswered(str(self.engine), "self"), usage=usage)
        value = agreement(one[0], other[0])
        detail = "" if value is not None else "nothing to compare: all values are alike, or some are no numbers"
        return Score(value, kind="self", scale="reward", detail=detail, usage=usage)

    def _alone(self) -> Score:
        return Score(None, kind="self", scale="reward", detail=f"there is no preview at time {self.latest:g} or later")


def agreement(one: Features, other: Features) -> float | None:
    """The cosine of two vectors, each less its mean; None where one is constant or empty, or they are not of one size.

    >>> agreement(np.array([1.0, -1.0]), np.array([3.0, -3.0])), agreement(np.zeros(2), np.ones(2))
    (1.0, None)
    """
    if one.size != other.size or not one.size:
        return None
    one, other = one - one.mean(), other - other.mean()
    length = float(np.linalg.norm(one) * np.linalg.norm(other))
    return min(max(float(one @ other) / length, -1.0), 1.0) if length > 0 and math.isfinite(length) else None
