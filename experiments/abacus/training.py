"""One training loop for all models: Muon (Jordan et al. 2024) for the matrices in the layers, AdamW for the rest."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

import torch
from torch import Tensor, nn

IGNORED = -100
POOL = 16  # batches that are sorted by length together

Row = tuple[list[int], list[int]]  # ids and the target under each
Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True, slots=True)
class Schedule:
    """Linear warm-up, a plateau at `peak`, and a linear decay to zero over the last `decay` (a share) of the steps."""

    steps: int
    peak: float
    warmup: int = 100
    decay: float = 0.25

    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from 0.

        >>> schedule = Schedule(steps=100, peak=1.0, warmup=10, decay=0.5)
        >>> [schedule.rate(step) for step in (0, 9, 49, 50, 99)]
        [0.1, 1.0, 1.0, 1.0, 0.02]
        """
        last = self.steps * self.decay
        left = (self.steps - step) / last if last else 1.0
        return self.peak * min(1.0, (step + 1) / self.warmup, left)


def train(
    model: nn.Module, batches: Iterator[Batch], loss: Callable[[Batch], Tensor], schedule: Schedule, name: str
) -> None:
    """Run the schedule; prints the loss now and then."""
    inner = [value for key, value in model.named_parameters() if ".layers." in key and value.dim() == 2]
    outer = [value for value in model.parameters() if all(value is not other for other in inner)]
    optimizers = [
        torch.optim.Muon(inner, weight_decay=0.05, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(outer, betas=(0.9, 0.98), weight_decay=0.05, fused=True),
    ]
    start, mean = time.monotonic(), 0.0
    for step, batch in zip(range(schedule.steps), batches, strict=False):
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = schedule.rate(step)
        value = loss(batch)
        torch.autograd.backward(value)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        mean = 0.98 * mean + 0.02 * value.item() if step else value.item()
        if step % 50 == 49:
            print(
                f"{name}: step {step + 1} of {schedule.steps}, loss {mean:.4f}, {time.monotonic() - start:.0f} s",
                flush=True,
            )


def batched(rows: list[Row], random: Random, size: int) -> Iterator[Batch]:
    """Endless epochs of shuffled batches of ids [B, T] and targets [B, T], rows of similar length together."""
    while True:
        random.shuffle(rows)
        for begin in range(0, len(rows), size * POOL):
            yield from by_length(rows[begin : begin + size * POOL], random, size)


def by_length(rows: list[Row], random: Random, size: int) -> Iterator[Batch]:
    """The rows in batches of similar length, in random order; a row's targets stand under its ids."""
    ordered = sorted(rows, key=lambda row: len(row[0]))
    groups = [ordered[begin : begin + size] for begin in range(0, len(ordered), size)]
    random.shuffle(groups)
    yield from map(padded, groups)


def padded(rows: list[Row]) -> Batch:
    """Right-padded ids and targets; padding is ignored.

    >>> padded([([5, 6], [6, 7]), ([8], [9])])[1].tolist()
    [[6, 7], [9, -100]]
    """
    width = max(len(ids) for ids, _ in rows)
    ids = torch.tensor([given + [0] * (width - len(given)) for given, _ in rows])
    targets = torch.tensor([wanted + [IGNORED] * (width - len(wanted)) for _, wanted in rows])
    return ids, targets
