"""The budget and the ledger that keeps it: reserve, wait for releases, settle.

A call reserves the most it may cost before it starts and settles what it did cost after. A reservation
that does not fit waits for others to settle, first come first served; one that can never fit is refused at once.
Because each is decided in the order it was asked, and admitted exactly when the true cost of all before it
leaves room for its own bound, *what* is admitted does not depend on how fast anything runs. Room that is kept for the
next part of a work counts as spent until that part is settled.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from operator import add
from typing import Annotated, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from .errors import BudgetExceeded
from .types import Usage

Count = Annotated[int, Field(ge=0)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]

Dimension = Literal[
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "calls",
    "verifier_calls",
    "nfe",
    "flops",
    "cost_usd",
    "compute_seconds",
]
COUNTED: tuple[Dimension, ...] = get_args(Dimension)
NANO = ("cost_usd", "compute_seconds")


def unit_of(dimension: str) -> float:
    """Whole units in one of a dimension as people count it: 1e9 in a dollar and in a second, else 1."""
    return 1e9 if dimension in NANO else 1.0


def in_units(amount: int, dimension: str) -> float:
    """Whole units as people count them; what is counted in ones stays a whole number.

    >>> in_units(1500, "calls"), in_units(1_500_000_000, "compute_seconds")
    (1500, 1.5)
    """
    return amount / unit_of(dimension) if dimension in NANO else amount


def amounts(usage: Usage) -> tuple[int, ...]:
    """`usage` as whole units in the order of `COUNTED`; money in nano-dollars, time in nanoseconds."""
    return (
        usage.prompt_tokens,
        usage.completion_tokens,
        usage.prompt_tokens + usage.completion_tokens,
        usage.calls,
        usage.verifier_calls,
        usage.nfe,
        usage.flops,
        usage.nano_usd,
        usage.compute_ns,
    )


class Budget(BaseModel):
    """Hard limits, each optional: None means no limit in that dimension.

    `seconds` is a deadline: wall-clock seconds from the moment the ledger opens. `compute_seconds` are those that
    engines count by their calibration, see `Usage.compute_ns`. `flops` may be written as a
    float such as ``1e15``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    prompt_tokens: Count | None = None
    completion_tokens: Count | None = None
    total_tokens: Count | None = None
    calls: Count | None = None
    verifier_calls: Count | None = None
    nfe: Count | None = None
    flops: Count | None = None
    seconds: Amount | None = None
    cost_usd: Amount | None = None
    compute_seconds: Amount | None = None

    @model_validator(mode="before")
    @classmethod
    def _whole_flops(cls, data: object) -> object:
        if isinstance(data, dict) and isinstance(data.get("flops"), float) and math.isfinite(data["flops"]):
            return {**data, "flops": int(data["flops"])}
        return data

    def limits(self) -> tuple[int | None, ...]:
        """The limits in whole units, in the order of `COUNTED`."""
        counts = self.prompt_tokens, self.completion_tokens, self.total_tokens, self.calls, self.verifier_calls
        return (*counts, self.nfe, self.flops, _whole(self.cost_usd), _whole(self.compute_seconds))

    def fits(self, usage: Usage) -> bool:
        """Whether `usage` alone stays within every counted limit."""
        return all(limit is None or used <= limit for used, limit in zip(amounts(usage), self.limits(), strict=True))

    def at_most(self, other: Budget) -> Self:
        """The tighter of the two in every dimension."""
        limits = {name: limit for name, limit in other if limit is not None}
        tighter = {name: limit for name, limit in limits.items() if (own := getattr(self, name)) is None or limit < own}
        return self.model_copy(update=tighter) if tighter else self

    def after(self, seconds: float) -> Self:
        """The same so many seconds later: its deadline is nearer."""
        if self.seconds is None:
            return self
        return self.model_copy(update={"seconds": max(0.0, self.seconds - seconds)})

    @classmethod
    def of(cls, usage: Usage) -> Self:
        """Just `usage`, as the limit in every dimension but the deadline.

        >>> Budget.of(Usage(completion_tokens=3)).total_tokens
        3
        """
        held = zip(COUNTED, amounts(usage), strict=True)
        return cls.model_validate({name: in_units(amount, name) for name, amount in held})

    def __str__(self) -> str:
        named = [
            f"{getattr(self, name):.15g} {name}" for name in type(self).model_fields if getattr(self, name) is not None
        ]
        return ", ".join(named) or "no limit"


NO_LIMIT = Budget()


