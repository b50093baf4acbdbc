"""REBASE over denoising states."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .allocation import Rounding
from .rebase import Balanced
from .stepwise_denoising import StepwiseDenoising


class DenoisingRebase(StepwiseDenoising):
    """Share each level among the states by the softmax of the scores of what is expected of them.

    The allocator is that of `rebase` on texts: a state with score R gets its part of the `n` of the next level,
    ``exp(R / balance) / sum``, as a whole number.

    Family: stepwise denoising
    When it pays: the verifier is informative early, but not sure: good states get more children and doubtful ones some.
        With a sure one `svdd` is better, which is the same at `balance` 0, but for ties.
    Cost: at most ``n * steps`` evaluations and judgements, and ``final_steps - 1`` evaluations and one judgement more
        of each state that is left; depth ``2 * steps + 2``.
    Source: Wu et al. 2024, arXiv 2408.00724, reward-balanced search, over the proposals of Kim et al. 2025, arXiv
        2503.19385, section 4.1.
    Departs: neither has it in this form. After the last judgement a state has one image, so that its part only decides
        whether it has any.

    Args:
        balance: the temperature of the softmax, in units of the score; 0 gives all to the best, a large one shares
            alike.
        rounding: how shares become whole numbers.
        keep: the part of a level's states, best first, that may get children at all.
    """

    kind: Literal["denoising_rebase"] = "denoising_rebase"
    balance: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.2
    rounding: Rounding = "largest_remainder"
    keep: Annotated[float, Field(gt=0, le=1)] = 1.0

    def allocator(self) -> Balanced:
        """Children in proportion to the softmax of the scores."""
        return Balanced(self.balance, self.rounding, self.keep)
