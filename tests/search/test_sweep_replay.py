"""What one pool of draws tells is never drawn twice: every N, what stops as it goes, wider trees, on a cluster too."""

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from sweeping import TABLE, sweep_of

from ponder.orchestrator.budget import COUNTED, Budget
from ponder.orchestrator.journal import Journal
from ponder.orchestrator.journal_file import JournalFile
from ponder.orchestrator.runtime import Runtime, Task
from ponder.orchestrator.types import Usage
from ponder.search.measurer import ORDERS, Measurer
from ponder.search.pools.holdings import Holdings, Told
from ponder.search.pools.judge import Judge
from ponder.search.problem import Ask
from ponder.strategies import (
    AdaptiveConsistency,
    BeamSearch,
    BestOfN,
    EarlyStoppingSelfConsistency,
    FirstAccepted,
    Sample,
    SelfConsistency,
)
from ponder.strategies.nesting import AnyStrategy
from ponder.verifiers import ExactMatch, ProcessReward

CALLS = COUNTED.index("calls")
SWEEP = sweep_of()
QUERIES = SWEEP.data.load()
DRAWING = {"max_tokens": 48}


class Lab:
    """A host with a journal, on which compositions are measured as a sweep measures them."""

    def __init__(self, host, store, run: int, strategies: list[AnyStrategy], paid) -> None:
        self.paid = paid
        self.host = host
        self.measurer = Measurer(
            host,
            Journal(store, run),
            Judge(ExactMatch()),
            {},
            seed=0,
            limits=Budget(),
            budget=Budget(calls=100_000),
            spent=Usage(),
            on_done=lambda paid: None,
        )
        self.holdings = Holdings(strategies, QUERIES, self.measurer.pools)

    async def ask(self, *asks: Ask) -> tuple[dict[int, Told], Usage]:
        """What is told of each composition, and what was newly paid for it."""
        before, wanted = self.paid(), self.holdings.wanted(asks)
        await self.measurer.measure(wanted, Budget())
        told = self.holdings.told(asks, [one for one in wanted if one.id in self.measurer.pools])
        return {one.composition: one for one in told}, self.paid() - before


class LocalLab(Lab):
    """The same in this process."""

    def __init__(self, path: Path, strategies: list[AnyStrategy], **engine: object) -> None:
        self.file = JournalFile(path)
        run = self.file.open_run("lab", {})
        engines = {name: {**table, **engine} for name, table in TABLE["engines"].items()}
        host = Runtime(sweep_of(engines=engines).engines, store=self.file, run=run)
        super().__init__(host, self.file, run, strategies, lambda: self.file.spent(run).total)

    def close(self) -> None:
        self.file.close()


def everything(composition: int, count: int = len(QUERIES)) -> Ask:
    return Ask(composition, tuple(range(count)))


async def test_every_n_of_every_way_to_choose_costs_one_pool_of_64(tmp_path) -> None:
    votes = [SelfConsistency(n=n, **DRAWING) for n in range(2, 65)]
    bests = [
        BestOfN(n=n, verifier=ProcessReward(), weighted=weighted, **DRAWING)
        for n in range(2, 65)
        for weighted in (False, True)
    ]
    strategies = [Sample(**DRAWING), *votes, *bests]
    with closing(LocalLab(tmp_path / "j.db", strategies)) as lab:
        told, paid = await lab.ask(everything(63, 3))
        assert strategies[63].n == 64
        assert paid.calls == 64 * 3
        assert sorted(told) == list(range(64))
        told, paid = await lab.ask(everything(len(strategies) - 1, 3))
        assert paid.calls == 0
        assert set(range(65, len(strategies), 2)) <= set(told)
        assert 0 < paid.verifier_calls <= 64 * 3
        for number in range(len(strategies)):
            _, paid = await lab.ask(everything(number, 3))
            assert paid == Usage()
        for number in (0, 7, 63):
            told, _ = await lab.ask(everything(number, 3))
            n = number + 1
            assert all(outcome.cost[CALLS] == n for outcome in told[number].outcomes)


STOPPING = [
    AdaptiveConsistency(n=16, threshold=0.8, **DRAWING),
    EarlyStoppingSelfConsistency(n=16, window=4, **DRAWING),
    FirstAccepted(n=16, verifier=ProcessReward(), threshold=0.5, **DRAWING),
]


