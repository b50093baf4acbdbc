"""Draws by the thousand, each as its own seed says, whatever else is in the batch.

Unlike `sampler`, which has one seed a batch and is for training, every row here has its own seed, temperature, nucleus,
length and stop strings. A row's tokens depend on its own seed alone (as far as a device's sums do not depend on the
size of a batch): each is the place where one uniform number, made of the seed and the position, falls in the cumulated
probabilities.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ponder.orchestrator.engine import Sampling

from . import vocabulary
from .llama import Cache, Generator, StepScorer

ROWS = {"cpu": 256, "cuda": 2048}  # of a batch, at most
COLUMNS = 200_000  # of a batch's cache, at most, over all its rows: 1.4 GB
LOOK = {"cpu": 1, "cuda": 4}  # tokens between two looks for rows that have ended: a look waits for the device
FULL = 0.75  # of the rows of a batch; with fewer alive, those that have ended are dropped
Seeds = NDArray[np.uint64]


class Row(NamedTuple):
    """What to draw: the ids of the prompt, how to sample, the seed, and the labels whose log-probabilities to tell."""

    prompt: tuple[int, ...]
    sampling: Sampling
    seed: int
    labels: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Drawn:
    """The tokens of a row, with what was asked about them."""

    tokens: tuple[int, ...]
    logprobs: tuple[float, ...] | None = None
    confidences: tuple[float, ...] | None = None
    label_logprobs: tuple[float, ...] | None = None


def draw(model: Generator, rows: Sequence[Row]) -> list[Drawn]:
    """One draw of each row, in order."""
    device = model.lm_head.weight.device.type
    order = sorted(range(len(rows)), key=lambda i: (_limit(rows[i]), len(rows[i].prompt)))
    lengths = [_limit(rows[i]) + len(rows[i].prompt) for i in order]
    found: dict[int, Drawn] = {}
    for begin, end in _batches(lengths, ROWS[device]):
        chosen = order[begin:end]
        found.update(zip(chosen, _draw_batch(model, [rows[i] for i in chosen]), strict=True))
    return [found[i] for i in range(len(rows))]


def read(model: StepScorer, prompts: Sequence[tuple[int, ...]]) -> list[list[float]]:
    """The probability of class 1 at every step mark of each prompt, in order."""
    device = model.score.weight.device.type
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    found: dict[int, list[float]] = {}
    for begin, end in _batches([len(prompts[i]) for i in order], ROWS[device]):
        chosen = order[begin:end]
        found.update(zip(chosen, _read_batch(model, [prompts[i] for i in chosen]), strict=True))
    return [found[i] for i in range(len(prompts))]


def _batches(lengths: Sequence[int], most: int) -> Iterator[tuple[int, int]]:
    """Where each batch begins and ends: of `most` rows at most, and padded of `COLUMNS` columns.

    >>> list(_batches([3, 5, 4], most=2)), list(_batches([150_000, 90_000], most=2))
    ([(0, 2), (2, 3)], [(0, 1), (1, 2)])
    """
    begin, longest = 0, 0
    for end, length in enumerate(lengths):
        longest = max(longest, length)
        if end > begin and (end - begin == most or (end - begin + 1) * longest > COLUMNS):
            yield begin, end
            begin, longest = end, length
    if lengths:
        yield begin, len(lengths)


@torch.inference_mode()
def _read_batch(model: StepScorer, prompts: Sequence[tuple[int, ...]]) -> Iterator[list[float]]:
    """Padding stands on the right, where causal attention never looks."""
    ids = np.full((len(prompts), max(map(len, prompts))), vocabulary.PAD)
    for row, prompt in zip(ids, prompts, strict=True):
        row[: len(prompt)] = prompt
    right = model(torch.from_numpy(ids).to(model.score.weight.device)).softmax(-1)[..., 1].cpu().numpy()
    return (values[marks].tolist() for values, marks in zip(right, ids == vocabulary.NEWLINE, strict=True))


@dataclass(slots=True)
class _Alive:
    """The rows of a batch that still draw: one entry a row in each tensor."""

    place: Tensor
    temperature: Tensor
    top_p: Tensor
    limit: Tensor
    uniform: Tensor
    stops: Tensor
    is_open: Tensor
    has_nucleus: bool

    def keep(self) -> None:
        """Drop the rows that have ended."""
        chosen = self.is_open
        for field in fields(self)[:-1]:
            setattr(self, field.name, getattr(self, field.name)[chosen])


class _Telling:
    """What was asked about the tokens: log-probabilities of the chosen, confidences, log-probabilities of labels."""

    def __init__(self, rows: Sequence[Row], limit: int, device: torch.device) -> None:
        self.most = max(row.sampling.top_logprobs for row in rows)
        self.tells_chosen = any(row.sampling.logprobs for row in rows)
        self.labels = sorted({label for row in rows for label in row.labels})
        self.kept = torch.tensor([max(1, row.sampling.top_logprobs) for row in rows], device=device)
        shape = len(rows), limit
        self.chosen, self.confidence = torch.zeros(shape, device=device), torch.zeros(shape, device=device)
        self.first = torch.zeros(len(rows), len(self.labels), device=device)

    def note(self, position: int, place: Tensor, logits: Tensor, token: Tensor) -> None:
        """Note what the rows at `place` say of their token at `position`."""
        asks_labels = bool(self.labels) and position == 0
        if not (self.most or self.tells_chosen or asks_labels):
            return
        logs = logits.log_softmax(-1)
        if asks_labels:
            self.first = logs[:, self.labels]
        if self.tells_chosen:
            self.chosen[place, position] = logs.gather(1, token[:, None])[:, 0]
        if self.most:
            kept = self.kept[place, None]
            self.confidence[place, position] = -(logs.topk(self.most).values.cumsum(1).gather(1, kept - 1) / kept)[:, 0]

    def drawn(self, rows: Sequence[Row], tokens: Sequence[tuple[int, ...]]) -> Iterator[Drawn]:
        """Each row's tokens and what it asked about them."""
        chosen, confidence, first = self.chosen.tolist(), self.confidence.tolist(), self.first.tolist()
        column = {label: index for index, label in enumerate(self.labels)}
        for at, (row, made) in enumerate(zip(rows, tokens, strict=True)):
            yield Drawn(
                made,
                tuple(chosen[at][: len(made)]) if row.sampling.logprobs else None,
                tuple(confidence[at][: len(made)]) if row.sampling.top_logprobs else None,
                tuple(first[at][column[label]] for label in row.labels) if row.labels else None,
            )


