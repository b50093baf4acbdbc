"""One call: a pipeline on a question."""

import pytest

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.canonical import canonical_json
from ponder.orchestrator.engines.simulated import SimulatedSpec
from ponder.orchestrator.errors import BudgetExceeded, ShapeError, UsageError
from ponder.orchestrator.journal_file import JournalFile
from ponder.orchestrator.pipeline import Pipeline
from ponder.orchestrator.run import arun, run
from ponder.strategies import Rank, Sample, SelfConsistency
from ponder.verifiers import ProcessReward

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
