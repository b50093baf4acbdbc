"""Rewards of images as functions, for the verifier `function`, and a denoiser that counts its rows."""

from collections.abc import Sequence
from itertools import count
from typing import Any

import numpy as np
from blobs import BLOBS

from ponder.orchestrator.context import Context
from ponder.orchestrator.engines.denoisers import Condition, Mixture
from ponder.orchestrator.engines.denoisers.denoiser import Times
from ponder.orchestrator.engines.denoisers.mixture import MixtureDenoiser
from ponder.orchestrator.images import Array, Image
from ponder.orchestrator.types import Query
from ponder.verifiers import Function


async def flat(image: Image, query: Query) -> float:
    return 0.5


async def bright(image: Image, query: Query) -> float:
    """The mean pixel, from 0 to 1."""
    return float(image.array.mean(dtype=np.float64)) / 255


_calls = count()


async def rising(image: Image, query: Query) -> float:
    """More than ever before."""
    return float(next(_calls))


async def falling(image: Image, query: Query) -> float:
    """Less than ever before."""
    return -float(next(_calls))


async def silent(image: Image, query: Query) -> None:
    return None


FLAT, BRIGHT, RISING, FALLING, SILENT = map(Function.of, (flat, bright, rising, falling, silent))


class CountedBlobs(Mixture):
    """A mixture whose denoiser counts the rows that it is given."""

    def load(self) -> MixtureDenoiser:
        return CountedDenoiser(self)


class CountedDenoiser(MixtureDenoiser):
    rows = 0

    def velocity(self, x: Array, t: Times, conditions: Sequence[Condition]) -> Array:
        self.rows += len(x) * (1 if all(each.guidance == 1.0 for each in conditions) else 2)
        return super().velocity(x, t, conditions)


COUNTED = CountedBlobs(**BLOBS.model_dump())


def rows_of(ctx: Context) -> int:
    """Rows that the denoiser of a context was given so far."""
    generator: Any = ctx._run.engines["generator"]
    return int(generator.model.rows)
