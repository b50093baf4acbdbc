"""SVDD: at each step of denoising, the best of several proposals."""

from __future__ import annotations

from typing import Literal

from ..orchestrator.plan import Plan
from ..orchestrator.shape import Shape
from .beam_search import Beam
from .stepwise_denoising import StepwiseDenoising


class SVDD(StepwiseDenoising):
    """Make `n` proposals for the next state and go on with the one whose expected data the verifier likes best.

    With `block` above 1 the best is chosen after so many steps each: controlled denoising (CoDe). It is a beam search
    of width one over denoising states.

    Family: stepwise denoising
    When it pays: the verifier can tell from the data expected at a noisy state what will come of it. Then it needs
        many times fewer evaluations than searches over whole images.
    Cost: ``n * steps`` evaluations and judgements, and ``final_steps - 1`` evaluations and at most one judgement more
        of the image; depth ``2 * steps + 2``.
    Source: Li et al. 2024, arXiv 2408.08252, soft value-based decoding in diffusion models; `block`: Singh et al.
        2025, arXiv 2502.00968, CoDe.
    Departs: the best proposal goes on, the limit of the paper's weights at temperature 0.
    """

    kind: Literal["svdd"] = "svdd"

    def infer(self, shape: Shape, plan: Plan) -> Shape:
        """One image, judged."""
        return super().infer(shape, plan).narrowed(1)

    def allocator(self) -> Beam:
        """The best goes on alone."""
        return Beam(self.n, unique=False)
