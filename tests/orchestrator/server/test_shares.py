"""What one request gets of a key's budget."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ponder.orchestrator.budget import COUNTED, NANO, Budget, amounts
from ponder.orchestrator.server.refusal import Refusal
from ponder.orchestrator.server.shares import bound, share, within
from ponder.orchestrator.types import Usage

FEW = st.integers(0, 12)
USAGES = st.builds(Usage, FEW, st.just(0), FEW, FEW, FEW, FEW, FEW, FEW, FEW)
BUDGETS = st.fixed_dictionaries({}, optional={name: FEW for name in COUNTED}).map(
    lambda limits: Budget.model_validate(
        {name: limit / 1e9 if name in NANO else limit for name, limit in limits.items()}
    )
)


@given(BUDGETS, USAGES, USAGES, BUDGETS)
def test_a_share_fits_what_is_left_and_pays_an_answer(budget: Budget, spent: Usage, least: Usage, most: Budget) -> None:
    left = {i: limit - amounts(spent)[i] for i, limit in enumerate(budget.limits()) if limit is not None}
    is_paid = all(amounts(least)[i] <= left[i] for i in left)
    try:
        got = share(budget, spent, least, most)
    except Refusal as refusal:
        assert not is_paid and refusal.status == 402 and refusal.headers == {"x-should-retry": "false"}
        return
    assert is_paid and set(got) == {COUNTED[i] for i in left}
    held, allowed = amounts(bound(got)), within(got, most)
    for i in left:
        assert 0 <= got[COUNTED[i]] <= left[i] and held[i] <= left[i]
        assert allowed.limits()[i] == got[COUNTED[i]] and (
            most.limits()[i] is None or got[COUNTED[i]] <= most.limits()[i]
        )
    if most.fits(least):
        assert allowed.fits(least)


@given(BUDGETS, BUDGETS, USAGES)
def test_what_is_held_covers_all_that_a_share_allows(budget: Budget, most: Budget, used: Usage) -> None:
    got = share(budget, Usage(), Usage(), most)
    if within(got, most).fits(used):
        assert all(amounts(used)[COUNTED.index(name)] <= amounts(bound(got))[COUNTED.index(name)] for name in got)


def test_tokens_of_both_kinds_are_cut_alike_but_pay_an_answer() -> None:
    limits = Budget(prompt_tokens=900, completion_tokens=300, total_tokens=400)
    assert share(limits, Usage(), Usage(50, 0, 1), Budget()) == {
        "prompt_tokens": 228,
        "completion_tokens": 172,
        "total_tokens": 400,
    }
    assert share(limits, Usage(), Usage(399, 0, 1), Budget())["completion_tokens"] == 1
    assert share(limits, Usage(), Usage(5, 0, 9), Budget(total_tokens=10))["completion_tokens"] == 5


def test_tells_what_is_left_in_units_of_people() -> None:
    with pytest.raises(Refusal, match=r"cost_usd: an answer costs 0.5 at least, this key has 0.25 left"):
        share(Budget(cost_usd=1), Usage(nano_usd=750_000_000), Usage(nano_usd=500_000_000), Budget())
