"""The sweep: whole, resumed, refused, and its record equal to what its search saw."""

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import tomli_w
from sweeping import REWARD, TABLE, files, page, searched, spent, sweep_of, swept

from ponder.orchestrator.budget import COUNTED
from ponder.orchestrator.engines.simulated_world import simulated_dataset
from ponder.orchestrator.errors import EngineUnavailable, JournalError, UsageError
from ponder.orchestrator.journal import Retries
from ponder.orchestrator.journal_file import ReadOnlyJournal
from ponder.orchestrator.types import Usage
from ponder.search.record import Record
from ponder.search.reports.findings import report
from ponder.search.reports.measured import Measured
from ponder.search.searching import Progress
from ponder.search.sweep import Sweep

FEW = {"options": TABLE["space"]["options"][:1]}
PRICED = {name: {**table, "completion_price": 2.0} for name, table in TABLE["engines"].items()}
TREES = {
    "kind": "rebase",
    "n": {"kind": "choice", "values": [2, 4]},
    "step_tokens": 16,
    "max_steps": 4,
    "verifier": REWARD,
}


def test_a_sweep_measures_chooses_and_confirms(tmp_path) -> None:
    record, progress = swept(sweep_of(), tmp_path / "s.db")
    made = report(record)
    assert record.is_complete
    assert record.facts.compositions == 4 + 10 + 1
    assert (len(record.parts.development), len(record.parts.confirmation)) == (6, 4)
    assert made.levels
    assert made.is_confirmed
    assert {point.method for point in made.points} <= {
        "single",
        "vote",
        "best_of_n",
        "weighted_vote",
        "adaptive_consistency",
    }
    assert all(point.confirmed.items == 4 for point in made.best)
    assert progress.done == progress.tasks > 15
    assert made.ledger.spent["total_tokens"] == record.paid.total_tokens == progress.paid.total_tokens
    assert made.ledger.fresh["total_tokens"] > made.ledger.spent["total_tokens"]
    assert {batch.phase for batch in record.batches} == {"calibration", "search", "confirmation"}


def test_running_again_pays_nothing_and_changes_nothing(tmp_path) -> None:
    first, _ = swept(sweep_of(), tmp_path / "s.db")
    again, progress = swept(sweep_of(), tmp_path / "s.db")
    assert progress.paid == Usage()
    assert page(again) == page(first) == page(Record.read(tmp_path / "s.db"))


async def test_the_record_tells_what_the_search_saw(tmp_path) -> None:
    sweep = sweep_of(
        space={"options": [*TABLE["space"]["options"], TREES]},
        data={"kind": "simulated", "size": 20},
        search={"replicates": 3},
    )
    searching, _ = await searched(sweep, tmp_path / "s.db")
    measured = Measured.of(Record.read(tmp_path / "s.db"))
    seen, problem = searching._evidence, searching._problem
    assert {problem.points[number].id for number in seen.compositions} == {
        id for number, id in enumerate(measured.ids) if number in measured.development
    }
    for number in seen.compositions:
        id = problem.points[number].id
        other = measured.numbers[id]
        assert seen.replicates(number) == measured.evidence.replicates(other)
        assert np.array_equal(seen.replicated(number), measured.evidence.replicated(other), equal_nan=True)
        assert problem.cost(number) == pytest.approx(measured.cost(other, "total_tokens"), rel=1e-12)


@pytest.mark.parametrize("after", [3, 40])
def test_interrupted_it_resumes_to_the_same_report(tmp_path, after) -> None:
    sweep = sweep_of(
        engines={name: {**t, "latency_s": 0.001, "max_in_flight": 8} for name, t in TABLE["engines"].items()}
    )
    whole, _ = swept(sweep, tmp_path / "whole.db")

    def interrupt(progress: Progress) -> None:
        if progress.done >= after:
            raise OSError("interrupted")

    with pytest.raises(OSError, match="interrupted"):
        swept(sweep, tmp_path / "s.db", interrupt)
    part = Record.read(tmp_path / "s.db")
    assert not part.is_complete
    assert report(part).levels == ()
    assert len(page(part)) > 1_000
    resumed, progress = swept(sweep, tmp_path / "s.db")
    assert progress.replayed > 0
    assert files(resumed) == files(whole)