@torch.inference_mode()
def _draw_batch(model: Generator, rows: Sequence[Row]) -> Iterator[Drawn]:
    """Prompts are read once each, however many rows share them; then all rows decode together."""
    device = model.lm_head.weight.device
    limit, every = max(map(_limit, rows)), LOOK[device.type]
    logits, cache = _prefilled(model, [row.prompt for row in rows], limit)
    stops = sorted({stop for row in rows for stop in row.sampling.stop})
    alive, telling = _alive(rows, stops, limit, device), _Telling(rows, limit, device)
    drawn = torch.full((len(rows), limit), vocabulary.PAD, device=device)
    length = torch.zeros(len(rows), dtype=torch.long, device=device)
    for position in range(limit):
        token = _token(logits, alive, alive.uniform[:, position])
        drawn[alive.place, position] = token
        length[alive.place] += alive.is_open
        telling.note(position, alive.place, logits, token)
        alive.is_open &= (token != vocabulary.EOS) & (alive.limit > position + 1)
        alive.is_open &= ~_is_stopped(drawn[alive.place, : position + 1], alive.stops, stops)
        if position % every == every - 1:
            open_rows = int(alive.is_open.sum())
            if not open_rows:
                break
            if open_rows < FULL * len(token):
                cache.keep(alive.is_open)
                token = token[alive.is_open]
                alive.keep()
        if position + 1 < limit:
            logits = model(token[:, None], cache)[:, -1]
    lengths = length.tolist()
    tokens = [tuple(made[:end]) for made, end in zip(drawn.tolist(), lengths, strict=True)]
    return telling.drawn(rows, tokens)


