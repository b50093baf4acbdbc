"""What a forward pass of a flow model takes, by the number of rows in it."""

from __future__ import annotations

import os
import time
from statistics import median
from typing import Any

import torch
from diffusers import DiTTransformer2DModel

from .flow import velocity
from .sampling import noise

ROWS = (1, 16, 128, 512)
TRIALS = 20


@torch.no_grad()
def cost(model: DiTTransformer2DModel) -> dict[str, Any]:
    """Median milliseconds of a pass by rows, with the threads used and what else was running."""
    load = os.getloadavg()[0]
    found = {}
    for rows in ROWS:
        x, t, labels = noise(rows, 0), torch.full((rows,), 0.5), torch.arange(rows) % 10
        velocity(model, x, t, labels)
        taken = []
        for _ in range(TRIALS):
            start = time.perf_counter()
            velocity(model, x, t, labels)
            taken.append(time.perf_counter() - start)
        found[str(rows)] = round(1000 * median(taken), 2)
    return {"threads": torch.get_num_threads(), "load": round(load, 1), "milliseconds by rows": found}
