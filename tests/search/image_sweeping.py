"""A small sweep over ways to make images of a closed-form mixture."""

from __future__ import annotations

from typing import Any

import numpy as np

from ponder.search.sweep import Sweep

MEANS = [[float(value) for value in row] for row in np.random.default_rng(0).uniform(-0.8, 0.8, (10, 9)).round(3)]
JUDGE = {"kind": "gaussian_classifier", "means": MEANS, "variance": 0.5}
MAKING = {
    "conditional": False,
    "verifier": {"kind": "class_logprob"},
    "steps": {"kind": "choice", "values": [2, 4], "name": "steps"},
}
TABLE: dict[str, Any] = {
    "name": "images",
    "data": {"kind": "digits", "size": 20},
    "engines": {
        "generator": {
            "kind": "diffusion",
            "denoiser": {"kind": "mixture", "means": MEANS, "variance": 0.05, "shape": [3, 3, 1]},
            "row_seconds": 0.0005,
        },
        "reward": {"kind": "image_reward", "model": JUDGE, "look_seconds": 0.0001},
    },
    "checker": {"kind": "image_class", "model": {**JUDGE, "variance": 0.05}},
    "space": {
        "options": [
            {"kind": "random_noise_search", **MAKING, "n": {"kind": "choice", "values": [1, 8]}},
            {"kind": "svdd", **MAKING, "n": 4, "interpolant": "linear"},
        ]
    },
    "budget": {"nfe": 3_000},
    "by": "nfe",
    "search": {"replicates": 1},
    "where": "local",
}


def image_sweep(**changes: Any) -> Sweep:
    return Sweep.model_validate({**TABLE, **changes})
