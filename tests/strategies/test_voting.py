"""The vote: exact values, invariances, and documented ties."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from making import candidate, indices

from ponder.strategies.voting import vote

ANSWERS = st.sampled_from(["1", "2", "3", None])
WEIGHTS = st.one_of(st.none(), st.integers(0, 64).map(lambda i: i / 64))


@st.composite
def ballots(draw: st.DrawFn) -> list:
    pairs = draw(st.lists(st.tuples(ANSWERS, WEIGHTS, st.integers(1, 3)), max_size=8))
    return [candidate(answer, i, weight, tokens=tokens) for i, (answer, weight, tokens) in enumerate(pairs)]


def winner(candidates, **knobs):
    ordered = vote(candidates, **knobs)
    return ordered[0].answer if ordered else None


@given(ballots(), st.randoms(use_true_random=False), st.booleans())
def test_the_order_of_the_candidates_does_not_matter(candidates, random, weighted) -> None:
    shuffled = random.sample(candidates, len(candidates))
    assert vote(shuffled, "judge", weighted=weighted) == vote(candidates, "judge", weighted=weighted)


@given(ballots(), st.booleans())
def test_nobody_is_lost_or_added(candidates, weighted) -> None:
    assert sorted(indices(vote(candidates, "judge", weighted=weighted))) == indices(candidates)


@given(ballots())
def test_equal_weights_are_a_majority(candidates) -> None:
    equal = [candidate(c.answer, c.index, 1.0) for c in candidates]
    majority = {a: sum(c.answer == a for c in equal) for a in {c.answer for c in equal} - {None}}
    found = winner(equal, verifier="judge", weighted=True)
    assert found == winner(equal, verifier="judge")
    if majority:
        assert majority[found] == max(majority.values())


@given(ballots(), st.booleans(), st.one_of(st.none(), st.floats(0, 1)))
def test_an_abstainer_changes_nothing(candidates, weighted, score) -> None:
    before = vote(candidates, "judge", weighted=weighted)
    abstainer = candidate(None, len(candidates), score)
    after = vote([*candidates, abstainer], "judge", weighted=weighted)
    assert [c for c in after if c.index != abstainer.index] == before
    if any(c.answer for c in candidates):
        assert after[0] == before[0]


@given(ballots(), st.sampled_from([0.25, 2.0, 1024.0]))
def test_scaling_the_weights_changes_nothing(candidates, factor) -> None:
    scaled = [
        candidate(c.answer, c.index, None if (w := c.scores["judge"].value) is None else w * factor) for c in candidates
    ]
    plain = [candidate(c.answer, c.index, c.scores["judge"].value) for c in candidates]
    assert indices(vote(scaled, "judge", weighted=True)) == indices(vote(plain, "judge", weighted=True))


@given(ballots(), st.booleans())
def test_a_list_given_twice_has_the_same_winner(candidates, weighted) -> None:
    twice = [*candidates, *(replace(c, index=c.index + len(candidates)) for c in candidates)]
    assert winner(twice, verifier="judge", weighted=weighted) == winner(candidates, verifier="judge", weighted=weighted)


@pytest.mark.parametrize("nothing", [0.0, None])
def test_where_all_weigh_nothing_the_count_decides(nothing) -> None:
    candidates = [candidate("1", 0, nothing), candidate("2", 1, nothing), candidate("2", 2, nothing)]
    assert winner(candidates, verifier="judge", weighted=True) == "2"


def test_weights_can_beat_the_count() -> None:
    candidates = [candidate("1", 0, 0.9), candidate("2", 1, 0.3), candidate("2", 2, 0.4)]
    assert winner(candidates, verifier="judge", weighted=True) == "1"
    assert winner(candidates, verifier="judge") == "2"


def test_a_missing_score_weighs_nothing_but_is_counted() -> None:
    candidates = [candidate("1", 0, 0.5), candidate("2", 1, 0.5), candidate("2", 2, None)]
    assert winner(candidates, verifier="judge", weighted=True) == "2"


def test_rounding_does_not_decide_a_vote() -> None:
    """0.1 + 0.2 + 0.3 depends on the order it is added in; an exact sum does not."""
    for order in itertools.permutations((0.1, 0.2, 0.3)):
        candidates = [candidate("1", 3, 0.6), *(candidate("2", i, w) for i, w in enumerate(order))]
        assert winner(candidates, verifier="judge", weighted=True) == "2"


def test_a_negative_score_weighs_nothing() -> None:
    candidates = [candidate("1", 0, 0.5), candidate("2", 1, 0.4), candidate("1", 2, -2.0), candidate("2", 3, None)]
    assert winner(candidates, verifier="judge", weighted=True) == "1"
    assert winner([candidate("1", 0, -2.0)], verifier="judge", weighted=True) == "1"


def test_where_all_abstain_there_is_no_answer_but_the_best_text() -> None:
    ordered = vote([candidate(None, 0, 0.1), candidate(None, 1, 0.9)], "judge")
    assert (indices(ordered), ordered[0].answer) == ([1, 0], None)
    assert vote([]) == []


def test_ties_break_by_count_then_best_score_then_first_index() -> None:
    by_count = [candidate("1", 0, 1.0), candidate("2", 1, 0.5), candidate("2", 2, 0.5)]
    assert winner(by_count, verifier="judge", weighted=True) == "2"
    by_score = [candidate("1", 0, 0.5), candidate("2", 1, 0.7)]
    assert winner(by_score, verifier="judge") == "2"
    by_index = [candidate("2", 0, 0.5), candidate("1", 1, 0.5)]
    assert winner(by_index, verifier="judge") == "2"


def test_within_the_winning_class_the_best_score_is_first_then_the_shortest() -> None:
    candidates = [candidate("1", 0, 0.5, tokens=9), candidate("1", 1, 0.5, tokens=4), candidate("1", 2, 0.6, tokens=9)]
    assert indices(vote(candidates, "judge")) == [2, 1, 0]


def test_one_candidate_wins() -> None:
    assert winner([candidate("7", 0)]) == "7"
