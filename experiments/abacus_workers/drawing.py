"""Workers draw side by side, many problems at once, over one `Board`."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from abacus import vocabulary
from abacus.llama import Generator
from torch import Tensor

from .rows import OPENING, Ids, Row, texts
from .side_by_side import Board

ANSWER = vocabulary.encode("#")[0]


@torch.inference_mode()
def draw(
    model: Generator,
    rows: Sequence[Row],
    limit: int,
    random: torch.Generator | None = None,
    hurried: int | None = None,
) -> list[list[Ids]]:
    """What every worker of every row writes, up to and with the end or `limit` tokens.

    Args:
        model: the network.
        rows: problems with the same number of workers; what they should write is not looked at.
        limit: passes.
        random: for temperature 1; None for the likeliest token.
        hurried: a pass at which a worker that has begun no answer must begin it; its workers then see nothing of one
            another's text but the openings. None where they see all.
    """
    openings = texts([row.openings for row in rows])
    board = Board(model, texts([[row.prompt] for row in rows]), texts([row.privates for row in rows]), OPENING)
    ids, lengths = openings.ids, openings.lengths
    is_open, has_answered = torch.ones_like(lengths, dtype=torch.bool), torch.zeros_like(lengths, dtype=torch.bool)
    written: list[Tensor] = []
    for at in range(limit):
        token = _drawn(model.lm_head(board.write(ids, lengths)[:, :, -1]), random)
        if at == hurried:
            token = torch.where(is_open & ~has_answered, ANSWER, token)
        written.append(torch.where(is_open, token, vocabulary.PAD))
        has_answered |= token == ANSWER
        is_open &= token != vocabulary.EOS
        if not is_open.any():
            break
        ids, lengths = token[..., None], lengths + (is_open if hurried is None else 0)
    return [
        [[token for token in one if token != vocabulary.PAD] for one in row]
        for row in torch.stack(written, -1).tolist()
    ]


def _drawn(logits: Tensor, random: torch.Generator | None) -> Tensor:
    if random is None:
        return logits.argmax(-1)
    return torch.multinomial(logits.flatten(0, 1).softmax(-1), 1, generator=random).view(logits.shape[:-1])
