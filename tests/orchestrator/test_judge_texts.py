"""One call: a verifier on texts that are there already."""

import pytest

import ponder
from ponder.orchestrator.budget import Budget
from ponder.orchestrator.engines.simulated import SimulatedSpec
from ponder.orchestrator.errors import UsageError
from ponder.orchestrator.journal_file import ReadOnlyJournal
from ponder.orchestrator.types import Query
from ponder.verifiers import ExactMatch, ProcessReward, PythonCode, SelfCertainty

QUERY = Query.ask("Problem 3?", reference="4")
STEPS = ("step 1: a\nanswer: 4\n", "step 1: b\nstep 2: c\nanswer: 5\n", "step 1: a\nanswer: 4\n")
ENGINES = {"reward": SimulatedSpec()}
GENERATOR = {"generator": SimulatedSpec()}


def test_each_text_has_its_score_in_order() -> None:
    scores = ponder.judge(ExactMatch(), QUERY, ["It is 4.", "It is 5.", "", "It is 4."])
    assert [score.value for score in scores] == [1.0, 0.0, 0.0, 1.0]


def test_a_judge_asks_its_engines_and_is_journalled(tmp_path) -> None:
    first = ponder.judge(ProcessReward(), "Problem 3?", STEPS, engines=ENGINES, journal=tmp_path / "j.db")
    spent = ReadOnlyJournal(tmp_path / "j.db").spent
    [name] = ReadOnlyJournal(tmp_path / "j.db").runs()
    paid = spent(name).total
    assert paid.verifier_calls == 2 and first[0] == first[2] != first[1]
    assert ponder.judge(ProcessReward(), "Problem 3?", STEPS, engines=ENGINES, journal=tmp_path / "j.db") == first
    assert spent(name).total == paid


async def test_it_can_be_awaited() -> None:
    assert [score.value for score in await ponder.ajudge(ExactMatch(), QUERY, ["4"])] == [1.0]
    with pytest.raises(UsageError, match=r"judge must be called outside an event loop.* await ponder\.ajudge"):
        ponder.judge(ExactMatch(), QUERY, ["4"])


def test_what_cannot_be_judged_says_why() -> None:
    for verifier, query in ((SelfCertainty(), QUERY), (PythonCode(), QUERY)):
        [score] = ponder.judge(verifier, query, ["4"], engines=GENERATOR)
        assert score.value is None and score.detail
    [one, other] = ponder.judge(ProcessReward(), QUERY, STEPS[:2], engines=ENGINES, budget=Budget(verifier_calls=1))
    assert one.value is not None and other.value is None and "verifier_calls" in other.detail


def test_bad_calls_are_refused() -> None:
    with pytest.raises(UsageError, match="must have a reference answer where 'exact_match' judges"):
        ponder.judge(ExactMatch(), "Problem 3?", ["4"])
    with pytest.raises(UsageError, match="engines must hold 'reward'"):
        ponder.judge(ProcessReward(), QUERY, ["4"])
    with pytest.raises(UsageError, match=r"a list of texts, got .* and 'It is 4'"):
        ponder.judge(ExactMatch(), QUERY, "It is 4")
    with pytest.raises(UsageError, match="half a character"):
        ponder.judge(ExactMatch(), QUERY, ["\ud800"])
    with pytest.raises(UsageError, match="got 4 and"):
        ponder.judge(4, QUERY, ["4"])
    assert ponder.judge(ExactMatch(), QUERY, []) == []
