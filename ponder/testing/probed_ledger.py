"""A ledger that tells at which larger budget a run may fare otherwise.

A run depends on its budget only through what is admitted, and whether a reservation is admitted depends on the true
cost of all before it. So between one budget and the least at which anything that was refused would be admitted, nothing
can change, and every budget can be tried by trying those few.
"""

from __future__ import annotations

from ..orchestrator.budget import COUNTED, Budget, Ledger, Reservation, amounts
from ..orchestrator.errors import BudgetExceeded
from ..orchestrator.types import Usage

LIMITS = frozenset(COUNTED)


class _Refused:
    """A refused reservation: the limit that would have admitted it, once those before it have settled."""

    def __init__(self, needed: list[int], before: set[Reservation]) -> None:
        self.needed = needed
        self._before = before

    def settled(self, reservation: Reservation, usage: Usage) -> None:
        """Count what one of those before it has really spent, or still keeps."""
        if reservation in self._before:
            self._before.discard(reservation)
            self.needed = [known + more for known, more in zip(self.needed, amounts(usage), strict=True)]

    def split(self, whole: Reservation, parted: Reservation) -> None:
        """Count what is parted from one of those before it by itself."""
        if whole in self._before:
            self._before.add(parted)


class ProbedLedger(Ledger):
    """A ledger that remembers what it refused."""

    def __init__(self, budget: Budget) -> None:
        super().__init__(budget)
        self._refused: list[_Refused] = []
        self._unsettled: set[Reservation] = set()
        self._unmet: list[list[int]] = []
        self.is_looked_at = False

    def next_limit(self) -> int | None:
        """The least limit, in whole units, at which a run may fare otherwise than under this one; None if none may.

        It is exact where one dimension is limited and nobody looks at the amounts of the room left (`is_looked_at`).
        """
        ((dimension, limit),) = self._limits
        needed = [needed[dimension] for needed in (*(refused.needed for refused in self._refused), *self._unmet)]
        return min((need for need in needed if need > limit), default=None)

    def room(self) -> Budget:
        left = super().room()
        return _Room.over(self, left)

    def _refuse_hopeless(self, held: tuple[int, ...]) -> None:
        try:
            super()._refuse_hopeless(held)
        except BudgetExceeded:
            now = [sum(parts) for parts in zip(held, self._spent, self._kept, strict=True)]
            self._refused.append(_Refused(now, {r for r in self._unsettled if not r.is_kept}))
            raise

    def _grant(self, held: tuple[int, ...], bound: Usage) -> Reservation:
        reservation = super()._grant(held, bound)
        self._unsettled.add(reservation)
        return reservation

    def _split(self, whole: Reservation, part: Usage) -> Reservation:
        parted = super()._split(whole, part)
        if whole in self._unsettled:
            self._unsettled.add(parted)
        for refused in self._refused:
            refused.split(whole, parted)
        return parted

    def _settle(self, reservation: Reservation, usage: Usage) -> None:
        self._unsettled.discard(reservation)
        self._tell(reservation, usage)
        super()._settle(reservation, usage)

    def _keep(self, reservation: Reservation, usage: Usage, rest: Usage) -> None:
        self._tell(reservation, usage + rest)
        super()._keep(reservation, usage, rest)

    def _tell(self, reservation: Reservation, usage: Usage) -> None:
        for refused in self._refused:
            refused.settled(reservation, usage)

    def _missed(self, usage: Usage) -> None:
        """Somebody asked whether `usage` fits, and it does not."""
        parts = zip(amounts(usage), self._spent, self._held, strict=True)
        self._unmet.append([sum(each) for each in parts])


class _Room(Budget):
    """The room of a probed ledger, which sees what is asked of it."""

    @classmethod
    def over(cls, ledger: ProbedLedger, left: Budget) -> _Room:
        room = cls.model_validate(left.model_dump())
        object.__setattr__(room, "_ledger", ledger)
        return room

    def __getattribute__(self, name: str) -> object:
        if name in LIMITS and (ledger := object.__getattribute__(self, "__dict__").get("_ledger")):
            ledger.is_looked_at = True
        return super().__getattribute__(name)

    def fits(self, usage: Usage) -> bool:
        ledger = object.__getattribute__(self, "__dict__")["_ledger"]
        looked_at = ledger.is_looked_at
        does_fit = super().fits(usage)
        ledger.is_looked_at = looked_at
        if not does_fit:
            ledger._missed(usage)
        return does_fit
