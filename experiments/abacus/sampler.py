"""Sampling by the thousand: left-padded batches over one preallocated cache, finished sequences dropped on the way."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from . import vocabulary
from .llama import Cache, Generator

BATCH = 512
FULL = 0.75  # of the rows of a batch; with fewer alive, the finished ones are dropped


@torch.inference_mode()
def sample(model: Generator, prompts: Sequence[list[int]], limits: Sequence[int], seed: int) -> list[list[int]]:
    """A completion of each prompt (token ids) at temperature 1, up to and with EOS or as long as its limit."""
    random = torch.Generator().manual_seed(seed)
    order = sorted(range(len(prompts)), key=lambda index: (limits[index], len(prompts[index])))
    completions: list[list[int]] = [[] for _ in prompts]
    for begin in range(0, len(order), BATCH):
        chosen = order[begin : begin + BATCH]
        drawn = _batch(model, [prompts[index] for index in chosen], limits[chosen[-1]], random)
        for index, completion in zip(chosen, drawn, strict=True):
            completions[index] = completion[: limits[index]]
    return completions


def _batch(model: Generator, prompts: list[list[int]], limit: int, random: torch.Generator) -> list[list[int]]:
    width = max(map(len, prompts))
    ids = torch.tensor([[vocabulary.PAD] * (width - len(prompt)) + prompt for prompt in prompts])
    cache = Cache(model.model.shape, torch.tensor([width - len(prompt) for prompt in prompts]), width + limit)
    drawn = torch.full((len(prompts), limit), vocabulary.EOS)
    rows = torch.arange(len(prompts))
    is_alive = torch.ones(len(prompts), dtype=torch.bool)
    for position in range(limit):
        chances = model.lm_head(model.model(ids, cache)[:, -1]).softmax(-1)
        token = torch.multinomial(chances, 1, generator=random)[:, 0]
        drawn[rows[is_alive], position] = token[is_alive]
        is_alive &= token != vocabulary.EOS
        if not is_alive.any():
            break
        if is_alive.float().mean() < FULL:
            cache.keep(is_alive)
            rows, token, is_alive = rows[is_alive], token[is_alive], is_alive[is_alive]
        ids = token[:, None]
    return [_until_eos(row) for row in drawn.tolist()]


def _until_eos(row: list[int]) -> list[int]:
    return row[: row.index(vocabulary.EOS) + 1] if vocabulary.EOS in row else row
