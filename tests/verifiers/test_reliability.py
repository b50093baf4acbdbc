"""Reliability: counts by hand, intervals that know of tasks, and a law that is not fooled by few draws."""

import math

import numpy as np
import pytest

from ponder.orchestrator.errors import UsageError
from ponder.orchestrator.intervals import wilson
from ponder.verifiers.reliability import Judged, JudgedPool, Reliability

DRAWS = [
    Judged("a", True, 0.9),
    Judged("a", True, 0.4),
    Judged("a", False, 0.5),
    Judged("b", False, 0.1),
    Judged("b", True, None),
    Judged("b", False, math.nan),
    Judged("a", True, 1.0),
    Judged("c", False, 0.0),
]


def pools(rng: np.random.Generator, rights: np.ndarray, m: int, completes: float, accepts_wrong: float) -> Reliability:
    """One pool of `m` draws for each chance to be right."""
    chances = [
        (r * completes, (1 - r) * accepts_wrong, r * (1 - completes), (1 - r) * (1 - accepts_wrong)) for r in rights
    ]
    return Reliability(tuple(JudgedPool(*rng.multinomial(m, each).tolist()) for each in chances))


class TestCounts:
    found = Reliability.of(DRAWS)

    def test_pools_are_by_task_and_what_cannot_be_told_is_apart(self) -> None:
        assert self.found.pools == (
            JudgedPool(2, 1, 1, 0),
            JudgedPool(0, 0, 0, 1, 1, 1),
            JudgedPool(0, 0, 0, 1),
        )

    def test_rates_say_how_much_they_rest_on(self) -> None:
        found = self.found
        rates = (found.completeness, found.soundness, found.untold, found.correct, found.ceiling)
        assert [rate.mean for rate in rates] == pytest.approx([2 / 4, 3 / 4, 2 / 8, (3 / 4 + 1 / 3) / 3, 2 / 3])
        assert [(rate.draws, rate.tasks) for rate in rates] == [(4, 2), (4, 3), (8, 3), (8, 3), (3, 1)]
        assert all(0 <= rate.low < rate.mean < rate.high <= 1 for rate in rates)

    def test_the_threshold_accepts(self) -> None:
        strict = Reliability.of(DRAWS, threshold=0.95)
        assert strict.pools[0] == JudgedPool(1, 0, 2, 1)
        assert (strict.soundness.mean, strict.completeness.mean) == (1.0, 0.25)

    def test_verdicts_are_scores_too(self) -> None:
        assert Reliability.of([Judged("a", True, True), Judged("a", False, False)]).pools == (JudgedPool(1, 0, 0, 1),)

    def test_what_no_draw_tells_is_refused(self) -> None:
        nothing = Reliability((JudgedPool(0, 0, 0, 3),))
        with pytest.raises(UsageError, match="a rate over the right draws needs one"):
            _ = nothing.completeness
        with pytest.raises(UsageError, match="the ceiling needs an accepted draw"):
            _ = nothing.ceiling
        with pytest.raises(UsageError, match="a rate over the wrong draws needs one"):
            _ = Reliability((JudgedPool(3, 0, 0, 0),)).soundness
        with pytest.raises(UsageError, match="one task at least, got none"):
            Reliability.of([])

    @pytest.mark.parametrize(
        ("draw", "rule"),
        [
            (Judged("a", "False", 0.9), "the truth of a draw must be True or False, got 'False'"),
            (Judged("a", None, 0.9), "got None; leave out those whose truth is unknown"),
            (Judged("a", 0.5, 0.9), "True or False, got 0.5"),
            (Judged("a", True, "0.9"), "a score must be a number, got '0.9'; convert it"),
        ],
    )
    def test_what_is_no_label_is_refused(self, draw: Judged, rule: str) -> None:
        with pytest.raises(UsageError, match=rule):
            Reliability.of([draw])

    def test_a_threshold_is_a_finite_number(self) -> None:
        for threshold in (math.nan, math.inf, "0.5"):
            with pytest.raises(UsageError, match=f"threshold must be a finite number, got {threshold!r}"):
                Reliability.of(DRAWS, threshold=threshold)

    def test_labels_of_numpy_are_labels(self) -> None:
        draws = [Judged("a", np.bool_(True), np.float32(0.75)), Judged("a", np.int64(0), np.bool_(False))]
        assert Reliability.of(draws).pools == (JudgedPool(1, 0, 0, 1),)


