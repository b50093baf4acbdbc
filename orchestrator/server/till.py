"""Where requests pay: the accounts of this process, or those that replicas share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ..budget import Budget
from ..types import Usage

if TYPE_CHECKING:
    from .accounts import Lease


class Till(Protocol):
    """Where requests pay; `Accounts` is one."""

    async def lease(self, key_name: str, least: Usage, most: Budget) -> Lease:
        """Let a request begin that may spend so much of its key's budget.

        Raises:
            Refusal: it may not begin.
        """

    def settle(self, lease_id: str, spent: Usage) -> None:
        """End a lease by what its request has spent."""

    async def close(self) -> None:
        """Let nobody pay any more."""
