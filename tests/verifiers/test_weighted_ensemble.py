"""The weighted mean: exact values, one scale, and what follows where a member cannot tell."""

import pytest
from columns import Column, columns, combined, scored, values
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ponder.verifiers import WeightedEnsemble
from ponder.verifiers.ensemble import mean_of

floats = st.floats(-1e308, 1e308)
weights = st.floats(1e-3, 1e6)


@pytest.mark.parametrize(
    ("given", "row", "value"),
    [
        ((), (0.25, 0.75), 0.5),
        ((3, 1), (0.25, 0.75), 0.375),
        ((0, 1), (0.25, 0.75), 0.75),
        ((0.1, 0.1), (0.3, 0.3), 0.3),
        ((1, 1), (0.0, 1.0), 0.5),
    ],
)
def test_values(given: tuple[float, ...], row: tuple[float, ...], value: float) -> None:
    (score,) = scored(WeightedEnsemble(members=columns(2), weights=given), row)
    assert (score.value, score.scale, score.kind, score.detail) == (value, "probability", "learned", "")


@pytest.mark.parametrize(
    ("missing", "rows", "expected"),
    [
        ("abstain", [(0.5, None, 0.5), (0.5, 0.0, 0.5)], [None, 0.375]),
        ("skip", [(0.5, None, 0.25), (None, None, 0.25), (None, None, None)], [0.375, 0.25, None]),
    ],
)
def test_members_that_cannot_tell(
    missing: str, rows: list[tuple[float | None, ...]], expected: list[float | None]
) -> None:
    ensemble = WeightedEnsemble(members=columns(3), weights=(2, 1, 1 if missing == "abstain" else 2), missing=missing)
    found = scored(ensemble, *rows)
    assert [score.value for score in found] == expected
    untold = [score.detail for score in found if score.value is None]
    assert untold == ["column 1 cannot tell: a dash" if missing == "abstain" else "column 0 cannot tell: a dash"]


@pytest.mark.parametrize(
    ("scale", "others", "is_fit"),
    [
        ("probability", "probability", True),
        ("probability", "binary", True),
        ("probability", "logit", False),
        ("probability", "reward", False),
        ("logit", "logit", True),
        ("logit", "probability", False),
        ("reward", "reward", True),
        ("reward", "binary", False),
    ],
)
def test_scales_are_never_mixed(scale: str, others: str, is_fit: bool) -> None:
    rule = f"members must score on the scale {scale!r}, but column 1 does on {others!r}; calibrate it, or combine ranks"
    if not is_fit:
        with pytest.raises(ValidationError, match=rule):
            WeightedEnsemble(members=(Column(at=0, scale=scale), Column(at=1, scale=others)), scale=scale)
    undeclared = Column(at=1, scale=others, declared=scale)
    mixed = WeightedEnsemble(members=(Column(at=0, scale=scale), undeclared), scale=scale)
    (score,) = scored(mixed, (0.5, 1.0))
    assert (score.value, score.scale) == (0.75 if is_fit else None, scale)
    assert score.detail.startswith("" if is_fit else rule)
    assert values(mixed, (0.5, None)) == [None]


@pytest.mark.parametrize(
    ("evidence", "kind"), [(("exact", "exact"), "exact"), (("self", "self"), "self"), (("exact", "self"), "learned")]
)
def test_the_kind_of_evidence_is_that_of_all(evidence: tuple[str, ...], kind: str) -> None:
    members = [Column(at=at, evidence=each) for at, each in enumerate(evidence)]
    assert scored(WeightedEnsemble(members=members), (0.5, 1.0))[0].kind == kind


@given(st.lists(st.tuples(floats, weights), min_size=1, max_size=6), st.randoms())
def test_a_mean_lies_within_its_values_whatever_their_order(pairs: list[tuple[float, float]], random: object) -> None:
    mean = mean_of(*zip(*pairs, strict=True))
    assert min(value for value, _ in pairs) <= mean <= max(value for value, _ in pairs)
    random.shuffle(pairs)
    assert mean_of(*zip(*pairs, strict=True)) == pytest.approx(mean, rel=1e-12)


@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=5), st.sampled_from([0.25, 2.0, 1024.0])
)
def test_only_the_proportions_of_weights_count(rows: list[tuple[float, float]], factor: float) -> None:
    one = WeightedEnsemble(members=columns(2), weights=(3, 1))
    other = WeightedEnsemble(members=columns(2), weights=(3 * factor, factor))
    assert combined(one, *rows) == combined(other, *rows)


@given(st.permutations([(0.1, 0.9), (0.5, None), (1.0, 1.0), (0.0, 0.3)]))
def test_permuting_candidates_permutes_scores(rows: list[tuple[float | None, ...]]) -> None:
    ensemble = WeightedEnsemble(members=columns(2))
    alone = [combined(ensemble, row)[0] for row in rows]
    assert combined(ensemble, *rows) == alone