class TestIntervals:
    def test_many_draws_of_one_task_are_one_task(self) -> None:
        one = Reliability((JudgedPool(900, 0, 100, 0),)).completeness
        assert (one.low, one.high) == pytest.approx((wilson(0.9, 1).low, wilson(0.9, 1).high))
        assert one.high - one.low > 0.7

    def test_a_verifier_never_seen_to_err_may_still(self) -> None:
        sound = Reliability(tuple(JudgedPool(1, 0, 0, 9) for _ in range(20))).soundness
        assert (sound.mean, sound.high) == (1.0, 1.0)
        assert sound.low == pytest.approx(wilson(20, 20).low)

    def test_tasks_of_one_size_and_one_mind_are_as_good_as_their_draws(self) -> None:
        rng = np.random.default_rng(0)
        found = pools(rng, np.full(200, 0.5), 20, 0.8, 0.3).completeness
        reach = 1.96 * math.sqrt(0.8 * 0.2 / found.draws)
        assert found.high - found.low == pytest.approx(2 * reach, rel=0.2)

    @pytest.mark.parametrize("tasks", [20, 80])
    def test_they_hold_the_truth_where_tasks_differ(self, tasks: int) -> None:
        """Each task has a completeness of its own: counted as if draws were alike, intervals hold it far too seldom."""
        rng, rounds, held, naive = np.random.default_rng(tasks), 150, 0, 0
        for _ in range(rounds):
            of = rng.integers(1, 20, tasks)
            accepted = rng.binomial(of, rng.beta(2, 1, tasks))
            counts = zip(accepted.tolist(), (of - accepted).tolist(), strict=True)
            found = Reliability(tuple(JudgedPool(a, 0, r, 1) for a, r in counts)).completeness
            plain = wilson(float(accepted.sum()), int(of.sum()))
            held += found.low <= 2 / 3 <= found.high
            naive += plain.low <= 2 / 3 <= plain.high
        assert held / rounds >= 0.9
        assert naive / rounds < 0.85


class TestLaw:
    def test_tasks_that_are_alike_are_found_to_be_alike(self) -> None:
        """Shares of eight draws differ, and would promise an end to the gain of attempts that never comes."""
        rng = np.random.default_rng(3)
        found = pools(rng, np.full(1500, 0.3), 8, 0.9, 0.3)
        shares = found.chances()[0]
        assert shares.std() > 0.15
        chances = [each.correct for each in found.law().types]
        assert np.ptp(chances) < 0.15 * np.ptp(shares)
        plugged = {share: float(np.mean(shares == share)) for share in np.unique(shares)}
        spurious = sum(p * (0.9 * r - 0.3 * (1 - r)) * (1 - 0.9 * r - 0.3 * (1 - r)) ** 9 for r, p in plugged.items())
        assert spurious < 0 < found.law().gain(10, wrong_cost=1.0)

    def test_tasks_differ_as_much_as_they_do(self) -> None:
        rng = np.random.default_rng(4)
        rights = rng.beta(0.7, 1.4, 3000)
        law = pools(rng, rights, 6, 1.0, 0.1).law()
        chances, shares = np.array([each.correct for each in law.types]), np.array(law.shares)
        mean = shares @ chances
        assert mean == pytest.approx(1 / 3, abs=0.02)
        assert math.sqrt(shares @ (chances - mean) ** 2) == pytest.approx(rights.std(), rel=0.06)

    def test_types_that_are_equal_are_one(self) -> None:
        found = Reliability((JudgedPool(4, 0, 0, 0), JudgedPool(4, 0, 0, 0), JudgedPool(0, 1, 0, 3)))
        law = found.law()
        assert sorted((each.correct, share) for each, share in zip(law.types, law.shares, strict=True)) == [
            (0.0, pytest.approx(1 / 3)),
            (1.0, pytest.approx(2 / 3)),
        ]
        assert {(each.accepts_correct, each.accepts_wrong) for each in law.types} == {(1.0, 0.25)}

    def test_where_nothing_is_right_or_all_is_the_law_stands(self) -> None:
        assert Reliability((JudgedPool(0, 1, 0, 3),) * 2).law().ceiling == 0
        assert Reliability((JudgedPool(3, 0, 1, 0),) * 2).law().ceiling == 1

    def test_single_draws_tell_no_difference_from_chance(self) -> None:
        with pytest.raises(UsageError, match="two draws each to tell how much they differ"):
            Reliability((JudgedPool(1, 0, 0, 0), JudgedPool(0, 0, 1, 1))).law()