class Reservation:
    """Room held in a ledger until it is settled. Left unsettled, it is charged in full."""

    __slots__ = ("_ledger", "_open", "_share", "bound", "is_kept")

    def __init__(self, ledger: Ledger, bound: Usage) -> None:
        self._ledger = ledger
        self._open = True
        self._share = bound
        self.bound = bound
        self.is_kept = False

    @property
    def budget(self) -> Budget:
        """What is held, as the budget of a child; settle with what the child has spent."""
        return Budget.of(self.bound)

    def settle(self, usage: Usage) -> None:
        """Charge what was really spent and give the rest back. A second call does nothing."""
        if self._open:
            self._open = False
            self._ledger._settle(self, usage)

    def settle_keeping(self, usage: Usage, rest: Usage, shares: int = 1) -> None:
        """Charge `usage` and go on holding `shares` times `rest`: for work whose next parts are certain to come.

        Once the reservation is settled, a call does nothing.
        """
        if self._open:
            kept = rest.times(shares)
            self._ledger._keep(self, usage, kept)
            self.bound, self._share = kept, rest

    def shared(self, shares: int) -> Reservation:
        """A reservation of its own for so many shares of what was kept; each may be taken once."""
        part = self._share.times(shares)
        return self if part == self.bound else self.split(part)

    @classmethod
    def joined(cls, parts: Sequence[Reservation]) -> Reservation | None:
        """One reservation of one ledger for what several hold, which are then closed; None for none."""
        if not parts:
            return None
        whole, *others = parts
        for other in others:
            other._open = False
            whole.bound += other.bound
        whole._ledger._outstanding -= len(others)
        return whole

    def split(self, part: Usage) -> Reservation:
        """A reservation of its own for `part` of what is held; the caller knows that it is covered."""
        return self._ledger._split(self, part)

    def charge_in_full(self) -> None:
        """Charge the whole bound: the rule for work whose true cost is unknown."""
        self.settle(self.bound)

    def release(self) -> None:
        """Give everything back: nothing was started."""
        self.settle(Usage())


