"""A reservation that is settled when its turn comes."""

from __future__ import annotations

from .budget import Reservation
from .types import Usage


class Deferred:
    """A reservation whose settling waits until its turn comes, so that the ledger does not depend on speed.

    `error` is why the work was lost, to be noted when its turn comes.
    """

    __slots__ = ("_held", "_usage", "error")

    def __init__(self, held: Reservation) -> None:
        self._held = held
        self._usage: Usage | None = None
        self.error: Exception | None = None

    def settle(self, usage: Usage) -> None:
        """Note what was really spent."""
        self._usage = usage

    def release(self) -> None:
        """Note that nothing was started."""
        self._usage = Usage()

    def settle_now(self) -> None:
        """Charge what was noted; the whole bound where nothing was."""
        self._held.settle(self._held.bound if self._usage is None else self._usage)

    def charge_in_full(self) -> None:
        """Charge the whole bound, whatever was noted."""
        self._held.charge_in_full()
