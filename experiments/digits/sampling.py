"""Plain sampling from the flow model: Euler steps of equal length from noise to image."""

from __future__ import annotations

import torch
from diffusers import DiTTransformer2DModel
from torch import Tensor

from .data import Images
from .flow import SIDE, velocity


@torch.no_grad()
def sampled(model: DiTTransformer2DModel, noise: Tensor, labels: Tensor, steps: int) -> Images:
    """Images [n, 64], clipped to [-1, 1], from noise [n, 1, 8, 8] and labels [n].

    Args:
        model: in evaluation mode; in training mode it would drop labels.
        noise: standard Gaussian.
        labels: digits, or the null label.
        steps: evaluations of the network for every image.
    """
    x = noise
    for step in range(steps):
        t = torch.full((len(x),), 1 - step / steps)
        x = x - velocity(model, x, t, labels) / steps
    return x.clamp(-1, 1).view(len(x), -1).numpy()


def noise(count: int, seed: int) -> Tensor:
    """Standard Gaussian noise for `count` images, [count, 1, 8, 8]."""
    return torch.randn(count, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))
