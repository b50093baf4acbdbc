"""What each key may spend: requests lease what they may cost before they run, and settle what they did cost after."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from ..budget import NO_LIMIT, Budget, Ledger, Reservation
from ..errors import BudgetExceeded
from ..types import Usage
from .accounts_file import AccountsFile
from .keys import Key
from .pace import Pace
from .refusal import Refusal, unavailable
from .shares import Share, bound, share, within


@dataclass(frozen=True, slots=True)
class Lease:
    """What one request may spend of its key's budget.

    Args:
        id: to settle it by.
        budget: what the request asked for, within what it got.
    """

    id: str
    budget: Budget


class Accounts:
    """What each key may spend. Use it from one event loop.

    Args:
        keys: with their limits; none at all is the one of anyone.
        file: keeps what was spent when the server stops; without one it is forgotten.
        clock: seconds, monotonic.

    Raises:
        UsageError: the file cannot be used.
    """

    def __init__(
        self,
        keys: Iterable[Key] = (),
        file: str | Path | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._file = AccountsFile(file) if file is not None else None
        self._clock = clock
        spent = self._file.spent() if self._file else {}
        listed = list(keys) or [Key.anyone()]
        self._accounts = {key.name: _Account(key, spent.get(key.name, Usage()), clock) for key in listed}
        self._leases: dict[str, tuple[_Account, Reservation]] = {}

    async def lease(self, key_name: str, least: Usage, most: Budget) -> Lease:
        """Let a request begin, waiting for others of its key to settle if need be, `most.seconds` at most.

        In each dimension that the key's budget limits, the lease holds what `most` allows; where so much can never be
        had, or `most` allows everything, all that is left, for which it waits until the others have settled. So give
        `most` limits.

        Args:
            key_name: of the key that asks.
            least: what one answer costs at least.
            most: what the request may spend.

        Raises:
            Refusal: 402 where what is left of the key's budget does not pay `least`; 429 where the key asks too often,
                asks too much at once or waited too long; 503 where the lease cannot be recorded.
        """
        account = self._accounts[key_name]
        began = self._clock()
        account.enter()
        try:
            held, got = await account.hold(least, most)
        except BaseException:
            account.leave()
            raise
        lease_id = secrets.token_hex(16)
        self._leases[lease_id] = account, held
        if self._file is not None and held.bound != Usage():  # what holds nothing has nothing to be charged
            try:
                await self._file.begin(lease_id, key_name, held.bound)
            except BaseException:
                self._end(lease_id, Usage())
                raise
        return Lease(lease_id, within(got, most).after(self._clock() - began))

    def settle(self, lease_id: str, spent: Usage) -> None:
        """End a lease by what its request has spent; one that has ended stays as it is."""
        self._end(lease_id, spent)

    async def charge_in_full(self, lease_ids: Iterable[str]) -> None:
        """End leases whose requests are lost, so that nobody knows what they spent."""
        for lease_id in lease_ids:
            self._end(lease_id, None)

    async def spent(self, key_name: str) -> Usage:
        """What a key has spent."""
        return self._accounts[key_name].spent

    async def close(self) -> None:
        """Write what was spent; leases still open are charged in full at the next start."""
        if self._file is not None:
            await self._file.close()

    def _end(self, lease_id: str, spent: Usage | None) -> None:
        if lease_id not in self._leases:
            return
        account, held = self._leases.pop(lease_id)
        held.settle(held.bound if spent is None else spent)
        account.leave()
        if self._file is not None:
            self._file.end(lease_id, account.key.name, account.spent)


class _Account:
    """What one key may spend."""

    def __init__(self, key: Key, spent: Usage, clock: Callable[[], float]) -> None:
        self.key = key
        self._ledger = Ledger(key.budget, spent=spent)
        self._is_limited = key.budget != NO_LIMIT
        self._turn = asyncio.Lock()
        self._pace = None if key.requests_per_minute is None else Pace(key.requests_per_minute, clock)
        self._at_once = 0

    @property
    def spent(self) -> Usage:
        return self._ledger.spent

    def enter(self) -> None:
        """Count a request in.

        Raises:
            Refusal: the key asks too often or too much at once.
        """
        if self.key.at_once is not None and self._at_once >= self.key.at_once:
            raise _too_much(f"at most {self.key.at_once} requests of this key may run at once; try again later")
        if self._pace is not None:
            if wait_s := self._pace.wait_s():
                rate = f"{self.key.requests_per_minute:.15g} requests of this key may begin a minute"
                raise _too_much(f"at most {rate}; try again in {wait_s:.0f} seconds", wait_s)
            self._pace.note()
        self._at_once += 1

    def leave(self) -> None:
        """Count a request out."""
        self._at_once -= 1

    async def hold(self, least: Usage, most: Budget) -> tuple[Reservation, Share]:
        """Hold a request's share, first come first served: the share is cut anew when others have spent of it.

        Raises:
            Refusal: what is left does not pay `least`, or it took too long.
        """
        if not self._is_limited:
            return await self._ledger.reserve(Usage()), {}
        try:
            async with asyncio.timeout(most.seconds), self._turn:
                while True:
                    got = share(self.key.budget, self._ledger.spent, least, most)
                    try:
                        return await self._ledger.reserve(bound(got)), got
                    except BudgetExceeded:
                        continue
        except TimeoutError:
            raise _too_much(
                "what is left of this key's budget is held by its other requests; try again later"
            ) from None


def _too_much(message: str, wait_s: float | None = None) -> Refusal:
    return unavailable(message, "rate_limit_exceeded", wait_s, status=429)
