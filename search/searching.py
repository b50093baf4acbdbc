"""A sweep under way: it is calibrated, searched and confirmed, and every step is written down.

Nothing is decided on what a journal cannot give back: batches are decided one after the other, each on the results and
the spending at the end of those before it, which are written down with it. A sweep that was killed decides the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence, Set
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ..orchestrator.budget import Budget
from ..orchestrator.canonical import canonical_json
from ..orchestrator.errors import JournalError
from ..orchestrator.journal import Journal
from ..orchestrator.journal_file import ReadOnlyJournal, Spent
from ..orchestrator.runtime import Host
from ..orchestrator.types import Usage
from .affordable import check_affordable
from .catalogue import Planner, catalogue, check_judged
from .confirmation import largest_search, to_confirm
from .decisions.evidence import Evidence
from .leaders import Leader, leaders
from .live_problem import LiveProblem, even_levels, raised, tenable
from .measurer import Measurer
from .policies import Policies, Routed
from .pools.holdings import Holdings
from .pools.judge import Judge
from .pools.wanted import Wanted
from .problem import Ask, Choice, Decision, Row
from .proposers import proposers_of
from .record import LATEST, Batch, Chosen, Facts, Latest, Member, Phase, Verdict, pools_of
from .reports.prospects import prospects
from .split import Split
from .sweep import Sweep

CALIBRATION_ITEMS = 15
MOST_FOR_BASELINE = 0.25
"""The share of the search's budget that a baseline may cost which it does not ask for."""
CERTAIN = 0.98
"""The share of the budget that is planned with; the rest is for calls that are lost."""


@dataclass(slots=True)
class Progress:
    """How far a sweep is; handed to the observer after each task and each batch."""

    phase: Phase = "calibration"
    compositions: int = 0
    measured: int = 0
    batches: int = 0
    tasks: int = 0
    done: int = 0
    replayed: int = 0
    paid: Usage = Usage()
    budget: Budget = Budget()
    before: Spent = Spent()
    share: float = 0.0
    leaders: tuple[Leader, ...] = ()
    by: str = "total_tokens"

    @property
    def spent(self) -> Usage:
        """What the budget has paid, before and in this run."""
        return self.before.total + self.paid


Observer = Callable[[Progress], None]
Named = tuple[str, tuple[int, ...], int]


