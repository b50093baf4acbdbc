"""What the contexts of one run share: its engines, its ledgers, its journal, and how it stands."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

from .budget import Ledger, Reservation
from .denoising import Seen
from .engine import Engine, Watch
from .errors import BudgetExceeded, EngineUnavailable, VerifierError
from .journal import Journal
from .types import Score, Stopped, Usage


@dataclass(frozen=True, slots=True)
class Written:
    """Something that a strategy has just come to know, for whoever watches the run: the text that a worker wrote.

    Args:
        path: structural, of the node that tells.
        worker: its number.
        name: as it is shown.
        text: what is new.
        kind: ``said`` was put there, ``drawn`` came from the model, ``committed`` ends a step, ``left`` ends the
            worker, with the reason as its text; ``answer`` is the answer of all, empty where there is none.
        tokens: how many the text was drawn as; 0 where that is not known.
        spent: what the run has spent so far.
        unseen: of words that open a step drawn from the common text, tokens that the others had drawn by then and it
            does not see.
    """

    path: str
    worker: int
    name: str
    text: str
    kind: Literal["said", "drawn", "committed", "left", "answer"]
    tokens: int = 0
    spent: Usage = Usage()
    unseen: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """Something that a run asks for next.

    Args:
        path: structural, of the node that asks.
        strategy: what the node is.
        draws: how many completions, or latents to denoise.
    """

    path: str
    strategy: str
    draws: int


@dataclass(frozen=True, slots=True)
class Watcher:
    """Whoever watches a run, told on its event loop as it goes; what is drawn never depends on it.

    Args:
        began: told of the run itself, before anything is drawn.
        stepped: told of each step.
        wrote: told what workers write, also where it is found in the journal.
        answered: told of the answer's text as it is drawn, where what ends the run draws just one and passes it on, and
            its engine streams.
    """

    began: Callable[[Run], None] | None = None
    stepped: Callable[[Step], None] | None = None
    wrote: Callable[[Written], None] | None = None
    answered: Watch | None = None


@dataclass(slots=True)
class Run:
    """What the contexts of one run share: one strategy over one query.

    `is_starved` tells that the account, not the ledger, ended the run: with more in it, the run would go on.
    `is_cut` tells that work was lost for a reason that may pass: run again, it may go better. `reason` holds no figure
    that depends on when it was noted. `kept` is room set aside for judgements, by the places of what will be judged;
    some share one. `read` is what is judged, or denoised, and paid for already. `looked` holds what was told of images.
    `told` counts what each verifier said, by its reason where it could not tell.

    Args:
        task: names the run among those of its journal.
        engines: by their name in the pipeline.
        gates: limits what is in flight on each engine.
        ledger: charged for every effect, found or new: what the answer costs to make afresh. An effect that failed is
            charged its bound once, or nothing where every attempt was free.
        account: pays for the effects that the journal does not hold yet, retries included.
        journal: finds or makes effects.
        seed: chooses the draws; `replicate` chooses an independent set of them.
        watcher: who is told how it goes.
        prompt_tokens: of the query's prompt on each engine, where they are known.
    """

    task: str
    engines: Mapping[str, Engine]
    gates: Mapping[str, AbstractAsyncContextManager[object]]
    ledger: Ledger
    account: Ledger
    journal: Journal
    seed: int = 0
    replicate: int = 0
    watcher: Watcher = Watcher()
    prompt_tokens: Mapping[str, int] = field(default_factory=dict)
    stopped: Stopped = "done"
    reason: str = ""
    failures: int = 0
    is_starved: bool = False
    is_cut: bool = False
    kept: dict[tuple[str, int], Reservation] = field(default_factory=dict)
    read: set[bytes] = field(default_factory=set)
    looked: dict[bytes, Seen] = field(default_factory=dict)
    told: dict[str, Counter[str | None]] = field(default_factory=dict)

    def stop(self, error: BudgetExceeded) -> None:
        """Note that the budget or the deadline ends this run."""
        if self.stopped != "done":
            return
        name, wanted = error.dimension, error.wanted
        self.stopped = "deadline" if name == "seconds" else "budget"
        ended = (
            f"the deadline of {round(wanted, 2) or wanted:.15g} came"
            if name == "seconds"
            else f"the next call may need {wanted:.15g}, more than is left"
        )
        self.reason = f"{name}: {ended}; raise the budget's {name}"

    def seconds_left(self) -> float | None:
        """Seconds to the earlier of the deadlines of ledger and account; None without one."""
        left = [seconds for each in (self.ledger, self.account) if (seconds := each.seconds_left()) is not None]
        return min(left, default=None)

    @asynccontextmanager
    async def in_time(self) -> AsyncIterator[None]:
        """A block that ends at the deadline at the latest.

        Raises:
            BudgetExceeded: the deadline came first; noted already.
        """
        try:
            async with asyncio.timeout(self.seconds_left()) as limit:
                yield
        except TimeoutError:
            if not limit.expired():
                raise
            self.end_in_time()
            raise BudgetExceeded("seconds", 0.0, 0.0) from None

    def end_in_time(self) -> None:
        """Note that a deadline ends this run, and whose it is."""
        mine, account = self.ledger.seconds_left(), self.account.seconds_left()
        self.is_starved = self.is_starved or (account is not None and (mine is None or account < mine))
        limits = [seconds for each in (self.ledger, self.account) if (seconds := each.budget.seconds) is not None]
        self.stop(BudgetExceeded("seconds", min(limits), 0.0))

    def fail(self, error: Exception) -> None:
        """Note that one part of the work was lost."""
        self.is_cut = self.is_cut or isinstance(error, EngineUnavailable)
        self.failures += 1
        if self.stopped == "done":
            self.reason = min(self.reason or str(error), str(error))

    def tell(self, verifier: str, scores: Sequence[Score]) -> None:
        """Count what a verifier said."""
        reasons = (None if score.value is not None else score.detail or "it gave no reason" for score in scores)
        self.told.setdefault(verifier, Counter()).update(reasons)

    def check_told(self) -> None:
        """Note each verifier that was asked and told nothing, in a run that came to its end."""
        for verifier, reasons in self.told.items():
            if self.stopped == "done" and reasons and None not in reasons:
                [(reason, _)] = sorted(reasons.items(), key=lambda said: (-said[1], str(said[0])))[:1]
                self.fail(VerifierError(f"{verifier} judged none of {reasons.total()} candidates: {reason}"))

    def release_kept(self) -> None:
        """Give back what was kept for judgements that never came."""
        for reservation in self.kept.values():
            reservation.release()
        self.kept.clear()