def test_the_report_can_be_read_after_every_batch(tmp_path) -> None:
    path, seen, pages = tmp_path / "s.db", set(), []

    def look(progress: Progress) -> None:
        if progress.batches not in seen:
            seen.add(progress.batches)
            made = report(Record.read(path))
            pages.append((len(made.points), made.is_confirmed))
            assert not made.levels or progress.phase == "confirmation"
            assert all(not level.not_confirmed or "not come to it yet" in level.not_confirmed for level in made.levels)

    record, _ = swept(sweep_of(), path, look)
    assert pages[0] == (0, False)
    assert [points for points, _ in pages] == sorted(points for points, _ in pages)
    assert report(record).is_confirmed


def test_cancelled_at_any_moment_it_resumes_to_the_same_report(tmp_path) -> None:
    sweep = sweep_of(engines={name: {**table, "latency_s": 0.003} for name, table in TABLE["engines"].items()})
    whole = page(swept(sweep, tmp_path / "whole.db")[0])

    async def cut_short(seconds: float) -> None:
        work = asyncio.create_task(searched(sweep, tmp_path / "s.db"))
        await asyncio.sleep(seconds)
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    for seconds in (0.1, 0.15, 0.2, 0.25):
        asyncio.run(cut_short(seconds))
    assert page(swept(sweep, tmp_path / "s.db")[0]) == whole


def test_raising_the_budget_goes_on_and_pays_for_nothing_twice(tmp_path) -> None:
    small, large = sweep_of(budget={"total_tokens": 8_000}), sweep_of(budget={"total_tokens": 60_000})
    part, _ = swept(small, tmp_path / "s.db")
    first = spent(tmp_path / "s.db")
    assert first.total.total_tokens <= 8_000
    assert part.is_complete
    more, progress = swept(large, tmp_path / "s.db")
    assert progress.before.effects == first.effects
    assert progress.replayed > 0
    assert spent(tmp_path / "s.db").total.total_tokens <= 60_000
    assert len(report(more).points) > len(report(part).points)
    with sqlite3.connect(tmp_path / "s.db") as connection:
        tries, keys = connection.execute("SELECT count(*), count(DISTINCT key) FROM intents").fetchone()
    assert tries == keys
    back, progress = swept(small, tmp_path / "s.db")
    assert progress.paid == Usage()
    assert page(back) == page(part), "the report is of the budget that was last asked for"
    assert page(swept(large, tmp_path / "s.db")[0]) == page(more)


@pytest.mark.parametrize(("share", "phase"), [(0.02, "calibration"), (0.3, "search"), (0.93, "confirmation")])
def test_a_budget_that_ends_anywhere_is_kept_and_told(tmp_path, share, phase) -> None:
    knobs = {"levels": [100, 200, 400, 800], "search": {"replicates": 1}}
    whole, _ = swept(sweep_of(**knobs), tmp_path / "whole.db")
    limit = int(whole.paid.total_tokens * share)
    record, _ = swept(sweep_of(budget={"total_tokens": limit}, **knobs), tmp_path / "s.db")
    made = report(record)
    assert spent(tmp_path / "s.db").total.total_tokens <= limit
    assert record.is_complete
    assert len(page(record)) > 1_000
    if phase == "calibration":
        assert record.batches[0].missing
        assert not made.is_confirmed
    for level in made.levels:
        assert (made.point(level.chosen).confirmed is None) == (
            level.not_confirmed == "the budget ended before it could be"
        )
    for point in made.points:
        assert point.confirmed is None or point.confirmed.items == 4, "what is confirmed is so on every query"


