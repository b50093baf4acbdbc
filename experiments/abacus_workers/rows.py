"""Batches of problems with the same number of workers: texts as tensors, and the loss on what the workers write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from abacus import vocabulary
from abacus.llama import Generator
from torch import Tensor
from torch.nn import functional as F

from ponder.orchestrator.data.abacus_workers import Relay, Shared, opening, written

from .side_by_side import Board, Texts

IGNORED = -100
OPENING = len(opening(1, 1))
Ids = list[int]


@dataclass(frozen=True, slots=True)
class Row:
    """One problem as token ids: the prompt, and for each worker the private text, the opening and what it writes.

    Args:
        keeps_end: whether the token that ends a text stays in the block, where others may see it.
    """

    prompt: Ids
    privates: list[Ids]
    openings: list[Ids]
    written: list[Ids]
    keeps_end: bool = False


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows as tensors; `targets` stand under the workers' own tokens."""

    prompts: Texts
    privates: Texts
    own: Texts
    targets: Tensor


def row(problem: Shared | Relay, workers: int, keeps_end: bool = False) -> Row:
    """What a problem's workers are told, and what they write when all goes well."""
    numbers = range(1, workers + 1)
    return Row(
        vocabulary.encode(problem.prompt),
        [vocabulary.encode(problem.part(number, workers).private) for number in numbers],
        [vocabulary.encode(opening(number, workers)) for number in numbers],
        [[*vocabulary.encode(text), vocabulary.EOS] for text in written(problem, workers)],
        keeps_end,
    )


def alone(problem: Shared, is_numbered: bool) -> Row:
    """The one worker that sees no other: its prompt and text are one sequence, with or without an opening."""
    plain = row(problem, 1)
    return Row([], [[]], [plain.prompt + (plain.openings[0] if is_numbered else [])], plain.written)


def batch(rows: Sequence[Row]) -> Batch:
    """The tensors of rows that have the same number of workers."""
    own, wanted = list[list[Ids]](), list[list[Ids]]()
    for one in rows:
        pairs = list(zip(one.openings, one.written, strict=True))
        end = None if one.keeps_end else -1
        own.append([(head + tail)[:end] for head, tail in pairs])
        wanted.append(
            [([IGNORED] * (len(head) - 1) + tail + [IGNORED])[: len(head + tail[:end])] for head, tail in pairs]
        )
    return Batch(
        texts([[one.prompt] for one in rows]),
        texts([one.privates for one in rows]),
        texts(own),
        texts(wanted, IGNORED).ids,
    )


def texts(given: Sequence[Sequence[Ids]], filler: int = vocabulary.PAD) -> Texts:
    """[B, W, S] from lists, padded on the right."""
    width = max(len(ids) for group in given for ids in group)
    ids = torch.tensor([[one + [filler] * (width - len(one)) for one in group] for group in given], dtype=torch.long)
    return Texts(ids, torch.tensor([[len(one) for one in group] for group in given]))


def hidden(model: Generator, given: Batch) -> Tensor:
    """The hidden states after the workers' own tokens."""
    return Board(model, given.prompts, given.privates, OPENING).write(given.own.ids, given.own.lengths)


def loss(model: Generator, given: Batch) -> Tensor:
    """Mean cross-entropy over what workers write."""
    wanted = given.targets != IGNORED
    return F.cross_entropy(model.lm_head(hidden(model, given)[wanted]), given.targets[wanted])