class Searching:
    """A sweep under way.

    Args:
        sweep: what is searched.
        parts: its queries.
        host: where tasks run.
        journal: where every step is written down.
        results: what was written before, by name.
        path: the journal's file.
        progress: told to `observe` as it changes.
    """

    def __init__(
        self,
        sweep: Sweep,
        parts: Split,
        host: Host,
        journal: Journal,
        *,
        results: Mapping[str, bytes],
        path: Path,
        progress: Progress,
        observe: Observer,
    ) -> None:
        self._sweep, self._parts, self._host, self._journal = sweep, parts, host, journal
        self._latest = Latest.of(sweep, parts)
        self._results, self._path = self._latest.own(results), path
        self._progress, self._observe = progress, observe
        self._spent = progress.before
        self._batches = 0
        self._members: set[int] = set()
        self._measurer = Measurer(
            host,
            journal,
            Judge(sweep.checker),
            pools_of(results),
            seed=sweep.seed,
            limits=sweep.per_query,
            budget=sweep.budget,
            spent=progress.before.total,
            on_done=self._note,
        )

    async def run(self) -> None:
        """Everything that is left to do."""
        sweep = self._sweep
        planner = await Planner.of(self._host.engines, (*self._parts.development, *self._parts.confirmation))
        self._catalogue = catalogue(sweep.space, planner, sweep.per_query, sweep.seed)
        self._strategies = self._catalogue.strategies
        self._progress.compositions = len(self._strategies)
        allowance = self._allowance = tenable(sweep.budget, self._for_search)
        items = len(self._parts.development)
        self._problem = LiveProblem(sweep.space, self._catalogue, sweep.by, items, allowance)
        self._proposers = proposers_of(sweep, self._problem)
        self._development = Holdings(self._strategies, self._parts.development, self._measurer.pools)
        self._evidence = Evidence(items)
        check_judged(self._catalogue, sweep.checker)
        check_affordable(sweep, self._catalogue)
        await self._journal.finish(LATEST, canonical_json(self._latest))
        with closing(ReadOnlyJournal(self._path)) as self._reader:
            await self._write("start", self._spent.effects.as_dict())
            await self._calibrate()
            await self._draw_baseline()
            await self._confirm(await self._route(await self._decide()))
        await self._write("complete", True)

    async def _calibrate(self) -> None:
        """Measure the cheapest composition on a few queries, so that costs are known before anything is decided."""
        first = tuple(range(min(CALIBRATION_ITEMS, self._problem.items)))
        await self._measure("calibration", [Ask(self._problem.cheapest(), first)])
        self._problem.levels = self._sweep.levels or even_levels(self._problem)
        facts = Facts(
            compositions=len(self._strategies),
            is_sampled=self._catalogue.is_sampled,
            levels=self._problem.levels,
            refused=dict(self._catalogue.refused),
        )
        await self._write("facts", facts)

    async def _draw_baseline(self) -> None:
        """Have the largest random search for images that fits the highest level, where it is not too dear.

        A search spends little on what looks bad: without its pool, choices would be held against a cheaper baseline.
        """
        problem = self._problem
        costs = [problem.cost(number) for number in range(problem.size)]
        number = largest_search(self._strategies, costs, problem.levels[-1])
        asks = [] if number is None else [Ask(number, tuple(range(problem.items)))]
        if asks and problem.price(asks) <= MOST_FOR_BASELINE:
            await self._measure("search", asks)

    async def _decide(self) -> Decision:
        """Let the searcher ask until it has chosen."""
        search = self._sweep.search.search(self._problem, self._sweep.seed, self._proposers)
        rows: list[Row] | None = None
        while True:
            try:
                asks = next(search) if rows is None else search.send(rows)
            except StopIteration as end:
                decision: Decision = end.value
                return decision
            rows = await self._measure("search", asks)

    async def _route(self, decision: Decision) -> Routed:
        """Put a policy by difficulty in the place of each choice on which one gains, and write down the verdict."""
        problem, evidence, columns = self._problem, self._evidence, self._sweep.space.columns
        outlook = prospects(problem, evidence, decision, self._strategies, columns)
        verdict = Verdict(reason=decision.reason, outlook=outlook, compositions=problem.size)
        policies = Policies(problem, evidence, self._development, partial(self._measure, "search"))
        routed = await policies.routed(decision)
        found = {"chosen": tuple(map(self._chosen, routed.decision.choices)), "routings": routed.routings}
        await self._write("verdict", verdict.model_copy(update=found))
        return routed

    async def _confirm(self, routed: Routed) -> None:
        """Measure the chosen and the baselines on the queries that were held back, the most important first."""
        items = tuple(range(len(self._parts.confirmation)))
        holdings = Holdings(self._strategies, self._parts.confirmation, self._measurer.pools)
        prices = self._problem.elsewhere(len(items))
        costs = [self._problem.cost(number) for number in range(self._problem.size)]
        choices = (*routed.decision.choices, *routed.replaced)
        left = [Ask(number, items) for number in to_confirm(choices, self._evidence, self._strategies, costs)]
        while affordable := self._affordable(left, prices):
            await self._measure("confirmation", affordable, holdings)
            left = [ask for ask in left if ask not in affordable]

    def _affordable(self, asks: Sequence[Ask], prices: LiveProblem) -> list[Ask]:
        """Those of `asks`, the first first, that what is left will pay for, as far as is known."""
        kept: list[Ask] = []
        room = CERTAIN / self._for_search - self._problem.spent
        for ask in asks:
            if (price := prices.price([ask])) <= room:
                room -= price
                prices.hold(ask)
                kept.append(ask)
        return kept

    @property
    def _for_search(self) -> float:
        """The share of the budget that may be spent before confirmation."""
        return 1 - self._sweep.confirmation / 2

    async def _measure(self, phase: Phase, asks: Sequence[Ask], holdings: Holdings | None = None) -> list[Row]:
        """Have a batch measured, or take it from the record; the rows that a search learns from."""
        place = f"batch/{self._batches}"
        self._batches += 1
        here = holdings or self._development
        wanted = here.wanted(asks)
        self._tell(phase, wanted)
        named = [(self._catalogue.points[ask.composition].id, ask.items, ask.replicate) for ask in asks]
        recorded = self._results.get(place)
        if recorded is None:
            batch = await self._spend(phase, tuple(named), wanted)
            await self._write(place, batch)
        else:
            batch = Batch.model_validate_json(recorded)
            self._measurer.had_taken(batch.seconds)
            if batch.asks != tuple(named):
                raise JournalError(
                    f"a search must ask again what it asked when it was recorded, but batch {self._batches} differs; "
                    "it was searched with another version: give the sweep another name or another journal"
                )
        self._problem.settle(Usage(**batch.spent), batch.seconds)
        told = here.told(asks, batch.came(wanted))
        await self._introduce({ask.composition for ask in asks} | {one.composition for one in told})
        if holdings is not None:
            return []
        rows = self._problem.take(told)
        self._evidence.add(rows)
        self._progress.compositions = self._problem.size
        self._progress.measured = len(self._evidence.compositions)
        self._progress.share = self._problem.spent
        self._progress.leaders = leaders(self._problem, self._evidence, self._strategies)
        self._observe(self._progress)
        return rows

    async def _spend(self, phase: Phase, named: tuple[Named, ...], wanted: Sequence[Wanted]) -> Batch:
        """Have what is wanted, and say what came and what all effects of the sweep have cost then."""
        await self._measurer.measure(wanted, self._limits(phase))
        self._spent = self._reader.spent(self._sweep.name)
        self._measurer.spent = self._spent.total
        return Batch(
            phase=phase,
            asks=named,
            missing=frozenset(one.id for one in wanted if one.id not in self._measurer.pools),
            spent=self._spent.effects.as_dict(),
            seconds=self._measurer.seconds,
        )

    def _limits(self, phase: Phase) -> Budget:
        """What may be gone by the end of a batch: before confirmation not what is kept for it, whatever was lost."""
        if phase == "confirmation":
            return self._sweep.budget
        return raised(self._allowance, self._spent.total - self._spent.effects).at_most(self._sweep.budget)

    async def _introduce(self, compositions: Set[int]) -> None:
        """Write down each composition that was asked for, or of which anything is known."""
        new = sorted(compositions - self._members)
        self._members |= compositions
        await asyncio.gather(*(self._write(f"member/{self._catalogue.points[n].id}", self._member(n)) for n in new))

    def _member(self, number: int) -> Member:
        point = self._catalogue.points[number]
        path = self._catalogue.critical_paths[number]
        return Member(strategy=point.strategy, choices=dict(point.choices), critical_path=path)

    async def _write(self, what: str, value: Any) -> None:
        if what not in self._results:
            await self._journal.finish(self._latest.row(what), canonical_json(value))

    def _chosen(self, choice: Choice) -> Chosen:
        def id_of(number: int) -> str:
            return self._catalogue.points[number].id

        tied = tuple(map(id_of, choice.tied))
        composition = id_of(choice.composition)
        return Chosen(level=choice.level, composition=composition, estimate=choice.estimate, tied=tied)

    def _tell(self, phase: Phase, wanted: Sequence[Wanted]) -> None:
        """Tell of the tasks that are to come."""
        now = self._progress
        now.phase, now.batches = phase, self._batches
        known = sum(one.id in self._measurer.pools for one in wanted)
        now.tasks += len(wanted)
        now.done += known
        now.replayed += known
        self._observe(now)

    def _note(self, paid: Usage) -> None:
        self._progress.paid += paid
        self._progress.done += 1
        self._observe(self._progress)
