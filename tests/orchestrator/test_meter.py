"""What engines count of images: evaluations, operations, machine time and money, apart from tokens."""

import pytest
from pydantic import ValidationError

from ponder.orchestrator.budget import COUNTED, Budget, amounts
from ponder.orchestrator.meter import Meter, Rate
from ponder.orchestrator.types import Usage

ROW = Rate(flops=100, seconds=0.5, price=2.0)
METER = Meter(row=ROW, decoding=Rate(flops=7, seconds=0.25), look=Rate(flops=3, seconds=1e-9, price=5.0))


def test_a_passage_counts_its_rows_and_its_image() -> None:
    usage = METER.denoising(8, 1)
    assert usage == Usage(calls=1, nfe=8, flops=807, nano_usd=16_000, compute_ns=4_250_000_000)
    assert METER.denoising(8) == Usage(calls=1, nfe=8, flops=800, nano_usd=16_000, compute_ns=4_000_000_000)
    assert METER.denoising(0) == Usage(calls=1)


def test_a_look_is_a_verifiers_call() -> None:
    assert METER.looking() == Usage(verifier_calls=1, flops=3, nano_usd=5_000, compute_ns=1)


def test_machines_that_say_nothing_of_themselves_count_evaluations_alone() -> None:
    assert Meter().denoising(5, 1) == Usage(calls=1, nfe=5)
    assert Meter().looking() == Usage(verifier_calls=1)


def test_time_and_money_are_whole_units_rounded_once() -> None:
    """Of three rows of a third of a nanosecond, one nanosecond."""
    rate = Rate(seconds=1e-9 / 3, price=1e-3 / 3)
    assert [rate.usage(count).compute_ns for count in (1, 2, 3)] == [0, 1, 1]
    assert [rate.usage(count).nano_usd for count in (1, 2, 3)] == [0, 1, 1]


@pytest.mark.parametrize("knobs", [{"flops": -1}, {"seconds": -1.0}, {"seconds": float("inf")}, {"price": -0.1}])
def test_a_rate_is_no_less_than_nothing(knobs) -> None:
    with pytest.raises(ValidationError):
        Rate(**knobs)


def test_seconds_of_computing_are_a_dimension_of_budgets() -> None:
    place, usage = COUNTED.index("compute_seconds"), METER.denoising(8, 1)
    assert amounts(usage)[place] == 4_250_000_000
    assert Budget(compute_seconds=4.25).limits()[place] == 4_250_000_000
    assert Budget(compute_seconds=4.25).fits(usage)
    assert not Budget(compute_seconds=4.249999999).fits(usage)
    assert Budget(compute_seconds=2).at_most(Budget(compute_seconds=1.5)).compute_seconds == 1.5
    assert str(Budget(compute_seconds=0.5)) == "0.5 compute_seconds"
    assert usage.as_dict()["compute_ns"] == 4_250_000_000


def test_evaluations_are_no_tokens() -> None:
    assert METER.denoising(8, 1).total_tokens == 0
    assert Budget(total_tokens=0).fits(METER.denoising(8, 1))