@pytest.mark.parametrize("stopping", STOPPING, ids=lambda strategy: strategy.kind)
async def test_what_stops_as_it_goes_is_replayed_for_nothing(tmp_path, stopping) -> None:
    strategies = [BestOfN(n=16, verifier=ProcessReward(), weighted=True, **DRAWING), stopping]
    with closing(LocalLab(tmp_path / "j.db", strategies)) as lab:
        _, paid = await lab.ask(everything(0))
        assert paid.calls == 16 * len(QUERIES)
        told, paid = await lab.ask(everything(1))
        assert paid == Usage()
        outcomes = told[1].outcomes
        by_query = {pool.query_id: pool for one, pool in lab.measurer.pools.items() if "/replayed-16/" in one}
        pools = [by_query[query.id] for query in QUERIES]
        assert [len(pool) for pool in pools] == [ORDERS] * len(QUERIES)
        assert min(outcome.cost[CALLS] for outcome in outcomes) < 16
        fresh = [await lab.host.execute(Task(id=f"f{q.id}", strategy=stopping, query=q), Budget()) for q in QUERIES]
        first = [pool.draws[0] for pool in pools]
        assert [draw.generation for draw in first] == [done.result.usage for done in fresh]
        assert [draw.correct for draw in first] == [
            float(done.result.best.text.split()[-1] == query.reference)
            for done, query in zip(fresh, QUERIES, strict=True)
        ]
        assert lab.paid().calls == 16 * len(QUERIES)
        for pool, outcome in zip(pools, outcomes, strict=True):
            assert outcome.value == pytest.approx(np.mean([draw.correct for draw in pool.draws]))
            assert outcome.cost[CALLS] == np.mean([draw.generation.calls for draw in pool.draws])


async def test_replayed_with_its_pool_it_is_as_if_after_it(tmp_path) -> None:
    strategies = [SelfConsistency(n=16, **DRAWING), STOPPING[0]]
    found = []
    for i, together in enumerate((True, False)):
        with closing(LocalLab(tmp_path / f"{i}.db", strategies)) as lab:
            if together:
                told, paid = await lab.ask(everything(1), everything(0))
                assert paid.calls == 16 * len(QUERIES)
            else:
                await lab.ask(everything(0))
                told, _ = await lab.ask(everything(1))
            found.append([(outcome.value, *outcome.cost) for outcome in told[1].outcomes])
    assert found[0] == found[1]


async def test_where_a_draw_was_lost_it_runs_instead(tmp_path) -> None:
    strategies = [SelfConsistency(n=16, **DRAWING), STOPPING[0]]
    with closing(LocalLab(tmp_path / "j.db", strategies, faults={"refused": 0.02})) as lab:
        told, _ = await lab.ask(everything(0))
        lost = [outcome.failed for outcome in told[0].outcomes]
        assert 0 < sum(lost) < 16
        told, _ = await lab.ask(everything(1))
        assert told[1].items == tuple(range(len(QUERIES)))
        sizes = [len(pool) for name, pool in lab.measurer.pools.items() if "/replayed-16/" in name]
        assert sorted(sizes) == sorted(1 if count else ORDERS for count in lost)


async def test_a_wider_tree_pays_for_new_nodes_alone(tmp_path) -> None:
    shared = {"step_tokens": 16, "max_steps": 4, "verifier": ProcessReward(), "beam_width": 2}
    trees = [BeamSearch(n=n, **shared) for n in (2, 4)]
    with closing(LocalLab(tmp_path / "j.db", trees)) as lab, closing(LocalLab(tmp_path / "k.db", trees)) as other:
        await lab.ask(everything(0))
        told, paid = await lab.ask(everything(1))
        _, alone = await other.ask(everything(1))
        fresh = sum(outcome.cost[CALLS] for outcome in told[1].outcomes)
        assert alone.calls == fresh, "its cost is that of a fresh run"
        assert 0 < paid.calls <= fresh - 2 * len(QUERIES), "the first level at least is shared"


@pytest.mark.timeout(120)
async def test_on_a_cluster_it_is_replayed_through_its_store(tmp_path) -> None:
    import ray

    from ponder.orchestrator.cluster import Cluster
    from ponder.orchestrator.journal_file import ReadOnlyJournal

    ray.init(include_dashboard=False, num_cpus=2, object_store_memory=200_000_000, log_to_driver=False)
    path, strategies = (
        tmp_path / "r.db",
        [BestOfN(n=16, verifier=ProcessReward(), **DRAWING), *STOPPING[:1], STOPPING[2]],
    )
    try:
        with closing(JournalFile(path)) as file:
            run = file.open_run("lab", {})
        with closing(LocalLab(tmp_path / "l.db", strategies)) as lab:
            here = [(await lab.ask(everything(number)))[0][number] for number in range(3)]
        async with Cluster(SWEEP.engines, journal=path, run=run) as cluster:
            with closing(ReadOnlyJournal(path)) as reader:
                there = Lab(cluster, cluster.store, run, strategies, lambda: reader.spent("lab").total)
                for number, paid_calls in ((0, 160), (1, 0), (2, 0)):
                    told, paid = await there.ask(everything(number))
                    assert paid.calls == paid_calls
                    assert [(o.value, *o.cost) for o in told[number].outcomes] == [
                        (o.value, *o.cost) for o in here[number].outcomes
                    ]
    finally:
        ray.shutdown()
