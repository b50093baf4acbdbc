"""Candidates that nobody expects."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..orchestrator.images import Image
from ..orchestrator.types import Candidate, Finish
from ..orchestrator.verifier import Verifier
from .bench import Bench, pictured
from .image_world import SHAPE
from .odd_texts import odd_texts

LARGE = 64


def odd_candidates(verifier: Verifier, bench: Bench) -> list[Candidate]:
    """Odd candidates of the kind that a bench holds."""
    return odd_images() if bench.images else odd_texts(verifier)


def odd_images() -> list[Candidate]:
    """Images of other sizes and colours than is usual, blank ones, and one on its way."""
    height, width, _ = SHAPE
    blank = [np.full(SHAPE, level, np.uint8) for level in (0, 127, 255)]
    sizes = [(1, 1, 1), (1, LARGE, 1), (LARGE, LARGE, 3), (height, width, 3)]
    noise = [np.random.default_rng(0).integers(0, 256, size, np.uint8) for size in sizes]
    odd = [pictured(Image.of(pixels)) for pixels in (*blank, *noise)]
    on_its_way = [replace(odd[0], finish=finish) for finish in (Finish.STEP, Finish.ERROR)]
    return [*odd, *on_its_way]
