"""Drawing tokens: each depends on its logits, its seed and its place in what its worker draws, and on nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor

from ...engine import Sampling
from ...errors import EngineRefused

LEAST_TEMPERATURE = 1e-4
"""Below it a softmax in float64 overflows to the same as greedy."""


FEW = 512
"""A nucleus is looked for among so many likeliest tokens first, and then among more."""


def chance(seed: int, i: int) -> float:
    """A number in [0, 1) for the `i`-th token drawn with a seed, hashed from both: 52 bits.

    >>> chance(7, 0) == chance(7, 0) != chance(7, 1)
    True
    """
    hashed = hashlib.blake2b(seed.to_bytes(8, "big") + i.to_bytes(8, "big"), digest_size=8).digest()
    return (int.from_bytes(hashed, "big") >> 12) / (1 << 52)


def draw(logits: Tensor, samplings: Sequence[Sampling], chances: Sequence[float]) -> list[int]:
    """One token a row: the likeliest at temperature 0, else the inverse of the cumulative distribution at a chance.

    Nucleus sampling (Holtzman et al. 2020, arXiv 1904.09751, section 3.1) keeps the fewest likeliest tokens whose mass
    at the temperature reaches `top_p`; here also those that are as likely as the last of them, so that no order of
    equals matters.

    Args:
        logits: ``[rows, vocabulary]`` in float32.
        samplings: of each row.
        chances: of each row, in [0, 1).

    Raises:
        EngineRefused: logits are no numbers.

    >>> likely = torch.log(torch.tensor([[0.5, 0.3, 0.2]] * 3))
    >>> draw(likely, [Sampling(temperature=0), Sampling(), Sampling(top_p=0.6)], [0.9, 0.9, 0.9])
    [0, 2, 1]
    """
    best = logits.argmax(dim=-1)
    if bool(logits.gather(-1, best[:, None]).isnan().any()):
        raise EngineRefused("logits must be numbers, but some are NaN; load the model in float32")
    if all(sampling.temperature == 0 for sampling in samplings):
        return best.tolist()
    heat = [max(sampling.temperature, LEAST_TEMPERATURE) for sampling in samplings]
    shares = torch.softmax(logits.double().div_(_column(heat, logits)), dim=-1)
    if any(sampling.top_p < 1 for sampling in samplings):
        least = _least_kept(shares, _column([sampling.top_p for sampling in samplings], logits))
        shares.masked_fill_(shares < least, 0.0)
    upto = shares.cumsum(dim=-1)
    places = torch.searchsorted(upto, upto[:, -1:] * _column(chances, logits), right=True)
    greedy = torch.tensor([sampling.temperature == 0 for sampling in samplings], device=logits.device)
    found: list[int] = torch.where(greedy, best, places[:, 0]).tolist()
    return found


def _least_kept(shares: Tensor, masses: Tensor) -> Tensor:
    """``[rows, 1]``: the share of the least likely token that a nucleus of each mass holds; 0 for a mass of 1."""
    vocabulary, ranks = shares.shape[-1], FEW
    upto = shares.topk(min(ranks, vocabulary), dim=-1).values
    while ranks < vocabulary and bool(((upto.sum(dim=-1, keepdim=True) < masses) & (masses < 1)).any()):
        ranks *= 16
        upto = shares.topk(min(ranks, vocabulary), dim=-1).values
    last = (upto.cumsum(dim=-1) < masses).sum(dim=-1, keepdim=True).clamp(max=upto.shape[-1] - 1)
    return upto.gather(-1, last).where(masses < 1, 0.0)


def _column(values: Sequence[float], like: Tensor) -> Tensor:
    return torch.tensor(values, dtype=torch.float64, device=like.device)[:, None]
