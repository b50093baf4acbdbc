"""One call: a pipeline on a question."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.canonical import canonical_json
from ponder.orchestrator.engines.simulated import SimulatedSpec
from ponder.orchestrator.errors import BudgetExceeded, ShapeError, UsageError
from ponder.orchestrator.journal_file import JournalFile, ReadOnlyJournal, Spent
from ponder.orchestrator.pipeline import Pipeline
from ponder.orchestrator.run import arun, run
from ponder.orchestrator.types import Query
from ponder.strategies import BestOfN, Rank, Sample, SelfConsistency
from ponder.verifiers import ExactMatch, ProcessReward, WeightedEnsemble

ENGINES = {"generator": SimulatedSpec()}
VOTE = SelfConsistency(n=4)


def test_a_strategy_runs_on_its_engines() -> None:
    result = run(VOTE, "Problem 3?", engines=ENGINES)
    assert (len(result.candidates), result.stopped) == (4, "done")
    assert run(VOTE, "Problem 3?", engines=ENGINES) == result
    assert run(VOTE, "Problem 3?", engines=ENGINES, seed=9) != result


def test_a_pipeline_brings_its_engines() -> None:
    assert run(Pipeline.series(VOTE, engines=ENGINES), "Problem 3?").candidates


async def test_inside_a_loop_the_synchronous_call_is_refused() -> None:
    with pytest.raises(UsageError, match=r"outside an event loop, but one is running; use await ponder.arun"):
        run(VOTE, "Problem 3?", engines=ENGINES)
    assert (await arun(VOTE, "Problem 3?", engines=ENGINES)).candidates


def test_a_missing_engine_is_refused() -> None:
    with pytest.raises(UsageError, match="engines must hold 'generator', which self_consistency asks"):
        run(VOTE, "Problem 3?")
    with pytest.raises(ShapeError, match=r"add \[engines\.generator\]"):
        run(Pipeline.series(VOTE), "Problem 3?")
    with pytest.raises(ShapeError, match="put a sample before it"):
        run(Pipeline.series(Rank(verifier=ProcessReward())), "Problem 3?")


@pytest.mark.parametrize("reference", [None, " "])
def test_a_verifier_that_needs_a_reference_is_refused_a_query_without(reference: str | None) -> None:
    query = Query.ask("Problem 3?", reference=reference)
    strategy = BestOfN(n=2, verifier=WeightedEnsemble(members=(ProcessReward(), ExactMatch())))
    engines = {**ENGINES, "reward": SimulatedSpec()}
    for asked in (strategy, Pipeline.series(strategy, engines=engines)):
        with pytest.raises(UsageError, match=r"where 'weighted.*' judges, but this one has none; give"):
            run(asked, query, engines=engines)
        assert run(asked, query.model_copy(update={"reference": "4"}), engines=engines).best.scores


def test_one_that_does_without_a_reference_is_not() -> None:
    verifier = WeightedEnsemble(members=(ProcessReward(), ExactMatch()), missing="skip")
    result = run(BestOfN(n=2, verifier=verifier), "Problem 3?", engines={**ENGINES, "reward": SimulatedSpec()})
    assert result.best.scores[verifier.name].value is not None


def test_a_budget_too_small_is_refused() -> None:
    with pytest.raises(BudgetExceeded, match="raise the budget's calls"):
        run(VOTE, "Problem 3?", engines=ENGINES, budget=Budget(calls=0))


def test_a_journal_serves_many_questions_and_pays_each_once(tmp_path) -> None:
    path = tmp_path / "deep" / "runs.db"
    asked = ("Problem 3?", "Problem 4?", "Problem 3?")
    found = [run(VOTE, question, engines=ENGINES, journal=path) for question in asked]
    assert canonical_json(found[0]) == canonical_json(found[2]) != canonical_json(found[1])
    more = run(Sample(n=2), "Problem 3?", engines=ENGINES, journal=path)
    assert {c.text for c in more.candidates} <= {c.text for c in found[0].candidates}
    file = JournalFile(path)
    assert sum(file.spent(i).settled.calls for i in range(1, 6)) == 8
    file.close()


SLOW = {"generator": SimulatedSpec(latency_s=30.0)}


def spent(path) -> Spent:
    if not path.exists():
        return Spent()
    with closing(ReadOnlyJournal(path)) as journal:
        return journal.spent(next(iter(journal.runs()), ""))


async def interrupted(folder) -> tuple[Path, Path]:
    """The journals of two runs that ended while four calls were in flight: one was killed, one was cancelled."""
    killed, cancelled = folder / "killed.db", folder / "cancelled.db"
    running = asyncio.create_task(arun(VOTE, "Problem 3?", engines=SLOW, journal=cancelled))
    while spent(cancelled).calls_at_risk < 4:
        await asyncio.sleep(0.02)
    with closing(sqlite3.connect(cancelled)) as source, closing(sqlite3.connect(killed)) as copy:
        source.backup(copy)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    return killed, cancelled


async def test_what_an_interrupted_run_spent_counts_towards_the_budget(tmp_path) -> None:
    for path in await interrupted(tmp_path):
        told: list[Spent] = []
        again = {"engines": ENGINES, "journal": path, "on_resume": told.append}
        with pytest.raises(BudgetExceeded, match="calls: may need 1, 0 left; raise the budget's calls"):
            await arun(VOTE, "Problem 3?", budget=Budget(calls=4), **again)
        result = await arun(VOTE, "Problem 3?", budget=Budget(calls=6), **again)
        assert (len(result.candidates), result.stopped) == (2, "budget")
        assert spent(path).total.calls == 6
        result = await arun(VOTE, "Problem 3?", budget=Budget(calls=8), **again)
        assert (len(result.candidates), result.stopped) == (4, "done")
        assert [before.total.calls for before in told] == [4, 4, 6]
        assert {before.calls_at_risk for before in told} == {4 if path.stem == "killed" else 0}
        assert await arun(VOTE, "Problem 3?", budget=Budget(calls=4), **again) == result
        assert (len(told), spent(path).total.calls) == (3, 8)


async def test_what_is_no_strategy_is_refused() -> None:
    with pytest.raises(UsageError, match="strategy must be a pipeline or a strategy, got 'sample'; build one"):
        await arun("sample", "Problem 3?")  # type: ignore[arg-type]


def test_a_query_is_a_text_or_a_query() -> None:
    pipeline = Pipeline.series(Sample(), name="one", engines={"generator": SimulatedSpec()})
    with pytest.raises(UsageError, match=r"must be a text or a ponder.Query, got int; use ponder.Query.ask"):
        run(pipeline, 5)  # type: ignore[arg-type]
