"""Early-stopping self-consistency: which windows stop it, who votes, and what it costs on average."""

import math

import pytest
from making import context
from scripted_engines import Dice, Scripted

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.errors import UsageError
from ponder.orchestrator.types import Query
from ponder.strategies import EarlyStoppingSelfConsistency
from ponder.strategies.esc import expected_samples

QUERY = Query.ask("Which number?")


async def run(texts: list[str | None], **knobs: int) -> list[str | None]:
    found = await EarlyStoppingSelfConsistency(**knobs).run(QUERY, [], context(Scripted(texts)))
    return [each.answer for each in found]


async def test_a_unanimous_window_stops_it() -> None:
    assert await run(["1", "1", "2", "3", "3", "3", "4"], n=7, window=3) == ["3"] * 3 + ["1"] * 2 + ["2"]


async def test_agreement_across_windows_does_not() -> None:
    assert len(await run(["1", "2", "2", "2", "2", "1"], n=6, window=3)) == 6


async def test_all_candidates_vote_not_the_last_window_alone() -> None:
    texts: list[str | None] = ["1", "1", "2", "1", "1", "3", "1", "1", "2", "2", "2", "2", "9"]
    answers = await run(texts, n=13, window=3)
    assert (answers[0], len(answers)) == ("1", 12)


async def test_windows_with_abstainers_never_stop_it() -> None:
    assert await run(["none"] * 6, n=6, window=2) == [None] * 6
    assert await run(["5", "none", "5", "none"], n=4, window=2) == ["5", "5", None, None]


async def test_a_window_that_lost_a_draw_is_not_whole() -> None:
    assert await run(["5", None, "5", "6"], n=4, window=2) == ["5", "5", "6"]


async def test_a_last_window_may_be_short() -> None:
    assert len(await run(["1", "2", "3", "3"], n=3, window=2)) == 3


async def test_a_budget_that_ends_it_leaves_the_vote_so_far() -> None:
    ctx = context(Scripted(["1", "2", "2", "3"]), budget=Budget(calls=3))
    found = await EarlyStoppingSelfConsistency(n=8, window=2).run(QUERY, [], ctx)
    assert [each.answer for each in found] == ["2", "2", "1"]


@pytest.mark.parametrize(
    ("shares", "window", "n", "cost"),
    [
        ((0.6, 0.3, 0.1), 5, 40, 30.40),
        ((1.0,), 5, 40, 5.0),
        ((), 5, 40, 40.0),
        ((0.5,), 1, 3, 1.75),
        ((0.5, 0.5), 2, 5, 2 + 2 * 0.5 + 1 * 0.25),
        ((1.0,), 50, 40, 40.0),
    ],
)
def test_expected_samples(shares: tuple[float, ...], window: int, n: int, cost: float) -> None:
    assert expected_samples(shares, window, n) == pytest.approx(cost, abs=5e-3)


def test_expected_samples_is_the_sum_over_the_window_that_stops() -> None:
    shares, window, n = (0.7, 0.2, 0.05), 4, 24
    q = sum(share**window for share in shares)
    windows = n // window
    stopped = sum(q * (1 - q) ** i * (i + 1) for i in range(windows - 1))
    assert expected_samples(shares, window, n) == pytest.approx(window * (stopped + (1 - q) ** (windows - 1) * windows))


@pytest.mark.parametrize(("shares", "window", "n"), [((0.9, 0.2), 5, 40), ((-0.1,), 5, 40), ((1.0,), 0, 40)])
def test_what_is_no_law_is_refused(shares: tuple[float, ...], window: int, n: int) -> None:
    with pytest.raises(UsageError, match="divide counts by their sum"):
        expected_samples(shares, window, n)


async def test_it_costs_what_the_formula_says() -> None:
    engine, runs, strategy = Dice({"1": 0.6, "2": 0.3, "3": 0.1}), 150, EarlyStoppingSelfConsistency()
    drawn = [len(await strategy.run(QUERY, [], context(engine, seed=seed))) for seed in range(runs)]
    mean = sum(drawn) / runs
    deviation = math.sqrt(sum((each - mean) ** 2 for each in drawn) / runs)
    assert set(drawn) <= set(range(5, 41, 5))
    assert abs(mean - expected_samples((0.6, 0.3, 0.1))) <= 4 * deviation / math.sqrt(runs)