def test_a_deadline_ends_the_search_in_time_to_confirm(tmp_path) -> None:
    engines = {name: {**table, "latency_s": 0.02, "max_in_flight": 4} for name, table in TABLE["engines"].items()}
    sweep = sweep_of(engines=engines, budget={"total_tokens": 10_000_000, "seconds": 3})
    record, _ = swept(sweep, tmp_path / "s.db")
    searched_s = [batch.seconds for batch in record.batches if batch.phase != "confirmation"]
    assert searched_s == sorted(searched_s)
    assert record.batches[-1].phase == "confirmation"
    assert record.batches[-1].seconds < 3.5
    assert any(point.confirmed for point in report(record).points)
    again, progress = swept(sweep, tmp_path / "s.db")
    assert (page(again), progress.paid) == (page(record), Usage())


def test_a_budget_too_small_for_one_query_is_refused_before_a_call(tmp_path) -> None:
    with pytest.raises(
        UsageError, match=r"must pay for one query of the cheapest composition, .* 9 total_tokens; raise"
    ):
        swept(sweep_of(budget={"total_tokens": 9}), tmp_path / "s.db")
    assert spent(tmp_path / "s.db").total == Usage()


def test_another_sweep_of_the_same_name_is_refused(tmp_path) -> None:
    swept(sweep_of(space=FEW), tmp_path / "s.db")
    with pytest.raises(JournalError, match=r"run 'small' .* must be resumed as it was started, but seed changed; give"):
        swept(sweep_of(space=FEW, seed=1), tmp_path / "s.db")
    other = {"data": {"kind": "simulated", "size": 7}, "engines": {**TABLE["engines"], "more": {"kind": "simulated"}}}
    with pytest.raises(JournalError, match="but data, engines changed"):
        swept(sweep_of(space=FEW, **other), tmp_path / "s.db")


def test_two_sweeps_in_one_journal_share_their_draws(tmp_path) -> None:
    first, _ = swept(sweep_of(space=FEW), tmp_path / "s.db")
    second, progress = swept(sweep_of(space=FEW, name="again"), tmp_path / "s.db")
    assert progress.paid == Usage()
    assert second.paid == Usage()
    assert [point.accuracy for point in report(second).points] == [point.accuracy for point in report(first).points]
    assert report(second).levels == report(first).levels
    with pytest.raises(UsageError, match="must hold the sweep asked for, got None; it holds: small, again"):
        Record.read(tmp_path / "s.db")
    assert page(Record.read(tmp_path / "s.db", "small")) == page(first)


def data_of(path: Path, *answers: str) -> dict[str, object]:
    rows = [
        {"id": query.id, "prompt": query.messages[0].content, "answer": answer}
        for query, answer in zip(simulated_dataset(len(answers), first=3), answers, strict=True)
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    return {"kind": "file", "path": str(path)}


def test_data_that_changed_is_searched_anew_and_draws_are_kept(tmp_path) -> None:
    right = [query.reference for query in simulated_dataset(4, first=3)]
    data = data_of(tmp_path / "data.jsonl", *["wrong"] * 4)
    spoiled, _ = swept(sweep_of(data=data, space=FEW), tmp_path / "s.db")
    assert all(point.accuracy == 0 for point in report(spoiled).points)
    data_of(tmp_path / "data.jsonl", *right)
    with pytest.raises(UsageError, match="must be those that sweep 'small' last ran on, but the data changed since"):
        Record.read(tmp_path / "s.db")
    mended, _ = swept(sweep_of(data=data, space=FEW), tmp_path / "s.db")
    assert any(point.accuracy > 0 for point in report(mended).points)
    with closing(ReadOnlyJournal(tmp_path / "s.db")) as reader:
        assert reader.spent("small").lost == Usage()
    data_of(tmp_path / "data.jsonl", *["wrong"] * 4)
    assert page(swept(sweep_of(data=data, space=FEW), tmp_path / "s.db")[0]) == page(spoiled)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"checker": {"kind": "process_reward"}}, "must judge by rules, but 'process_reward' asks"),
        ({"engines": {}}, "asks 'generator'; add"),
        ({"space": {"options": [{"kind": "vote"}]}}, "nothing before it draws any"),
        ({"data": {"kind": "file", "path": "/nowhere.jsonl"}}, "must be readable at /nowhere.jsonl"),
        ({"data": {"kind": "simulated", "size": 1}}, "must have 2 different queries at least"),
        ({"budget": {}}, "budget must limit what a search may spend"),
        ({"budget": {"seconds": 9}}, "budget must limit what a search may spend"),
        ({"levels": [2, 1]}, "levels must rise"),
        ({"levels": [1]}, "levels must leave room for a composition"),
        ({"by": "cost_usd"}, "must cost something in what levels are in"),
        ({"engines": PRICED, "budget": {"cost_usd": 1e-9}}, "takes 2e-06 US dollars at least, got 1e-09"),
    ],
)  # fmt: skip
def test_a_sweep_that_cannot_work_is_refused(tmp_path, changes, problem) -> None:
    with pytest.raises((UsageError, ValueError), match=problem):
        swept(sweep_of(**changes), tmp_path / "s.db")


