"""Any function of the user as a verifier."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import replace
from functools import lru_cache
from numbers import Real
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self
from weakref import WeakKeyDictionary

from pydantic import Field

from ..orchestrator.errors import UsageError
from ..orchestrator.images import Image
from ..orchestrator.shape import Medium
from ..orchestrator.types import Candidate, Query, Score
from ..orchestrator.verifier import Scale, Verifier
from .naming import digits

if TYPE_CHECKING:
    from ..orchestrator.judging import Judging

AT_ONCE = 8
PATH = r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$"
RANGES: Mapping[Scale, Callable[[float], bool]] = {
    "binary": lambda value: value in (0, 1),
    "probability": lambda value: 0 <= value <= 1,
    "logit": math.isfinite,
    "reward": math.isfinite,
}
WANTED: Mapping[Scale, str] = {
    "binary": "0 or 1",
    "probability": "a probability",
    "logit": "a finite number",
    "reward": "a finite number",
}
_SLOTS: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


class TooSlow(Exception):
    """The function used up its time."""


class Function(Verifier):
    """What a function of yours says: ``f(text: str, query: Query) -> float | bool | None | Score``.

    Where candidates are images, ``text`` is an `Image` instead.

    ``Function.of(f)`` makes one of a function that a module holds by name. It is saved by that name and is imported
    when it is first needed. A plain function runs in a thread, up to 8 calls at once, so it must not change what calls
    share; an ``async`` one runs in the event loop, which it must not hold up. One candidate is judged by one call:
    where that raises, takes longer than `limit_s` or returns anything else, its score is ``Score(None)``. A thread
    cannot be ended from outside, so a plain function that runs for ever keeps its thread: run what may hang in a
    process of its own. A pipeline that names a function calls it, so run none that you do not trust.

    Evidence: whatever the function looks at, of the text or image of the attempt and the query.
    When to trust it: as much as the function.
    Cost: no tokens. Each text or image is judged once a journal, by what is here below, so change `revision` whenever
        the function's scores change.
    Source: none.
    Departs: nowhere.

    Args:
        function: where it is, as ``package.module:function``; of a script ``__main__:function``, which only that script
            itself finds.
        scale: what a number means that it returns, also in a `Score`: a probability must be from 0 to 1, a ``binary``
            verdict 0 or 1. True and False are 1 and 0.
        limit_s: seconds that one call may take.
        revision: any text; another one has everything judged anew.
    """

    kind: Literal["function"] = "function"
    function: Annotated[str, Field(pattern=PATH, max_length=500)]
    scale: Scale = "reward"
    limit_s: Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)] = 10.0
    revision: str = ""

    @classmethod
    def of(cls, function: Callable[..., Any], **knobs: Any) -> Self:
        """The verifier that calls `function`.

        Args:
            function: a function that its module holds by name.
            knobs: any other of the verifier.

        Raises:
            UsageError: it cannot be found by name, e.g. a lambda.
        """
        path = f"{getattr(function, '__module__', None)}:{getattr(function, '__qualname__', None)}"
        with suppress(UsageError):
            if _found(path) is function:
                return cls(function=path, **knobs)
        raise UsageError(
            f"a function that judges must be found by its module and name, but {path} is not that one; define it by "
            "def at the top of a module"
        )

    @property
    def name(self) -> str:
        """The kind, where the function is, and what else is not the default."""
        return f"{self.kind}:{self.function}{digits(self, 'function')}"

    @property
    def score_scale(self) -> Scale:
        return self.scale

    @property
    def judges(self) -> frozenset[Medium]:
        return frozenset({"text", "image"})

    @property
    def is_recorded(self) -> bool:
        return True

    def check(self) -> None:
        _found(self.function)

    async def score(self, query: Query, candidates: Sequence[Candidate], ctx: Judging) -> list[Score]:
        function = _found(self.function)
        shown = [candidate.image or candidate.text for candidate in candidates]
        return list(await asyncio.gather(*(self._judged(function, each, query) for each in shown)))

    async def _judged(self, function: Callable[..., Any], shown: str | Image, query: Query) -> Score:
        try:
            said = await _called(function, shown, query, self.limit_s)
        except TooSlow:
            return Score(None, detail=f"{self.function} took longer than {self.limit_s:g} s")
        except Exception as error:
            return Score(None, detail=f"{self.function} raised {type(error).__name__}: {error}"[:200])
        return self._score(said)

    def _score(self, said: object) -> Score:
        if isinstance(said, Score):
            found = replace(self._score(said.value), kind=said.kind, steps=tuple(map(float, said.steps)))
            is_refused = found.value is None and said.value is not None
            return found if is_refused else replace(found, detail=said.detail or found.detail)
        if said is None:
            return Score(None, detail=f"{self.function} could not tell")
        try:
            value = float(said) if isinstance(said, Real) else math.nan
        except OverflowError:
            value = math.inf
        if not RANGES[self.scale](value):
            wanted = f"{WANTED[self.scale]}, a bool, None or a Score"
            return Score(None, detail=f"{self.function} must return {wanted}, got {said!r}"[:200])
        return Score(value, kind="exact" if isinstance(said, bool) else "learned", scale=self.scale)


@lru_cache(maxsize=256)
def _found(path: str) -> Callable[..., Any]:
    """The function at a path.

    Raises:
        UsageError: there is none.
    """
    module, _, name = path.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except Exception as error:
        problem = f"{type(error).__name__}: {error}"
        raise UsageError(
            f"a function must be importable at {path!r}, but: {problem}; mend the path, or install the package"
        ) from error
    if not callable(found):
        raise UsageError(f"what stands at {path!r} must be a function, got {type(found).__name__}; name another")
    return found  # type: ignore[no-any-return]


async def _called(function: Callable[..., Any], shown: str | Image, query: Query, limit_s: float) -> object:
    """What the function returns.

    Raises:
        TooSlow: it takes longer than `limit_s` seconds.
        Exception: whatever it raises.
    """
    loop, is_async = asyncio.get_running_loop(), inspect.iscoroutinefunction(function)
    slots = nullcontext() if is_async else _SLOTS.setdefault(loop, asyncio.Semaphore(AT_ONCE))
    async with slots:
        try:
            async with asyncio.timeout(limit_s) as limit:
                if is_async:
                    return await function(shown, query)
                return await _in_thread(lambda: function(shown, query), loop)
        except TimeoutError:
            if limit.expired():
                raise TooSlow from None
            raise


def _in_thread(work: Callable[[], object], loop: asyncio.AbstractEventLoop) -> asyncio.Future[object]:
    """What `work` returns, done in a thread that holds up neither the loop nor the end of the process."""
    future: asyncio.Future[object] = loop.create_future()

    def run() -> None:
        result: object = None
        error: Exception | None = None
        try:
            result = work()
        except StopIteration as raised:  # which no future takes
            error = RuntimeError(repr(raised))
        except Exception as raised:
            error = raised
        except BaseException as raised:
            error = RuntimeError(repr(raised))
        with suppress(RuntimeError):  # the loop may have ended meanwhile
            loop.call_soon_threadsafe(_settle, future, result, error)

    threading.Thread(target=run, name="ponder-function", daemon=True).start()
    return future


def _settle(future: asyncio.Future[object], result: object, error: Exception | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
