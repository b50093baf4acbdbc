"""A run whose verifier judged nothing says so."""

from collections.abc import Sequence
from typing import Literal

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.engines.simulated import SimulatedSpec
from ponder.orchestrator.judging import Judging
from ponder.orchestrator.runtime import Runtime
from ponder.orchestrator.strategy import Strategy
from ponder.orchestrator.types import Candidate, Query, Result, Score
from ponder.orchestrator.verifier import Verifier
from ponder.strategies import BestOfN, FirstAccepted
from ponder.verifiers import ExactMatch, ScalarJudge

QUERY = Query.ask("Problem 3?")
DRAWN = {"n": 4, "max_tokens": 64}


class Picky(Verifier):
    """Can tell of one text alone."""

    kind: Literal["picky"] = "picky"
    known: str

    async def score(self, query: Query, candidates: Sequence[Candidate], ctx: Judging) -> list[Score]:
        return [Score(0.0 if c.text == self.known else None, detail="unknown") for c in candidates]


async def ran(strategy: Strategy, budget: Budget = Budget(), **knobs: object) -> Result:
    async with Runtime({"generator": SimulatedSpec(**knobs)}) as runtime:
        return await runtime.run(strategy, QUERY, budget)


async def test_a_verifier_that_judged_nothing_is_a_failure_of_the_run() -> None:
    result = await ran(BestOfN(verifier=ExactMatch(), **DRAWN))
    told = "exact_match judged none of 4 candidates: the query has no reference answer"
    assert (result.stopped, result.failures, result.reason, len(result.candidates)) == ("done", 1, told, 4)


async def test_so_is_a_judge_whose_votes_are_never_valid() -> None:
    judge = ScalarJudge(form="written", votes=2)
    result = await ran(BestOfN(verifier=judge, **DRAWN))
    assert (result.failures, result.stopped) == (1, "done")
    assert result.reason == f"{judge.name} judged none of 4 candidates: 0 of 2 votes valid"


async def test_it_is_noted_once_a_run_however_often_it_was_asked() -> None:
    result = await ran(FirstAccepted(verifier=ExactMatch(), **DRAWN))
    assert result.failures == 1
    assert "judged none of 4 candidates" in result.reason


async def test_a_verifier_that_judged_something_is_none() -> None:
    known = (await ran(BestOfN(verifier=ExactMatch(), **DRAWN))).candidates[-1].text
    for strategy in (BestOfN, FirstAccepted):
        result = await ran(strategy(verifier=Picky(known=known), **DRAWN))
        assert {c.scores["picky"].value for c in result.candidates} == {0.0, None}
        assert (result.failures, result.reason) == (0, "")


async def test_a_run_that_its_budget_stopped_has_its_reason_alone() -> None:
    result = await ran(BestOfN(verifier=ExactMatch(), **DRAWN), Budget(calls=2))
    assert (result.stopped, result.failures) == ("budget", 0)
    assert result.reason.startswith("calls: ")


async def test_a_judge_that_failed_is_noted_for_its_failures_alone() -> None:
    judge = ScalarJudge(engine="judge", form="written", votes=1)
    async with Runtime({"generator": SimulatedSpec(), "judge": SimulatedSpec(faults={"refused": 1.0})}) as runtime:
        result = await runtime.run(BestOfN(verifier=judge, **DRAWN), QUERY)
    different = len({candidate.text for candidate in result.candidates})
    assert (result.failures, "judged none" in result.reason) == (different, False)


async def test_no_candidates_are_no_failure() -> None:
    result = await ran(BestOfN(verifier=ExactMatch(), **DRAWN), faults={"refused": 1.0})
    assert (result.candidates, result.failures, "judged none" in result.reason) == ((), 4, False)