def test_an_engine_that_stays_away_stops_the_sweep_and_everything_else_is_recorded(tmp_path) -> None:
    away = {**TABLE["engines"], "reward": {"kind": "simulated", "reward_noise": 1.0, "faults": {"unavailable": 1.0}}}
    path, whole = tmp_path / "s.db", page(swept(sweep_of(search={"replicates": 1}), tmp_path / "whole.db")[0])
    cut = sweep_of(engines=away, search={"replicates": 1})
    with pytest.raises(EngineUnavailable, match="everything else is recorded; see to the engine, then run the same"):
        asyncio.run(asyncio.wait_for(searched(cut, path, retries=Retries(0)), 60))
    assert Record.read(path).pools
    paid = spent(path).effects
    assert paid.calls > 0
    with sqlite3.connect(path) as connection:  # the engine is back: nothing else tells a fault from its absence
        header = json.dumps(sweep_of(search={"replicates": 1}).header(), sort_keys=True, separators=(",", ":"))
        connection.execute("UPDATE runs SET header = ?", (header,))
    resumed, progress = swept(sweep_of(search={"replicates": 1}), path)
    assert page(resumed) == whole
    assert progress.before.effects == paid


@pytest.mark.parametrize("dimension", [name for name in COUNTED if name not in ("nfe", "compute_seconds")])
def test_levels_and_budget_may_be_in_any_dimension(tmp_path, dimension) -> None:
    engines = {name: {**t, "prompt_price": 1.0, "completion_price": 2.0} for name, t in TABLE["engines"].items()}
    limit = {"flops": 2e11, "cost_usd": 0.2, "calls": 600, "verifier_calls": 200}.get(dimension, 60_000)
    by = "calls" if dimension == "verifier_calls" else dimension
    record, _ = swept(
        sweep_of(engines=engines, budget={dimension: limit}, by=by, search={"replicates": 1}), tmp_path / "s.db"
    )
    made, total = report(record), spent(tmp_path / "s.db").total
    assert record.sweep.budget.fits(total)
    assert total.as_dict()
    assert made.is_confirmed
    assert all(made.point(level.chosen).cost_in(by) <= level.limit * 1.05 for level in made.levels)


def test_models_are_tried_in_each_role(tmp_path) -> None:
    engines = {**TABLE["engines"], "other": {"kind": "simulated", "world": {"seed": 5}}}
    option = {**TABLE["space"]["options"][0], "engine": {"kind": "choice", "values": ["generator", "other"]}}
    record, _ = swept(
        sweep_of(engines=engines, space={"options": [option]}, search={"replicates": 1}), tmp_path / "s.db"
    )
    assert {member.strategy.engine for member in record.members.values()} == {"generator", "other"}
    again = page(record)
    assert (
        page(
            swept(sweep_of(engines=engines, space={"options": [option]}, search={"replicates": 1}), tmp_path / "t.db")[
                0
            ]
        )
        == again
    )


def test_a_sweep_is_loaded_from_its_file(tmp_path) -> None:
    (path := tmp_path / "mine.toml").write_text(tomli_w.dumps({k: v for k, v in TABLE.items() if k != "name"}))
    assert Sweep.load(path) == sweep_of(name="mine")
    path.write_text(path.read_text() + "\n[colour]\n")
    with pytest.raises(UsageError, match=r"the sweep in .*mine\.toml is not valid: colour: Extra inputs"):
        Sweep.load(path)
