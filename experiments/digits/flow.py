"""The flow model: a small diffusion transformer (DiT, Peebles & Xie 2022, arXiv 2212.09748) trained by rectified flow.

Rectified flow (Liu et al. 2022, arXiv 2209.03003): `x_t = (1 - t) x + t eps`, and the model learns the velocity
`eps - x`. One checkpoint is conditional and unconditional at once: the label embedding of the model replaces a label
by the null label with probability 0.1 while it trains.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from diffusers import DiTTransformer2DModel
from torch import Tensor

from .data import Digits

SIDE = 8
CLASSES = 10
NULL = CLASSES  # the label that stands for none
TIMESTEP = 1000  # what the network is told is 1000 t


@dataclass(frozen=True, slots=True)
class Recipe:
    """How the model is trained; the learning rate falls from `peak` to 0 as a cosine."""

    steps: int
    peak: float = 2e-3
    batch: int = 128
    decay: float = 0.999  # of the average over the weights of all steps, at most

    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from 0.

        >>> [round(Recipe(steps=100, peak=1.0).rate(step), 3) for step in (0, 50, 100)]
        [1.0, 0.5, 0.0]
        """
        return self.peak * (1 + math.cos(math.pi * step / self.steps)) / 2

    def kept(self, step: int) -> float:
        """How much of the average a step keeps; early steps keep less, so that the first weights are forgotten."""
        return min(self.decay, (1 + step) / (10 + step))


def network() -> DiTTransformer2DModel:
    """The untrained model: 828,964 parameters."""
    return DiTTransformer2DModel(
        num_attention_heads=4,
        attention_head_dim=24,
        in_channels=1,
        out_channels=1,
        num_layers=4,
        sample_size=SIDE,
        patch_size=2,
        num_embeds_ada_norm=CLASSES,
        norm_num_groups=1,
    )


def velocity(model: DiTTransformer2DModel, x: Tensor, t: Tensor, labels: Tensor) -> Tensor:
    """The model's velocity `dx/dt`.

    Args:
        x: noisy images, [n, 1, 8, 8].
        t: times in [0, 1], [n]; 1 is noise.
        labels: digits, or `NULL`, [n].
    """
    return model(x, timestep=TIMESTEP * t, class_labels=labels).sample


def loss(model: DiTTransformer2DModel, images: Tensor, labels: Tensor, noise: tuple[Tensor, Tensor]) -> Tensor:
    """Mean squared error of the velocity, with `noise` the times [n] and the Gaussians [n, 1, 8, 8]."""
    t, eps = noise
    at = t.view(-1, 1, 1, 1)
    return (velocity(model, (1 - at) * images + at * eps, t, labels) - (eps - images)).square().mean()


def trained(digits: Digits, recipe: Recipe, seed: int) -> DiTTransformer2DModel:
    """The average over the weights of all steps, in evaluation mode; prints the loss now and then."""
    torch.manual_seed(seed)
    model = network()
    average = copy.deepcopy(model).eval().requires_grad_(False)
    optimizer = torch.optim.AdamW(model.parameters())
    start, mean = time.monotonic(), 0.0
    for step, (images, labels) in zip(range(recipe.steps), batches(digits, recipe.batch), strict=False):
        optimizer.param_groups[0]["lr"] = recipe.rate(step)
        value = loss(model, images, labels, (torch.rand(len(images)), torch.randn_like(images)))
        torch.autograd.backward(value)
        optimizer.step()
        optimizer.zero_grad()
        for kept, new in zip(average.parameters(), model.parameters(), strict=True):
            kept.lerp_(new.detach(), 1 - recipe.kept(step))
        mean = 0.98 * mean + 0.02 * value.item() if step else value.item()
        if step % 50 == 49:
            print(f"step {step + 1} of {recipe.steps}, loss {mean:.4f}, {time.monotonic() - start:.0f} s", flush=True)
    return average


def batches(digits: Digits, size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Endless epochs of shuffled batches of images [n, 1, 8, 8] and labels [n]; what is left of an epoch is dropped."""
    images, labels = tensors(digits)
    while True:
        for rows in torch.randperm(len(labels)).split(size):
            if len(rows) == size:
                yield images[rows], labels[rows]


def tensors(digits: Digits) -> tuple[Tensor, Tensor]:
    """Images [n, 1, 8, 8] and labels [n]."""
    return torch.from_numpy(digits.images).view(-1, 1, SIDE, SIDE), torch.from_numpy(digits.labels)
