"""The interpolant that a model was trained on, read from its scheduler."""

from __future__ import annotations

from typing import Any, cast, get_args

import numpy as np

from ...errors import EngineRefused
from ...interpolants import LINEAR, AnyInterpolant, Tabulated
from .prediction import Prediction
from .saved import class_in, folder_with, settings

MARKER = "scheduler_config.json"
LEAST = 2.0**-24
"""Of the share of data in the variance, where a schedule goes down to 0: that has no logarithm."""


def scheduler_in(name: str) -> Any:
    """The scheduler that is saved in a folder.

    Raises:
        EngineRefused: there is none.
    """
    folder = folder_with(name, MARKER)
    return class_in(folder, MARKER, "SchedulerMixin").from_config(settings(folder, MARKER))


def interpolant_of(scheduler: Any) -> AnyInterpolant:
    """How the model of a scheduler mixes data and noise.

    Raises:
        EngineRefused: in no way that is known here.
    """
    if type(scheduler).__name__.startswith("FlowMatch"):
        return LINEAR
    table = getattr(scheduler, "alphas_cumprod", None)
    if table is None:
        raise EngineRefused(
            f"a scheduler must be of flow matching or hold a table alphas_cumprod, got {type(scheduler).__name__}; "
            "use e.g. DDIMScheduler or FlowMatchEulerDiscreteScheduler"
        )
    shares = np.maximum(table.double().numpy(), LEAST)
    return Tabulated(log_signal=tuple((0.5 * np.log(shares)).tolist()))


def prediction_of(scheduler: Any) -> Prediction:
    """What the model of a scheduler predicts.

    Raises:
        EngineRefused: nothing that is known here.
    """
    if type(scheduler).__name__.startswith("FlowMatch"):
        return "velocity"
    found = scheduler.config.get("prediction_type", "epsilon")
    if found not in get_args(Prediction):
        raise EngineRefused(
            f"a scheduler's prediction_type must be epsilon, sample or v_prediction, got {found!r}; use another"
        )
    return cast(Prediction, found)
