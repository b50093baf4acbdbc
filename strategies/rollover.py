"""A chain of denoising states that shares its tries among steps: what one step does not need rolls over to the next."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ..orchestrator.images import Latent
from ..orchestrator.types import Candidate

Judged = tuple[Candidate, float | None]


@dataclass(frozen=True, slots=True)
class Acceptance:
    """When a step is decided before its quota is spent: the best so far beats the bar.

    Args:
        min_tries: tries before that, at least 1.
        margin: by how much the bar lies above the best score of the chain.
        in_deviations: whether that is in standard deviations of the step's scores so far, instead of in their unit.
    """

    min_tries: int = 1
    margin: float = 0.0
    in_deviations: bool = False

    def decided(self, scores: Sequence[float | None], best: float | None) -> int | None:
        """After how many tries the step is decided; None where it is not.

        >>> Acceptance().decided([0.2, 0.4, 0.9], 0.3), Acceptance(3).decided([0.2, 0.4, 0.1], 0.3)
        (2, 3)
        >>> Acceptance(1, 0.2).decided([0.2, 0.4, 0.4], 0.3), Acceptance(1, 1.0, True).decided([0.2, 0.4, 0.9], 0.4)
        (None, 3)
        """
        for tries in range(self.min_tries, len(scores) + 1):
            told = [score for score in scores[:tries] if score is not None]
            if told and self._beats(told, best):
                return tries
        return None

    def _beats(self, told: Sequence[float], best: float | None) -> bool:
        if best is None:
            return True
        if self.margin and self.in_deviations:
            return len(told) > 1 and max(told) > best + self.margin * statistics.pstdev(told)
        return max(told) > best + self.margin


@dataclass(frozen=True, slots=True)
class Spending:
    """What one step of a chain spent.

    Args:
        place: in the grid, of its proposals.
        quota: tries that it had.
        spent: tries that it took.
    """

    place: int
    quota: int
    spent: int


class Proposing(Protocol):
    """Makes and judges proposals, and knows whether there will be more."""

    @property
    def is_stopped(self) -> bool: ...

    async def proposed(self, state: Candidate, numbers: Sequence[int]) -> list[Candidate | None]: ...

    async def score(self, states: Sequence[Candidate]) -> list[Judged]: ...


class Chain:
    """One chain of states; it goes on from place to place of the grid, each time to the best proposal.

    Args:
        states: makes proposals.
        acceptance: when a step is decided early.
        quota: tries granted to each step, besides those that roll over.
        speculation: proposals made at once, where not more are certain to be made.
        best: the best score so far.
    """

    def __init__(
        self, states: Proposing, acceptance: Acceptance, quota: int, speculation: int, best: float | None
    ) -> None:
        self._states, self._acceptance = states, acceptance
        self._quota, self._speculation = quota, speculation
        self._tried: Counter[Latent | None] = Counter()
        self.best = best
        self.profile: list[Spending] = []

    async def onward(self, line: Sequence[Judged], last: int, left: int, *, spends_all: bool) -> list[Judged]:
        """A line of states, one a place, to its last place; shorter where the run ends or all proposals are lost.

        Args:
            line: the states so far, from the first place.
            last: the last place.
            left: tries in all; the last step never takes more.
            spends_all: whether the last step takes all of them.
        """
        found, quota = list(line), 0
        while len(found) <= last and not self._states.is_stopped:
            is_last = len(found) == last
            quota = left if is_last and spends_all else min(quota + self._quota, left)
            made, spent = await self._tries(found[-1][0], quota, is_decided=not (is_last and spends_all))
            self.profile.append(Spending(len(found), quota, spent))
            if not made:
                break
            found.append(max(made, key=merit))
            self.best = max((self.best, found[-1][1]), key=lambda score: (score is not None, score or 0.0))
            quota, left = quota - spent, left - spent
        return found

    async def _tries(self, state: Candidate, quota: int, *, is_decided: bool) -> tuple[list[Judged], int]:
        """The proposals that a step is decided by, lost ones left out, and how many tries it took."""
        made: list[Judged | None] = []
        decided: int | None = None
        while len(made) < quota and decided is None and not self._states.is_stopped:
            size = max(self._acceptance.min_tries - len(made), self._speculation) if is_decided else quota
            made += await self._judged(state, len(made), min(size, quota - len(made)))
            if is_decided:
                decided = self._acceptance.decided([each and each[1] for each in made], self.best)
        spent = decided or len(made)
        self._tried[state.latent] += spent
        return [each for each in made[:spent] if each is not None], spent

    async def _judged(self, state: Candidate, done: int, count: int) -> list[Judged | None]:
        """The next proposals from a state, each judged; None for one that is lost."""
        first = self._tried[state.latent] + done
        found = await self._states.proposed(state, range(first, first + count))
        told = iter(await self._states.score([each for each in found if each is not None]))
        return [None if each is None else next(told) for each in found]


def merit(judged: Judged) -> tuple[bool, float]:
    """The larger the better; what cannot be told comes last."""
    return judged[1] is not None, judged[1] or 0.0
