"""The record: what was written down under a budget, and nothing of another."""

from pathlib import Path

import pytest
from sweeping import sweep_of

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.canonical import canonical_json
from ponder.orchestrator.data.sources import SimulatedData
from ponder.orchestrator.errors import UsageError
from ponder.orchestrator.journal_file import JournalFile
from ponder.orchestrator.types import Query, Usage
from ponder.search.pools.arms import arm_of
from ponder.search.pools.wanted import Wanted
from ponder.search.record import LATEST, Batch, Facts, Latest, Member, Record
from ponder.search.split import split
from ponder.strategies import Sample

SWEEP = sweep_of()
PARTS = split(SimulatedData(size=10).load())
LATEST_OF = Latest.of(SWEEP, PARTS)


def test_a_batch_is_written_the_same_whatever_the_order_of_what_is_missing() -> None:
    batches = [Batch(phase="search", asks=(), missing=frozenset(names)) for names in ("abcdefgh", "hgfedcba")]
    assert canonical_json(batches[0]) == canonical_json(batches[1])
    assert Batch.model_validate_json(canonical_json(batches[0])) == batches[0]


def test_what_is_missing_did_not_come() -> None:
    wanted = [Wanted(arm_of(Sample()), 2, Query.ask(text, id=text), 0) for text in ("a", "b")]
    batch = Batch(phase="search", asks=(), missing=frozenset({wanted[0].id}))
    assert batch.came(wanted) == wanted[1:]


def test_rows_stand_under_the_budget_and_the_queries() -> None:
    others = [
        Latest.of(sweep_of(budget={"total_tokens": 999_999}), PARTS),
        Latest.of(SWEEP, split(SimulatedData(size=11).load())),
    ]
    names = {each.row("facts") for each in (LATEST_OF, *others)}
    assert len(names) == 3
    results = {each.row("facts"): b"%d" % i for i, each in enumerate((LATEST_OF, *others))}
    assert [each.own({**results, "pool": b""}) for each in (LATEST_OF, *others)] == [
        {"facts": b"%d" % i} for i in range(3)
    ]


def test_a_record_holds_its_own_rows_in_order() -> None:
    batches = [Batch(phase="search", asks=(), spent={"calls": number}) for number in range(12)]
    own = {f"batch/{number}": canonical_json(batches[number]) for number in (11, 2, 0, 1, *range(3, 11))}
    own["member/x"] = canonical_json(Member(strategy=Sample()))
    own["facts"] = canonical_json(Facts(compositions=3))
    record = Record.of(SWEEP, PARTS, own, {}, Usage(calls=1))
    assert record.batches == batches
    assert (record.members["x"].strategy, record.facts.compositions) == (Sample(), 3)
    assert (record.verdict, record.is_complete, record.pools) == (None, False, {})


async def written(path: Path, sweep, rows: dict[str, object]) -> None:
    file = JournalFile(path)
    run = file.open_run(sweep.name, sweep.header())
    await file.append([("results", (run, name, canonical_json(value))) for name, value in rows.items()])
    file.close()


async def test_a_sweep_that_has_only_begun_is_read(tmp_path) -> None:
    await written(tmp_path / "s.db", SWEEP, {LATEST: LATEST_OF, LATEST_OF.row("facts"): Facts(compositions=3)})
    record = Record.read(tmp_path / "s.db")
    assert (record.parts, record.facts) == (PARTS, Facts(compositions=3))
    assert (record.sweep.header(), record.sweep.budget) == (SWEEP.header(), SWEEP.budget)
    await written(tmp_path / "t.db", SWEEP, {})
    record = Record.read(tmp_path / "t.db")
    assert (record.sweep.budget, record.facts, list(record.batches)) == (Budget(calls=0), None, [])


async def test_no_sweep_no_record(tmp_path) -> None:
    file = JournalFile(tmp_path / "s.db")
    file.open_run("other", {"no": "sweep"})
    file.close()
    for name in (None, "other"):
        with pytest.raises(UsageError, match=f"must hold the sweep asked for, got {name}; it holds: none"):
            Record.read(tmp_path / "s.db", name)
