"""When to stop trying: whether one more attempt is worth making after all before it were rejected."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from ...orchestrator.engine import MAX_DRAWS
from .mixed_resampling_law import MixedResamplingLaw

Cost = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class WorthTrying(BaseModel):
    """Attempts are worth making as long as they gain more, by the law of the tasks, than they cost.

    It holds where nothing is answered once the last attempt is rejected. `Reliability.law` makes the law of a labelled
    set.

    Args:
        law: what attempts give on each type of task.
        wrong_cost: what a wrong answer costs, in units of what a right one is worth.
        call_cost: what a draw and its judgement cost, in the same units.

    >>> from ponder.verifiers.reliability import ResamplingLaw
    >>> types = (ResamplingLaw(0.87, 1.0, 0.25), ResamplingLaw(0.13, 1.0, 0.25))
    >>> rule = WorthTrying(law=MixedResamplingLaw(types, (0.58, 0.42)), wrong_cost=1.0)
    >>> rule.most(), rule.is_worth(2), rule.is_worth(3)
    (2, True, False)
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Literal["worth_trying"] = "worth_trying"
    law: MixedResamplingLaw
    wrong_cost: Cost = 0.0
    call_cost: Cost = 0.0

    def most(self, limit: int = MAX_DRAWS) -> int:
        """The number of attempts, up to `limit`, after which to stop; 0 where it is best not to try."""
        return self.law.best_attempts(wrong_cost=self.wrong_cost, call_cost=self.call_cost, most=limit)

    def is_worth(self, attempt: int, limit: int = MAX_DRAWS) -> bool:
        """Whether this attempt (1, 2, ...) is worth making where all before it were rejected."""
        return self.law.is_worth(attempt, wrong_cost=self.wrong_cost, call_cost=self.call_cost, most=limit)
