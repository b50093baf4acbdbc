"""Domains: which values they have, how they scale, what is refused, and that nothing else is called as they are."""

import math
from datetime import date

import pytest

from ponder.orchestrator.errors import UsageError
from ponder.search.spaces.domains import KINDS, Choice, Floats, Integers, Prefix, Repeat, Same, read
from ponder.strategies import STRATEGIES, Sample
from ponder.verifiers import VERIFIERS, ProcessReward
from ponder.verifiers.answers import ANSWERS


@pytest.mark.parametrize(
    ("domain", "labels", "scale"),
    [
        (Choice(values=("a", "b")), ("a", "b"), None),
        (Choice(values=(False, True)), (False, True), None),
        (Choice(values=(4, 2)), (4, 2), None),
        (Choice(values=([], [1])), (0, 1), None),
        (Choice(values=({"kind": "exact_match"}, "x")), (0, 1), None),
        (Choice(values=(1, 10, 100)), (1, 10, 100), [0, 0.5, 1]),
        (Choice(values=(0.5, 0.6, 1.0)), (0.5, 0.6, 1.0), [0, 0.2, 1]),
        (Choice(values=(3,)), (3,), [0]),
        (Integers(low=1, high=9, log=True), (1, 2, 4, 8), [0, 1 / 3, 2 / 3, 1]),
        (Integers(low=2, high=11, step=3), (2, 5, 8, 11), [0, 0.5374933, 0.813196, 1]),
        (Integers(low=0, high=3), (0, 1, 2, 3), [0, 0.5, 0.7924813, 1]),
        (Floats(low=0, high=0.6, grid=3), (0, 0.3, 0.6), [0, 0.5, 1]),
        (Floats(low=0.01, high=1, grid=3, log=True), (0.01, 0.1, 1), [0, 0.5, 1]),
        (Prefix(values=("a", "b", "c")), (1, 2, 3), [0, 0.6309298, 1]),
        (Prefix(values=("a", "b", "c"), low=0, high=1), (0, 1), [0, 1]),
        (Repeat(low=0, high=2, of=("a",)), (0, 1, 2), [0, 0.6309298, 1]),
    ],
)
def test_values_and_where_they_stand(domain, labels, scale) -> None:
    assert domain.labels == labels
    assert domain.is_ordered == (scale is not None)
    if scale is not None:
        assert domain.scale() == pytest.approx(scale)
    assert [domain.place(label) for label in labels] == list(range(len(labels)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Choice(values=(1, 2, 1)), "values of a choice must differ, got 1 twice"),
        (lambda: Integers(low=3, high=2), "low <= high, got low 3 and high 2"),
        (lambda: Integers(low=0, high=2, log=True), "1 <= low <= high, got low 0"),
        (lambda: Integers(low=1, high=8, step=2, log=True), "double or go by a step, got both"),
        (lambda: Floats(low=1, high=1), "low < high, got low 1.0"),
        (lambda: Floats(low=0, high=1, log=True), "0 < low < high, got low 0.0"),
        (lambda: Integers(low=1, high=2**40), "at most 10000 values, got 1099511627776; set a greater step, or log"),
        (lambda: read({"kind": "integers", "low": 1, "high": 2**60}), "less than or equal to 9007199254740992"),
        (lambda: Floats(low=1, high=1 + 1e-14), "differ in 12 digits, got 5 from 1.0 to 1.00000000000001"),
        (lambda: Floats(low=-1e308, high=1e308), "differ in 12 digits"),
        (lambda: Choice(values=(1, 1.0)), "must differ, got 1.0 twice"),
        (lambda: read({"kind": "repeat", "low": 0, "high": 10**6, "of": ["a"]}), "less than or equal to 1000"),
        (lambda: Prefix(values=("a",), high=2), "low <= high <= its values, got low 1, high 2 of 1"),
        (lambda: Repeat(low=2, high=1, of=("a",)), "low <= high, got low 2 and high 1"),
        (lambda: read({"kind": "integers", "low": 1}), "domain 'integers' is not valid: high: Field required, add it"),
        (lambda: Choice(values=("a", True)).place(1), r"must be one of \['a', True\], got 1; take one of these"),
    ],
)
def test_what_is_no_domain_is_refused(make, message) -> None:
    with pytest.raises(UsageError, match=message):
        make()


@pytest.mark.parametrize("value", [math.nan, math.inf, 2**63, "\ud800", b"a", {1}, date(2026, 1, 1)])
def test_a_value_that_cannot_be_saved_is_refused(value) -> None:
    with pytest.raises(UsageError, match="a space must be made of text, finite numbers"):
        read({"of": [value]})
    assert read([2**63 - 1, "\U0001f600\x1b", 1e300, None, True]) == (2**63 - 1, "\U0001f600\x1b", 1e300, None, True)


def test_tables_and_models_are_read_alike_at_any_depth() -> None:
    model = Choice(values=(Sample(n=2), [Integers(low=1, high=2)]))
    table = {"kind": "choice", "values": [Sample(n=2).model_dump(), [{"kind": "integers", "low": 1, "high": 2}]]}
    assert read(table) == model
    assert read({"verifier": ProcessReward(), "of": [table]}) == {
        "verifier": {"kind": "process_reward", "engine": "reward", "card": "abacus"},
        "of": (model,),
    }
    assert read(model.model_dump(mode="json")) == model
    assert read({"kind": "same", "name": "judge"}) == Same(name="judge")


def test_no_plugin_has_the_kind_of_a_domain() -> None:
    assert not set(KINDS) & {*STRATEGIES.names(), "pipeline", *VERIFIERS.names(), *ANSWERS.names()}
