"""How sure a leader is: exact values, against the finite sum in whole fractions."""

from fractions import Fraction
from math import factorial

import numpy as np
import pytest

from ponder.strategies.leader import beta_confidence, dirichlet_confidence


def exact(counts: tuple[int, ...]) -> float:
    """The integral as a finite sum: each product of distribution functions is a polynomial times an exponential."""
    first, *others = sorted(counts, reverse=True)
    terms: dict[int, list[Fraction]] = {0: [Fraction(1)]}
    for other in others:
        series = [Fraction(1, factorial(j)) for j in range(other + 1)]
        for k, polynomial in sorted(terms.items(), reverse=True):
            product = [Fraction(0)] * (len(polynomial) + other)
            for i, a in enumerate(polynomial):
                for j, b in enumerate(series):
                    product[i + j] += a * b
            longer = terms.get(k + 1, [])
            size = max(len(longer), len(product))
            padded = [[*each, *[Fraction(0)] * (size - len(each))] for each in (longer, product)]
            terms[k + 1] = [a + b for a, b in zip(*padded, strict=True)]
    chance = sum(
        (-1) ** k * value * Fraction(factorial(first + d), factorial(first) * (1 + k) ** (first + 1 + d))
        for k, polynomial in terms.items()
        for d, value in enumerate(polynomial)
    )
    return float(chance)


@pytest.mark.parametrize(
    ("counts", "chance"),
    [
        ((), 0.5),
        ((1,), 0.75),
        ((2,), 0.875),
        ((3,), 0.9375),
        ((4,), 0.96875),
        ((3, 3), 0.5),
        ((4, 1, 1), 0.890625),
        ((6, 2, 1), 0.91015625),
        ((10, 4, 3, 2), 0.940765380859375),
    ],
)
def test_the_beta_law_has_its_exact_values(counts: tuple[int, ...], chance: float) -> None:
    assert beta_confidence(counts) == chance
    assert beta_confidence(counts[::-1]) == chance


@pytest.mark.parametrize(
    ("counts", "chance"), [((4, 1, 1), 0.8128), ((6, 2, 1), 0.88613), ((10, 4, 3, 2), 0.91270), ((1, 1, 0), 47 / 108)]
)
def test_the_dirichlet_law_has_its_values(counts: tuple[int, ...], chance: float) -> None:
    assert dirichlet_confidence(counts) == pytest.approx(chance, abs=6e-6)
    assert dirichlet_confidence(counts[::-1]) == dirichlet_confidence(counts)


def test_with_two_answers_both_laws_are_one() -> None:
    for counts in [(), (1,), (4,), (3, 3), (7, 2), (200, 170), (40, 39)]:
        assert dirichlet_confidence(counts) == beta_confidence(counts) == pytest.approx(exact((*counts, 0, 0)[:2]))


def test_the_dirichlet_law_is_the_finite_sum_to_a_billionth() -> None:
    rng = np.random.default_rng(0)
    drawn = [tuple(rng.integers(0, most, size=k).tolist()) for most in (3, 12, 40) for k in (3, 4, 6) for _ in range(4)]
    for counts in [*drawn, (0, 0, 0), (1,) * 12, (120, 118, 90), (300, 270, 1)]:
        assert dirichlet_confidence(counts) == pytest.approx(exact(counts), abs=1e-9)


@pytest.mark.parametrize(("votes", "answers"), [(1, 3), (5, 300), (40, 20), (700, 5), (0, 1000)])
def test_alike_answers_lead_alike(votes: int, answers: int) -> None:
    assert dirichlet_confidence((votes,) * answers) == pytest.approx(1 / answers, abs=1e-9)


def test_other_answers_make_a_leader_less_sure() -> None:
    assert dirichlet_confidence((6, 2, 1, 1)) < dirichlet_confidence((6, 2, 1)) < beta_confidence((6, 2, 1))
