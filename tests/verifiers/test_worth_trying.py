"""The rule of stopping: that of its law, and data like any knob."""

import tomllib

import pytest
import tomli_w
from pydantic import ValidationError

from ponder.orchestrator.errors import UsageError
from ponder.verifiers.reliability import JudgedPool, MixedResamplingLaw, Reliability, ResamplingLaw, WorthTrying

LAW = MixedResamplingLaw((ResamplingLaw(0.87, 1.0, 0.25), ResamplingLaw(0.13, 1.0, 0.25)), (0.58, 0.42))


@pytest.mark.parametrize(("wrong_cost", "most"), [(0.7, 3), (1, 2), (2, 1), (4, 1), (8, 0)])
def test_attempts_are_worth_making_up_to_the_most(wrong_cost: float, most: int) -> None:
    rule = WorthTrying(law=LAW, wrong_cost=wrong_cost)
    assert rule.most() == most
    assert [rule.is_worth(attempt) for attempt in (1, 2, 3, 4)] == [attempt <= most for attempt in (1, 2, 3, 4)]


def test_no_more_than_the_limit_are_worth_making() -> None:
    rule = WorthTrying(law=LAW)
    assert (rule.most(5), rule.is_worth(5, limit=5), rule.is_worth(6, limit=5)) == (5, True, False)


def test_calls_cost() -> None:
    assert WorthTrying(law=LAW, call_cost=0.14).most() == 3


def test_it_is_data() -> None:
    rule = WorthTrying(law=LAW, wrong_cost=1.5, call_cost=0.01)
    again = WorthTrying.model_validate(tomllib.loads(tomli_w.dumps(rule.model_dump(mode="json"))))
    assert again == rule and hash(again) == hash(rule)


def test_a_labelled_set_gives_its_law() -> None:
    found = Reliability((JudgedPool(9, 0, 0, 1), JudgedPool(1, 4, 0, 15)) * 10)
    rule = WorthTrying(law=found.law(), wrong_cost=1.0)
    assert 1 <= rule.most() < 10


def test_what_is_no_law_or_no_cost_is_refused() -> None:
    of = {"correct": 1, "accepts_correct": 1, "accepts_wrong": 0}
    with pytest.raises(UsageError, match="shares must"):
        WorthTrying.model_validate({"law": {"types": [of], "shares": [2]}})
    with pytest.raises(ValidationError, match="accepts_wrong"):
        misspelt = {"accept_wrong": of.pop("accepts_wrong"), **of}
        WorthTrying.model_validate({"law": {"types": [misspelt], "shares": [1]}})
    with pytest.raises(ValidationError, match="greater than or equal to 0"):
        WorthTrying(law=LAW, wrong_cost=-1)
