"""From a report to the frontier that is served."""

import pytest
from report_samples import points, report, unconfirmed

from ponder.orchestrator.engines.simulated import SimulatedSpec
from ponder.orchestrator.errors import UsageError
from ponder.search.reports.report import Report
from ponder.search.reports.report_frontier import to_frontier

ENGINES = {"generator": SimulatedSpec(), "judge": SimulatedSpec(reward_noise=1.0)}


def test_holds_what_is_recommended_at_its_confirmed_accuracy() -> None:
    made = to_frontier(report(), "small", ENGINES)
    assert [(p.name, p.level, p.cost["calls"], p.accuracy, p.items) for p in made.points] == [
        ("single", 2, 1, 0.41, 80),
        ("fused 9", 10, 9, 0.62, 80),
        ("archon 18", 20, 18, 0.70, 80),
    ]
    assert made.by == "calls"
    assert [p.tied_with for p in made.points] == [(), ("fused 7",), ("ranked 12",)]
    assert {p.not_confirmed for p in made.points} == {""}
    assert list(made.engines) == ["generator"]
    assert [p.strategy.n for p in made.points] == [1, 9, 18]


def test_says_why_a_point_is_not_confirmed() -> None:
    assert {p.not_confirmed for p in to_frontier(unconfirmed(), "small", ENGINES).points} == {
        "the budget ended before confirmation"
    }
    early = to_frontier(unconfirmed(levels=(), ended=""), "small", ENGINES)
    assert {p.not_confirmed for p in early.points} == {"the search has not chosen yet"}


def test_of_nothing_is_empty() -> None:
    assert to_frontier(Report(title="x", items=0), "small", ENGINES).points == ()


def test_a_composition_must_be_there_to_be_served() -> None:
    bare = tuple(point.model_copy(update={"composition": {}}) for point in points())
    with pytest.raises(UsageError, match="must name its kind"):
        to_frontier(report(points=bare), "small", ENGINES)