class Ledger:
    """Keeps one budget. Single-threaded: use it from one event loop.

    Args:
        budget: the hard limits.
        spent: what was already spent when the ledger opens, e.g. before a restart.
        clock: seconds, monotonic; replace it to test deadlines.
    """

    def __init__(self, budget: Budget, *, spent: Usage = Usage(), clock: Callable[[], float] = time.monotonic) -> None:
        self.budget = budget
        self._clock = clock
        self._opened = clock()
        self._limits = [(i, limit) for i, limit in enumerate(budget.limits()) if limit is not None]
        self._spent = list(amounts(spent))
        self._cached_tokens = spent.cached_tokens
        self._limited = [i for i, _ in self._limits]
        self._held = [0] * len(COUNTED)
        self._kept = [0] * len(COUNTED)
        self._outstanding = 0
        self._waiting: deque[_Wish] = deque()

    async def reserve(self, bound: Usage) -> Reservation:
        """Hold room for `bound`, waiting for earlier reservations to settle if need be.

        Raises:
            BudgetExceeded: it can never fit, or the deadline has passed.
        """
        held = amounts(bound)
        if not self._waiting:
            self._refuse_hopeless(held)
            if self._has_room(held):
                return self._grant(held, bound)
        return (await self._queue(_Wish(held, bound)))[0]

    async def reserve_most(self, bound: Usage, most: int, leaving: Usage = Usage()) -> tuple[Reservation, int]:
        """Hold room for as many of `most` equal parts as fit, one at least, as if each reserved `bound` in turn.

        Parts are refused where not even the settling of everything before them would leave room for them and for
        `leaving`, which is held with them.

        Returns:
            the room, and for how many parts it is.

        Raises:
            BudgetExceeded: not one can ever fit, or the deadline has passed.
        """
        wish = _Wish(amounts(bound), bound, most, leaving)
        if not self._waiting:
            granted = self._granted(wish)
            if granted is not None:
                return granted
        return await self._queue(wish)

    def seconds_left(self) -> float | None:
        """Seconds to the deadline, never below zero; None without a deadline."""
        if self.budget.seconds is None:
            return None
        return max(0.0, self.budget.seconds - (self._clock() - self._opened))

    def room(self) -> Budget:
        """What is neither spent nor held, as a budget for a child."""
        left: dict[str, float] = {}
        for i, limit in self._limits:
            left[COUNTED[i]] = in_units(max(0, limit - self._spent[i] - self._held[i]), COUNTED[i])
        return Budget.model_validate({**left, "seconds": self.seconds_left()})

    @property
    def spent(self) -> Usage:
        """What has been settled and charged so far."""
        prompt, completion, _, *rest = self._spent
        return Usage(prompt, self._cached_tokens, completion, *rest)

    @property
    def outstanding(self) -> int:
        """Reservations not settled yet."""
        return self._outstanding

    def charge(self, usage: Usage) -> None:
        """Record spending that held no reservation, e.g. calls in flight when an earlier run was killed."""
        self._cached_tokens += usage.cached_tokens
        self._spent = list(map(add, self._spent, amounts(usage)))
        self._admit_waiting()

    async def _queue(self, wish: _Wish) -> tuple[Reservation, int]:
        future = wish.future = asyncio.Future[tuple[Reservation, int]]()
        self._waiting.append(wish)
        try:
            async with asyncio.timeout(self.seconds_left()):
                return await future
        except (TimeoutError, asyncio.CancelledError) as error:
            if future.done() and not future.cancelled() and future.exception() is None:
                future.result()[0].release()
            if isinstance(error, TimeoutError):
                raise BudgetExceeded("seconds", self.budget.seconds or 0.0, 0.0) from None
            raise
        finally:
            future.cancel()
            self._admit_waiting()

    def _refuse_hopeless(self, held: tuple[int, ...]) -> None:
        if self.seconds_left() == 0.0:
            raise BudgetExceeded("seconds", self.budget.seconds or 0.0, 0.0)
        for i, limit in self._limits:
            if held[i] > limit - self._spent[i] - self._kept[i]:
                raise _exceeded(i, held[i], limit - self._spent[i] - self._kept[i])

    def _granted(self, wish: _Wish) -> tuple[Reservation, int] | None:
        """As many parts as there can ever be room for; None while there is none for all of these.

        Raises:
            BudgetExceeded: there can be room for none.
        """
        left = amounts(wish.leaving)
        self._refuse_hopeless(tuple(map(add, wish.held, left)))
        certain = [(i, limit - self._spent[i] - self._kept[i] - left[i]) for i, limit in self._limits]
        parts = min([wish.parts, *(free // wish.held[i] for i, free in certain if wish.held[i])])
        held = tuple(parts * amount + besides for amount, besides in zip(wish.held, left, strict=True))
        return (self._grant(held, wish.bound.times(parts) + wish.leaving), parts) if self._has_room(held) else None

    def _has_room(self, held: tuple[int, ...]) -> bool:
        return all(self._spent[i] + self._held[i] + held[i] <= limit for i, limit in self._limits)

    def _grant(self, held: tuple[int, ...], bound: Usage) -> Reservation:
        self._move(self._held, held)
        self._outstanding += 1
        return Reservation(self, bound)

    def _settle(self, reservation: Reservation, usage: Usage) -> None:
        self._let_go(reservation)
        self._outstanding -= 1
        self.charge(usage)

    def _split(self, whole: Reservation, part: Usage) -> Reservation:
        whole.bound -= part
        self._outstanding += 1
        parted = Reservation(self, part)
        parted.is_kept = whole.is_kept
        return parted

    def _keep(self, reservation: Reservation, usage: Usage, rest: Usage) -> None:
        self._let_go(reservation)
        self._move(self._held, amounts(rest))
        self._move(self._kept, amounts(rest))
        reservation.is_kept = True
        self.charge(usage)

    def _let_go(self, reservation: Reservation) -> None:
        held = amounts(reservation.bound)
        self._move(self._held, held, -1)
        if reservation.is_kept:
            self._move(self._kept, held, -1)

    def _move(self, totals: list[int], by: tuple[int, ...], sign: int = 1) -> None:
        """Add to what is held or kept; only what is limited is ever compared."""
        for i in self._limited:
            totals[i] += sign * by[i]

    def _admit_waiting(self) -> None:
        while self._waiting:
            wish = self._waiting[0]
            if not wish.future.done():
                try:
                    granted = self._granted(wish)
                except BudgetExceeded as error:
                    wish.future.set_exception(error)
                else:
                    if granted is None:
                        return
                    wish.future.set_result(granted)
            self._waiting.popleft()


@dataclass(slots=True, eq=False)
class _Wish:
    """Room for some equal parts, which waits for its turn."""

    held: tuple[int, ...]
    bound: Usage
    parts: int = 1
    leaving: Usage = Usage()
    future: asyncio.Future[tuple[Reservation, int]] = field(init=False)


def _whole(amount: float | None) -> int | None:
    """Dollars in nano-dollars or seconds in nanoseconds, rounded down."""
    return None if amount is None else math.floor(Decimal(repr(amount)).scaleb(9))


def _exceeded(dimension: int, wanted: int, left: int) -> BudgetExceeded:
    name = COUNTED[dimension]
    unit = unit_of(name)
    return BudgetExceeded(name, wanted / unit, max(0, left) / unit)