def _prefilled(model: Generator, prompts: Sequence[tuple[int, ...]], limit: int) -> tuple[Tensor, Cache]:
    """The logits that follow each prompt, and a cache with room for `limit` tokens more."""
    device, places = model.lm_head.weight.device, dict[tuple[int, ...], int]()
    index = torch.tensor([places.setdefault(prompt, len(places)) for prompt in prompts], device=device)
    width = max(map(len, places))
    ids = np.full((len(places), width), vocabulary.PAD)
    for row, prompt in zip(ids, places, strict=True):
        row[width - len(prompt) :] = prompt
    first = torch.tensor([width - len(prompt) for prompt in places], device=device)
    cache = Cache(model.model.shape, first, width)
    hidden = model.model(torch.from_numpy(ids).to(device), cache)[:, -1]
    logits: Tensor = model.lm_head(hidden)[index]
    return logits, cache.spread(index, width + limit)


def _alive(rows: Sequence[Row], stops: Sequence[str], limit: int, device: torch.device) -> _Alive:
    uniform = _uniform(np.array([row.seed for row in rows], dtype=np.uint64), limit)
    wanted = np.array([[stop in row.sampling.stop for stop in stops] for row in rows], dtype=np.bool_)
    return _Alive(
        place=torch.arange(len(rows), device=device),
        temperature=torch.tensor([row.sampling.temperature for row in rows], device=device),
        top_p=torch.tensor([row.sampling.top_p for row in rows], device=device),
        limit=torch.tensor([_limit(row) for row in rows], device=device),
        uniform=torch.from_numpy(uniform).to(device),
        stops=torch.from_numpy(wanted.reshape(len(rows), len(stops))).to(device),
        is_open=torch.ones(len(rows), dtype=torch.bool, device=device),
        has_nucleus=any(row.sampling.top_p < 1 for row in rows),
    )


def _limit(row: Row) -> int:
    return 1 if row.labels else row.sampling.max_tokens


def _token(logits: Tensor, alive: _Alive, uniform: Tensor) -> Tensor:
    """The next token of each row: where its uniform number falls; the likeliest at temperature 0."""
    is_greedy = alive.temperature == 0
    warmth = alive.temperature.masked_fill(is_greedy, 1.0)
    chances = (logits.double() / warmth[:, None]).softmax(-1)
    if alive.has_nucleus:
        chances = _nucleus(chances, alive.top_p)
    sums = chances.cumsum(-1)
    drawn = (sums <= (uniform * sums[:, -1])[:, None]).sum(-1).clamp(max=vocabulary.SIZE - 1)
    return torch.where(is_greedy, logits.argmax(-1), drawn)


def _nucleus(chances: Tensor, top_p: Tensor) -> Tensor:
    """The likeliest tokens that together have `top_p` (Holtzman et al. 2020); the others get nothing."""
    ranked, order = chances.sort(-1, descending=True)
    outside = ranked.cumsum(-1) - ranked >= top_p[:, None]
    return chances.masked_fill(outside.scatter(-1, order, outside) & (top_p < 1)[:, None], 0.0)


def _is_stopped(drawn: Tensor, wanted: Tensor, stops: Sequence[str]) -> Tensor:
    """Which rows have just completed a stop string of theirs."""
    ended = torch.zeros(len(drawn), dtype=torch.bool, device=drawn.device)
    for column, stop in enumerate(stops):
        ids = vocabulary.encode(stop)
        if drawn.shape[1] >= len(ids):
            tail = drawn[:, drawn.shape[1] - len(ids) :]
            ended |= wanted[:, column] & (tail == torch.tensor(ids, device=drawn.device)).all(-1)
    return ended


def _uniform(seeds: Seeds, count: int) -> NDArray[np.float64]:
    """`count` numbers in [0, 1) for each seed, by SplitMix64 (Steele, Lea and Flood 2014)."""
    with np.errstate(over="ignore"):
        bits = seeds[:, None] + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: NDArray[np.float64] = ((bits ^ (bits >> np.uint64(31))) >> np.uint64(11)) * 2.0**-53
    return mixed
