"""What engines count, as usage: FLOPs from a model's shape or size, money from its prices."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from .flops import ModelShape, ParameterCount
from .types import Usage

Price = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Rate(BaseModel):
    """What one row, image or look costs.

    Args:
        flops: operations.
        seconds: of the machine, as measured in the batches that it comes in.
        price: US dollars for a million.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    flops: Annotated[int, Field(ge=0)] = 0
    seconds: Seconds = 0.0
    price: Price = 0.0

    def usage(self, count: int = 1) -> Usage:
        """The cost of so many, beside the count itself."""
        return Usage(
            flops=count * self.flops,
            nano_usd=round(count * self.price * 1000),
            compute_ns=round(count * self.seconds * 1e9),
        )


class Meter(BaseModel):
    """Turns counts into `Usage`: FLOPs from the model's shape or size, money from its prices.

    Prices are in US dollars for a million tokens; cached prompt tokens cost `cached_price` where it is set. `row` is
    one row that a denoiser evaluates, `decoding` one image made of a latent, `look` one image judged.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    row: Rate = Rate()
    decoding: Rate = Rate()
    look: Rate = Rate()
    model: ModelShape | ParameterCount | None = None
    prompt_price: Price = 0.0
    cached_price: Price | None = None
    completion_price: Price = 0.0

    @property
    def depth(self) -> int:
        """The most calls made one after another for one generation."""
        return 1

    def shortest(self, prompt: int) -> Usage:
        """The least that one generation may cost: one token, after a prompt that the prefix cache serves."""
        return self.generation(prompt, 1, cached=prompt)

    def generation(self, prompt: int, completion: int, cached: int = 0, *, judging: bool = False) -> Usage:
        """The usage of one generation; `judging` counts it as a verifier's call."""
        flops = self.model.generation(prompt, cached, completion) if self.model else 0
        return self._usage(prompt, completion, cached, flops, judging)

    def reading(self, prompt: int, cached: int = 0) -> Usage:
        """The usage of one reading by a reward model."""
        return self._usage(prompt, 0, cached, self.model.reading(prompt, cached) if self.model else 0, True)

    def denoising(self, rows: int, images: int = 0) -> Usage:
        """The usage of one passage of a denoiser, of so many rows and images."""
        return Usage(calls=1, nfe=rows) + self.row.usage(rows) + self.decoding.usage(images)

    def looking(self) -> Usage:
        """The usage of looking at one image."""
        return Usage(verifier_calls=1) + self.look.usage()

    def passes(self, spans: Iterable[tuple[int, int]], unread: int, drawn: int) -> Usage:
        """The usage of some passes over a shared cache.

        Args:
            spans: of each worker's input in each pass, the positions in its view where it begins and ends.
            unread: tokens read for the first time that nobody drew.
            drawn: tokens drawn; each is predicted once.
        """
        flops = 0
        if self.model:
            flops = sum(self.model.reading(end, start) for start, end in spans) + drawn * self.model.unembedding
        return self._usage(unread, drawn, 0, flops, False)

    def _usage(self, prompt: int, completion: int, cached: int, flops: int, judging: bool) -> Usage:
        dollars_a_million = completion * self.completion_price
        if self.prompt_price or self.cached_price:
            cached_price = self.prompt_price if self.cached_price is None else self.cached_price
            dollars_a_million += (prompt - cached) * self.prompt_price + cached * cached_price
        return Usage(
            prompt_tokens=prompt,
            cached_tokens=cached,
            completion_tokens=completion,
            calls=0 if judging else 1,
            verifier_calls=1 if judging else 0,
            flops=flops,
            nano_usd=round(dollars_a_million * 1000) if dollars_a_million else 0,
        )
