"""Launch and cancel: draws made ahead of the decision that may make them needless.

Candidates come in the order they were launched, so that short ones have no advantage. At most `in_flight` stand between
the one that comes next and the last that was launched, and each is settled when its turn comes: which draws were
launched when the caller stops, what that costs and which of them failed is the same at any speed. What the journal
holds comes first, and nothing is sent before it is used up.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from .deferred import Deferred
from .draw import Ask
from .effects import Effects, Places, Started, cancel, prompt_of
from .engine import Prompt
from .errors import BudgetExceeded, EngineError
from .types import Candidate, Usage

if TYPE_CHECKING:
    Window = deque[tuple[Started, Deferred]]


async def launched(effects: Effects, ask: Ask, in_flight: int) -> AsyncGenerator[Candidate, None]:
    """The draws of an ask in the order of their launch; see `Context.launch`."""
    run, prompt = effects._run, prompt_of(ask)
    content = effects._content(ask, prompt)
    await effects._check([(content, ask.n)])
    places = effects._places(content, ask.n)
    window: Window = deque()
    try:
        bound, _ = await effects._bounds(prompt, ask)
        ahead = _Ahead(effects, ask, prompt, places, bound, await _recorded(effects, places, ask.n))
        while True:
            await ahead.fill(window, in_flight)
            if not window:
                return
            task, held = window[0]
            (candidate,) = await effects._collect([task])
            window.popleft()
            held.settle_now()
            if held.error is not None:
                run.fail(held.error)
            ahead.taken += 1
            if candidate is not None:
                yield candidate
    except BudgetExceeded as error:
        run.stop(error)
    except EngineError as error:
        run.fail(error)
    finally:
        for _, held in window:
            held.charge_in_full()
        await cancel([task for task, _ in window])


class _Ahead:
    """Launches draws while the window and the budget have room for them."""

    def __init__(self, effects: Effects, ask: Ask, prompt: Prompt, places: Places, bound: Usage, recorded: int) -> None:
        self._effects, self._ask, self._prompt, self._places, self._bound = effects, ask, prompt, places, bound
        self._recorded = recorded
        self._past_recorded = asyncio.Event()
        self._launched = 0
        self.taken = 0

    async def fill(self, window: Window, in_flight: int) -> None:
        """Launch until the window is full; the first in it whatever the room, for which it is refused if it must be.

        Raises:
            BudgetExceeded: not even one more fits.
        """
        if self.taken >= self._recorded:
            self._past_recorded.set()
        ledger = self._effects._run.ledger
        while self._launched < self._ask.n and len(window) < in_flight:
            if window and not ledger.room().fits(self._bound):
                return
            held = Deferred(await ledger.reserve(self._bound))
            window.append((asyncio.create_task(self._draw(self._launched, held)), held))
            self._launched += 1

    async def _draw(self, i: int, held: Deferred) -> Candidate | None:
        if i >= self._recorded:
            await self._past_recorded.wait()
        return await self._effects._draw(self._ask, self._prompt, self._bound, None, held, self._places.at(i))


async def _recorded(effects: Effects, places: Places, n: int) -> int:
    """How many of the first draws the journal holds."""
    keys = [places.at(i)[0] for i in range(n)]
    found = await effects._run.journal.store.get(keys)
    return next((i for i, key in enumerate(keys) if key not in found), n)
