"""One time limit for many calls at once."""

from __future__ import annotations

import asyncio
from typing import Any


class TimeLimit:
    """Ends any call that lasts longer than a limit, which is the same for all: ``with limit: await ...``.

    The oldest call is the first to run out, so one timer serves all of them: a tenth of the cost of `asyncio.timeout`
    where thousands of calls start every second. One call a task at a time; not to be nested within a task.

    Args:
        seconds: the limit of each call.

    Raises:
        TimeoutError: from the ``with``, once the limit has passed.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._ends: dict[asyncio.Task[Any], float] = {}
        self._late: dict[asyncio.Task[Any], int] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        loop = task.get_loop()
        self._ends[task] = end = loop.time() + self.seconds
        if self._timer is None:
            self._timer = loop.call_at(end, self._expire)

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._ends.pop(task, None)
        if self._late:
            before = self._late.pop(task, None)
            if before is not None and task.uncancel() <= before and kind is asyncio.CancelledError:
                raise TimeoutError

    def close(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expire(self) -> None:
        """Cancel what has run out, and wait for the next."""
        self._timer = None
        loop = asyncio.get_running_loop()
        now = loop.time()
        for task, end in list(self._ends.items()):
            if end > now:
                self._timer = loop.call_at(end, self._expire)
                return
            del self._ends[task]
            self._late[task] = task.cancelling()
            task.cancel()
