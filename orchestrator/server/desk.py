"""What every endpoint works with: the models, the runs, and what the operator allows."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..budget import NO_LIMIT, Budget
from .runs import Runs
from .served import Models
from .till import Till

MOST_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Desk:
    """What every endpoint works with.

    Args:
        models: what can be asked.
        runs: the runs in flight.
        accounts: what each key may spend.
        budget: the most that one request may cost, whatever it asks for; see `bounded`.
        seed: for requests that send none; None draws one for each.
        keep_alive_s: seconds between the comments that keep a silent stream open.
        strategies: kinds that a request may bring; none unless named.
    """

    models: Models
    runs: Runs
    accounts: Till
    budget: Budget
    seed: int | None = None
    keep_alive_s: float = 5.0
    strategies: frozenset[str] = field(default=frozenset())

    def allowed(self, asked: Budget) -> Budget:
        """What a request may cost that asks for a budget."""
        return self.budget if asked == NO_LIMIT else asked.at_most(self.budget)


def bounded(budget: Budget) -> Budget:
    """A budget whose deadline comes after 600 seconds where it has none.

    >>> bounded(Budget()).seconds, bounded(Budget(seconds=0)).seconds
    (600.0, 0.0)
    """
    return budget if budget.seconds is not None else budget.model_copy(update={"seconds": MOST_SECONDS})
