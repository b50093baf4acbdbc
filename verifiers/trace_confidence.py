"""How sure a model was of its tokens while it wrote an attempt, from the log-probabilities that engines give.

A token's confidence is minus the mean log-probability of the few likeliest tokens there, in nats: 0 at the least, and
the higher the more the model leans to one of them (DeepConf, Fu et al. 2025, arXiv 2508.15260). A group's confidence is
the mean over a window of tokens.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from ..orchestrator.engine import Sampling
from ..orchestrator.errors import UsageError
from ..orchestrator.types import Candidate

Measure = Literal["mean", "tail", "bottom", "min"]
Window = Annotated[int, Field(ge=1, le=1_000_000)]
Ranks = Annotated[int, Field(ge=1, le=20)]
BOTTOM_GROUPS = 10
UNITS = 2.0**30


def trace_confidence(confidences: Sequence[float], measure: Measure, window: int) -> float | None:
    """The confidence of a whole attempt, in nats; None without tokens.

    ``mean`` takes all tokens, ``tail`` the last `window`; of the windows at every position, ``min`` takes the least
    confident, ``bottom`` the mean of the least confident tenth, one at least. An attempt shorter than a window is one.
    Sums are exact, in units of 2**-30 nats, so that equal windows are equal wherever they stand.

    >>> [trace_confidence((4.0, 1.0, 3.0, 6.0), measure, 2) for measure in ("mean", "tail", "bottom", "min")]
    [3.5, 4.5, 2.0, 2.0]
    """
    if not confidences or not all(map(math.isfinite, confidences)):
        return None
    width = len(confidences) if measure == "mean" else min(window, len(confidences))
    ends = np.cumsum([0, *(round(value * UNITS) for value in confidences)])
    groups = ends[width:] - ends[:-width]
    if measure == "tail":
        groups = groups[-1:]
    else:
        groups = np.sort(groups)[: max(1, len(groups) // BOTTOM_GROUPS if measure == "bottom" else 1)]
    total: int = sum(groups.tolist())
    return total / (UNITS * width * len(groups))


def along_path(candidate: Candidate, what: Literal["confidences", "logprobs"]) -> tuple[float, ...] | None:
    """The values of all tokens that the model generated from the root on; None where those of any part are not known.

    Text that a strategy put between them was not generated, and has none.
    """
    parts = [node for node in candidate.path() if node.usage.completion_tokens or getattr(node, what) is not None]
    values = [getattr(node, what) for node in parts]
    return None if None in values else tuple(value for part in values for value in part)


def unknown(values: tuple[float, ...] | None) -> str:
    """Why nothing can be told of `values` along a path that has none."""
    if values is None:
        return "it was drawn without log-probabilities; let best_of_n draw and judge it, on an engine that gives them"
    return "no token was generated" if not values else "a log-probability is no finite number"


def with_ranks(sampling: Sampling, ranks: int) -> Sampling:
    """How to draw with confidences of `ranks` likeliest tokens.

    Raises:
        UsageError: the draws are to have those of another number, with which these could not be compared.
    """
    if sampling.top_logprobs not in (0, ranks):
        raise UsageError(
            "confidences that are compared must be of as many likeliest tokens, but draws were asked for with "
            f"top_logprobs {sampling.top_logprobs} and {ranks}; set both alike"
        )
    return sampling.model_copy(update={"top_logprobs": ranks})
