"""The engines of the study: the embedded denoiser, what searches may judge by, and the judge as a verifier."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from digits.judges import MLPJudge, mlp_judge
from numpy.typing import NDArray

from ponder.orchestrator.engine import EngineSpec
from ponder.orchestrator.engines.diffusion import DiffusionSpec
from ponder.orchestrator.engines.image_models import ImageModelSpec
from ponder.orchestrator.engines.image_models.image_model import levels
from ponder.orchestrator.engines.image_reward import ImageRewardSpec
from ponder.orchestrator.images import Image


class Judge(ImageModelSpec):
    """The held-out network as a classifier to search by: an oracle, to show what its own figure is then worth."""

    kind: Literal["judge"] = "judge"

    def load(self) -> JudgeModel:
        """The network, trained in seconds."""
        return JudgeModel()


class JudgeModel:
    """The model of a `Judge`; an `ImageModel`."""

    identity = "judge:digits"
    look_flops = 0

    def __init__(self) -> None:
        self._judge: MLPJudge = mlp_judge()

    def values(self, images: Sequence[Image], prompt: str) -> NDArray[Any]:
        """The log-probabilities of the ten digits."""
        return self._judge.log_proba(np.stack([levels(image).ravel() for image in images]))


def engines() -> dict[str, EngineSpec]:
    """By the names that methods use."""
    looks: dict[str, Any] = {
        "weak": {"kind": "pixel_classifier", "weights": "digits-weak"},
        "better": {"kind": "pixel_classifier", "weights": "digits"},
        "spread": {"kind": "pixel_spread"},
        "judge": Judge(),
    }
    denoiser: Any = {"kind": "digits"}
    return {
        "generator": DiffusionSpec(denoiser=denoiser),
        **{name: ImageRewardSpec(model=model) for name, model in looks.items()},
    }
