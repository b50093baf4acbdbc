"""Beam search over denoising states."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ..orchestrator.plan import Plan
from ..orchestrator.shape import Shape
from .beam_search import Beam
from .stepwise_denoising import StepwiseDenoising


class DenoisingBeam(StepwiseDenoising):
    """Keep the best states of each level, one in `beam_width`, and share the next level among them.

    The allocator is that of `beam_search` on texts. With `beam_width` 1 every state goes on: `n` independent images
    with noise on the way, of which the best comes first. With `beam_width` `n` it is `svdd`.

    Family: stepwise denoising
    When it pays: the data expected early on tells something, but not enough to bet on one state; several images are
        wanted that differ.
    Cost: ``n * steps`` evaluations and judgements, and ``final_steps - 1`` evaluations and at most one judgement more
        of each state that is left; depth ``2 * steps + 2``.
    Source: beam search as of Snell et al. 2024, arXiv 2408.03314, section 5.2, over the proposals of Kim et al. 2025,
        arXiv 2503.19385, section 4.1.
    Departs: neither has it in this form.

    Args:
        beam_width: one state in so many goes on, and there is always one.
    """

    kind: Literal["denoising_beam"] = "denoising_beam"
    beam_width: Annotated[int, Field(ge=1, le=4096)] = 4

    def infer(self, shape: Shape, plan: Plan) -> Shape:
        """As many images as states go on from the last judgement, judged."""
        return super().infer(shape, plan).narrowed(-(-self.n // self.beam_width))

    def allocator(self) -> Beam:
        """The best go on alike."""
        return Beam(self.beam_width, unique=True)
